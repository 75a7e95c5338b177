"""`fleet check`: is every cluster the one it should be, new enough, where it claims to stand, and open to us?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import replace

from orchestrator.core.fleet import Cluster
from orchestrator.core.fleet_check import ClusterCheck, FleetReport
from orchestrator.core.objects import dig
from orchestrator.core.ports import ClusterReader
from orchestrator.core.result import exit_code_of
from orchestrator.core.verdict import Reason, Verdict
from orchestrator.documents.roles import Role
from orchestrator.errors import ClusterError, Unreachable
from orchestrator.geo.nodes import contradiction
from orchestrator.workflow.session import NODES, Session

OLDEST_VERSION = (1, 30)
"""ValidatingAdmissionPolicy, on which the guard rests, is stable since Kubernetes 1.30."""


async def check_fleet(session: Session, roles: Iterable[Role]) -> FleetReport:
    """Check every cluster at once; a cluster that does not answer costs the others nothing."""
    asked = tuple(roles)
    checks = _without_twins(
        await asyncio.gather(
            *(
                check_cluster(session.writer(cluster.name), cluster, asked, session)
                for cluster in session.fleet.clusters
            )
        )
    )
    return FleetReport(
        exit_code=exit_code_of(check.verdict for check in checks),
        clusters=tuple(checks),
        not_covered=tuple(session.connection.contexts_outside_fleet()),
    )


async def check_cluster(
    reader: ClusterReader, cluster: Cluster, roles: tuple[Role, ...], session: Session
) -> ClusterCheck:
    """What one cluster answers to every question."""
    began = session.clock.elapsed()
    try:
        identity = await reader.identify()
        milliseconds = round((session.clock.elapsed() - began) * 1000)
        version, actor = await asyncio.gather(reader.version(), reader.actor())
        granted = await asyncio.gather(*(_missing(reader, role) for role in roles))
    except ClusterError as error:
        return failed(cluster, error)
    reasons = [*_age(version), *_pin(cluster, identity.uid), *await _place(reader, cluster)]
    for role, missing in zip(roles, granted, strict=True):
        if missing:
            reasons.append(Reason(code="permission-missing", message=f"{role.name} lacks: {', '.join(missing)}"))
    return replace(
        blank(cluster),
        verdict=Verdict.UNVERIFIED if reasons else Verdict.VERIFIED,
        uid=identity.uid,
        version=version,
        actor=actor,
        sandbox=identity.sandbox,
        milliseconds=milliseconds,
        roles={role.name: not missing for role, missing in zip(roles, granted, strict=True)},
        reasons=tuple(reasons),
    )


def _without_twins(checks: Iterable[ClusterCheck]) -> list[ClusterCheck]:
    """Two entries that lead to one cluster would be switched twice and counted twice: the later one is unverified."""
    seen: dict[str, str] = {}
    told: list[ClusterCheck] = []
    for check in checks:
        first = seen.setdefault(check.uid, check.cluster) if check.uid else check.cluster
        if first != check.cluster:
            reason = Reason(code="duplicate", message=f"{first} is the same cluster (uid {check.uid})", field="uid")
            check = replace(check, verdict=Verdict.UNVERIFIED, reasons=(*check.reasons, reason))  # noqa: PLW2901
        told.append(check)
    return told


async def _missing(reader: ClusterReader, role: Role) -> list[str]:
    answers = await asyncio.gather(*(reader.allows(access) for access in role.accesses))
    return [str(access) for access, allowed in zip(role.accesses, answers, strict=True) if not allowed]


def _age(version: str) -> list[Reason]:
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) >= OLDEST_VERSION:
        return []
    return [Reason(code="version", message=f"Kubernetes {version}: 1.30 or later is needed")]


def _pin(cluster: Cluster, uid: str) -> list[Reason]:
    if cluster.uid:
        return []
    message = f"no uid is pinned, so another cluster behind this context would not be noticed; it is {uid}"
    return [Reason(code="not-pinned", message=message, field="uid")]


async def _place(reader: ClusterReader, cluster: Cluster) -> list[Reason]:
    try:
        nodes = await reader.list(NODES)
    except ClusterError as error:
        return [Reason(code=error.code, message=f"its nodes cannot be listed: {error.message}")]
    sentence = contradiction(cluster, [dig(node, "metadata", "labels", default={}) for node in nodes.items])
    return [Reason(code="geography", message=sentence, field="country")] if sentence else []


def blank(cluster: Cluster) -> ClusterCheck:
    """The report on a cluster against which nothing is known."""
    return ClusterCheck(
        cluster=cluster.name,
        context=cluster.context_name,
        region=cluster.region,
        country=cluster.country,
        verdict=Verdict.VERIFIED,
    )


def failed(cluster: Cluster, error: ClusterError) -> ClusterCheck:
    """The report on a cluster that did not answer, or not what was asked."""
    verdict = Verdict.UNREACHABLE if isinstance(error, Unreachable) else Verdict.UNVERIFIED
    return replace(blank(cluster), verdict=verdict, reasons=(Reason(code=error.code, message=error.message),))
