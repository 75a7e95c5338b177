"""`fleet import`: contexts of a kubeconfig → a fleet whose clusters are pinned by their uid."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.fleet_check import ClusterCheck, FleetReport
from orchestrator.core.objects import dig
from orchestrator.core.ports import ClusterReader
from orchestrator.core.result import exit_code_of
from orchestrator.core.verdict import Reason, Verdict
from orchestrator.delivery import connect
from orchestrator.errors import ClusterError, Unreachable, UsageError
from orchestrator.geo.nodes import LABEL_REGION, country_of_node
from orchestrator.workflow.session import NODES


async def import_fleet(fleet: Fleet, kubeconfig: Path | None, patterns: Iterable[str]) -> tuple[Fleet, FleetReport]:
    """Add the contexts that fit any pattern to a fleet, each with the uid, region and country that it shows.

    Contexts that the fleet uses are left alone. One that does not answer, or that leads to a cluster which is in the
    fleet already, is reported and not added. Raises UsageError when no context fits.
    """
    wanted = tuple(patterns) or ("*",)
    async with connect(fleet, kubeconfig=kubeconfig) as connection:
        names = [name for name in connection.contexts_outside_fleet() if any(fnmatchcase(name, one) for one in wanted)]
    if not names:
        raise UsageError(
            f"no context of the kubeconfig outside the fleet fits {', '.join(wanted)}",
            hint="`kubectl config get-contexts` lists them",
        )
    candidates = Fleet(name=fleet.name, clusters=tuple(_candidate(name, names) for name in names))
    async with connect(candidates, kubeconfig=kubeconfig) as connection:
        seen = await asyncio.gather(*(_see(connection.writer(one.name), one) for one in candidates.clusters))
    return _join(fleet, seen)


def _candidate(context: str, contexts: list[str]) -> Cluster:
    """A cluster named after its context: a DNS label, made unique where two contexts would get the same."""
    name = _dns_label(context)
    namesakes = [other for other in contexts if _dns_label(other) == name]
    if len(namesakes) > 1:
        name = f"{name[:60]}-{namesakes.index(context) + 1}"
    return Cluster(name=name, region=name, context=context)


def _dns_label(text: str) -> str:
    """`arn:aws:eks:eu-west-1:123:cluster/models` → `models`; anything that is no letter or digit becomes a hyphen."""
    last = re.split(r"[/:@]", text)[-1] or text
    return re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:63] or "cluster"


async def _see(reader: ClusterReader, cluster: Cluster) -> tuple[Cluster, ClusterCheck]:
    try:
        identity = await reader.identify()
        nodes = (await reader.list(NODES)).items
    except ClusterError as error:
        verdict = Verdict.UNREACHABLE if isinstance(error, Unreachable) else Verdict.UNVERIFIED
        return cluster, _report(cluster, verdict, Reason(code=error.code, message=error.message))
    labels = [dig(node, "metadata", "labels", default={}) for node in nodes]
    regions = {region for one in labels if (region := one.get(LABEL_REGION))}
    countries = {country for one in labels if (country := country_of_node(one))}
    found = replace(
        cluster,
        uid=identity.uid,
        region=regions.pop() if len(regions) == 1 else cluster.region,
        country=countries.pop() if len(countries) == 1 else None,
    )
    return found, replace(_report(found, Verdict.VERIFIED), uid=identity.uid, sandbox=identity.sandbox)


def _join(fleet: Fleet, seen: Iterable[tuple[Cluster, ClusterCheck]]) -> tuple[Fleet, FleetReport]:
    clusters = list(fleet.clusters)
    reports: list[ClusterCheck] = []
    for cluster, report in seen:
        twin = next((other for other in clusters if cluster.uid and other.uid == cluster.uid), None)
        if report.verdict is not Verdict.VERIFIED:
            reports.append(report)
        elif twin:
            message = f"this is {twin.name}, which is in the fleet already: left out"
            reports.append(replace(report, reasons=(Reason(code="duplicate", message=message),)))
        else:
            taken = {other.name for other in clusters}
            name = cluster.name if cluster.name not in taken else f"{cluster.name[:58]}-{str(cluster.uid)[:4]}"
            clusters.append(replace(cluster, name=name))
            reports.append(replace(report, cluster=name))
    code = exit_code_of(report.verdict for report in reports)
    return replace(fleet, clusters=tuple(clusters)), FleetReport(exit_code=code, clusters=tuple(reports))


def _report(cluster: Cluster, verdict: Verdict, *reasons: Reason) -> ClusterCheck:
    return ClusterCheck(
        cluster=cluster.name,
        context=cluster.context_name,
        region=cluster.region,
        country=cluster.country,
        verdict=verdict,
        reasons=reasons,
    )
