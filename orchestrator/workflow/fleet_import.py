"""`fleet import`: contexts of a kubeconfig → a fleet whose clusters are pinned by their uid.

What a cluster says of itself is only believed where a fleet document could hold it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.fleet_check import ClusterCheck, FleetReport
from orchestrator.core.objects import JsonObject, dig
from orchestrator.core.ports import ClusterReader
from orchestrator.core.result import exit_code_of
from orchestrator.core.verdict import Reason, Verdict
from orchestrator.delivery import Timeouts, connect
from orchestrator.documents.names import is_label_value
from orchestrator.errors import ClusterError, Unreachable, UsageError
from orchestrator.geo.jurisdictions import load_jurisdictions
from orchestrator.geo.nodes import LABEL_REGION, country_of_node
from orchestrator.workflow.fleet_check import blank, failed
from orchestrator.workflow.fleet_names import cluster_names
from orchestrator.workflow.session import NODES

_UID = re.compile(r"[0-9A-Za-z-]{1,64}")


async def import_fleet(
    fleet: Fleet, kubeconfig: Path | None, patterns: Iterable[str], timeouts: Timeouts | None = None
) -> tuple[Fleet, FleetReport]:
    """Add the contexts that fit any pattern to a fleet, each with the uid, region and country that it shows.

    Contexts that the fleet uses are left alone. One that does not answer, or that leads to a cluster which is in the
    fleet already, is reported and not added. Raises UsageError when no context fits.
    """
    wanted = tuple(patterns) or ("*",)
    async with connect(fleet, kubeconfig=kubeconfig) as connection:
        outside = connection.contexts_outside_fleet()
    contexts = [name for name in outside if any(fnmatchcase(name, one) for one in wanted)]
    if not contexts:
        raise UsageError(
            f"no context of the kubeconfig outside the fleet fits {', '.join(wanted)}",
            hint="`kubectl config get-contexts` lists them",
        )
    names = cluster_names(contexts, (cluster.name for cluster in fleet.clusters))
    candidates = tuple(Cluster(name=names[context], region=names[context], context=context) for context in contexts)
    reached = Fleet(name=fleet.name, clusters=candidates)
    async with connect(reached, kubeconfig=kubeconfig, timeouts=timeouts) as connection:
        seen = await asyncio.gather(*(_see(connection.writer(one.name), one) for one in candidates))
    return _join(fleet, seen, left_alone=tuple(name for name in outside if name not in contexts))


async def _see(reader: ClusterReader, cluster: Cluster) -> ClusterCheck:
    if not cluster.context_name.isprintable():
        reason = Reason(code="context-name", message="a fleet cannot name this context: rename it in the kubeconfig")
        return replace(blank(cluster), verdict=Verdict.UNVERIFIED, reasons=(reason,))
    try:
        identity = await reader.identify()
    except ClusterError as error:
        return failed(cluster, error)
    check = replace(blank(cluster), sandbox=identity.sandbox)
    if not _UID.fullmatch(identity.uid):
        reason = Reason(code="no-identity", message="what it gives as its uid cannot be one")
        return replace(check, verdict=Verdict.UNVERIFIED, reasons=(reason,))
    check = replace(check, uid=identity.uid)
    try:
        nodes = await reader.list(NODES)
    except Unreachable as error:
        return failed(cluster, error)
    except ClusterError as error:
        message = f"its region and country are for you to fill in, as its nodes cannot be listed: {error.message}"
        return replace(check, verdict=Verdict.UNVERIFIED, reasons=(Reason(code=error.code, message=message),))
    region, country = place_of(nodes.items)
    return replace(check, region=region or check.region, country=country)


def place_of(nodes: Iterable[JsonObject]) -> tuple[str | None, str | None]:
    """Region and country on which the labels of all labelled nodes agree; None where they do not, or make no sense."""
    labels = [dig(node, "metadata", "labels", default={}) for node in nodes]
    regions = {region for one in labels if (region := one.get(LABEL_REGION))}
    countries = {country for one in labels if (country := country_of_node(one))}
    region = regions.pop() if len(regions) == 1 else None
    country = countries.pop() if len(countries) == 1 else None
    return (
        region if isinstance(region, str) and is_label_value(region) else None,
        country if country in load_jurisdictions().countries else None,
    )


def _join(fleet: Fleet, seen: Iterable[ClusterCheck], *, left_alone: tuple[str, ...]) -> tuple[Fleet, FleetReport]:
    clusters = list(fleet.clusters)
    reports: list[ClusterCheck] = []
    for report in seen:
        twin = next((other for other in clusters if report.uid and other.uid == report.uid), None)
        if twin:
            message = f"this is {twin.name}, which is in the fleet already: left out"
            reports.append(replace(report, reasons=(Reason(code="duplicate", message=message),)))
            continue
        reports.append(report)
        if report.uid:
            clusters.append(
                Cluster(
                    name=report.cluster,
                    region=report.region,
                    country=report.country,
                    context=report.context,
                    uid=report.uid,
                )
            )
    code = exit_code_of(report.verdict for report in reports)
    return replace(fleet, clusters=tuple(clusters)), FleetReport(
        exit_code=code, clusters=tuple(reports), not_covered=left_alone
    )
