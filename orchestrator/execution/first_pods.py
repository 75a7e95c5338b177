"""Waiting until a workload's first pod has a node: what an elastic cluster shows before the rest follows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from typing import Final

from orchestrator.core.objects import JsonObject, ObjectRef, Resource, dig
from orchestrator.core.ports import ChangeType, ClusterReader
from orchestrator.errors import ClusterError
from orchestrator.execution.changes import selector_text

_PODS: Final = Resource("", "v1", "pods", "Pod")


class NotScheduled(ClusterError):
    """No node took the first pod in time."""

    code = "not-scheduled"


async def wait_until_scheduled(reader: ClusterReader, refs: Iterable[ObjectRef], seconds: float) -> None:
    """Return when each workload has a pod on a node. Raises `NotScheduled` after so many seconds, or `ClusterError`."""
    await asyncio.gather(*(_wait(reader, ref, seconds) for ref in refs))


async def _wait(reader: ClusterReader, ref: ObjectRef, seconds: float) -> None:
    live = await reader.get(ref)
    labels = selector_text(dig(live, "spec", "selector"))
    if labels is None:
        return
    try:
        async with asyncio.timeout(seconds), aclosing(reader.follow(_PODS, ref.namespace, labels=labels)) as changes:
            async for change in changes:
                pods = change.items if change.type is ChangeType.LISTED else (change.object,)
                if any(_is_scheduled(pod) for pod in pods):
                    return
    except TimeoutError as error:
        raise NotScheduled(f"no node took the first pod of {ref} within {seconds:g} s") from error


def _is_scheduled(pod: JsonObject | None) -> bool:
    return bool(dig(pod, "spec", "nodeName")) and not dig(pod, "metadata", "deletionTimestamp")
