"""Looks for everything of a model in a whole cluster, to be stopped or named: pods, and workloads that would make them.

Read from consistent lists of all namespaces, filtered page by page.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from orchestrator import plugins
from orchestrator.core.kind import Kind
from orchestrator.core.objects import JsonObject
from orchestrator.core.observation import Observation, PodTrace, Subject, Traces
from orchestrator.core.ports import ClusterReader
from orchestrator.core.verdict import Reason
from orchestrator.errors import ClusterError, NotFound, Unreachable
from orchestrator.verification.findings import READING_ERRORS
from orchestrator.verification.gathering import gather, unseen_reason
from orchestrator.verification.keeping import templates_to_keep
from orchestrator.verification.recognition import model_pods


async def search(reader: ClusterReader, subject: Subject, at: datetime) -> Traces:
    """The pods of the model in any phase, and the workloads that are its by label or template. Raises `Unreachable`."""
    kinds = [kind for kind in plugins.kinds().values() if kind.workload is not None]
    observation, lists = await asyncio.gather(
        gather(reader, subject, at), asyncio.gather(*(_workloads(reader, subject, kind) for kind in kinds))
    )
    return Traces(
        pods=await asyncio.to_thread(_traces, subject, observation),
        workloads=tuple(obj for found in lists if not isinstance(found, Reason) for obj in found),
        unseen=(*observation.unseen, *(found for found in lists if isinstance(found, Reason))),
    )


def _traces(subject: Subject, observation: Observation) -> tuple[PodTrace, ...]:
    try:
        found = model_pods(subject, observation)
    except READING_ERRORS:  # whatever judges the subject says which pod cannot be read
        return ()
    return tuple(
        PodTrace(pod=one.pod, presence=one.presence.value, is_mirror=one.is_mirror, shared_with=one.shared_with)
        for one in found
    )


async def _workloads(reader: ClusterReader, subject: Subject, kind: Kind) -> tuple[JsonObject, ...] | Reason:
    try:
        return (await reader.list(kind.resource, keep=templates_to_keep(subject, kind))).items
    except NotFound:
        return ()
    except Unreachable:
        raise
    except ClusterError as error:
        return unseen_reason("workloads", kind.resource.kind, error)
