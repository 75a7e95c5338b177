"""The checks of a step, made for one model in one cluster: gather, then judge."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from orchestrator.core.check import CheckContext
from orchestrator.core.observation import Subject
from orchestrator.core.text import printable
from orchestrator.core.verdict import Assessment, Readiness, Reason
from orchestrator.errors import OrchestratorError
from orchestrator.execution.ports import ClusterPorts


async def run_checks(
    checks: tuple[Mapping[str, Any], ...], ports: ClusterPorts, subject: Subject
) -> tuple[Assessment, ...]:
    """Make every check of a step at once; what cannot be asked or judged is unknown, never passed."""
    asked = [(key, raw) for check in checks for key, raw in check.items()]
    return tuple(await asyncio.gather(*(_run(key, raw, ports, subject) for key, raw in asked)))


async def _run(key: str, raw: Any, ports: ClusterPorts, subject: Subject) -> Assessment:
    check = ports.checks.get(key)
    if check is None:
        return _unknown(key, "there is no such check")
    context = CheckContext(cluster=subject.cluster, region=subject.region, model=subject.model.name, clock=ports.clock)
    try:
        params = check.read(raw)
        return check.judge(params, await check.gather(params, context, ports.prober))
    except OrchestratorError as error:
        return _unknown(key, printable(error.message))


def _unknown(key: str, words: str) -> Assessment:
    return Assessment(Readiness.UNKNOWN, (Reason(code="check", message=f"check {printable(key, 60)}: {words}"),))
