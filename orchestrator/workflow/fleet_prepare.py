"""`fleet prepare`: the tool's namespace and roles in every cluster."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from orchestrator.core.fleet import Cluster
from orchestrator.core.fleet_check import ClusterCheck, FleetReport
from orchestrator.core.objects import JsonObject, ref_of
from orchestrator.core.ports import ClusterWriter
from orchestrator.core.result import exit_code_of
from orchestrator.core.verdict import Reason, Verdict
from orchestrator.errors import ClusterError
from orchestrator.workflow.fleet_check import blank, failed
from orchestrator.workflow.session import Session


async def prepare_fleet(session: Session, objects: tuple[JsonObject, ...], *, dry_run: bool) -> FleetReport:
    """Apply the namespace and the roles everywhere; a cluster that refuses costs the others nothing."""
    checks = await asyncio.gather(
        *(_prepare(session.writer(one.name), one, objects, dry_run) for one in session.fleet.clusters)
    )
    code = exit_code_of(check.verdict for check in checks)
    return FleetReport(exit_code=code, clusters=tuple(checks))


async def _prepare(
    writer: ClusterWriter, cluster: Cluster, objects: tuple[JsonObject, ...], dry_run: bool
) -> ClusterCheck:
    try:
        identity = await writer.identify()
    except ClusterError as error:
        return failed(cluster, error)
    check = replace(blank(cluster), uid=identity.uid, sandbox=identity.sandbox)
    for obj in objects:
        try:
            await writer.apply(obj, dry_run=dry_run)
        except ClusterError as error:
            if dry_run and error.code == "not-found":
                continue  # its namespace is made by the objects before it, which a dry run does not do
            reason = Reason(code=error.code, message=error.message, object=str(ref_of(obj)))
            return replace(check, verdict=Verdict.FAILED, reasons=(reason,))
    return check
