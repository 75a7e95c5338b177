"""Our own namespace in a cluster: made when the first record finds it missing, so that no run asks for it in vain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from orchestrator.core.objects import SYSTEM_NAMESPACE
from orchestrator.core.ports import ClusterWriter
from orchestrator.errors import Conflict, Forbidden, NotFound

T = TypeVar("T")


async def in_our_namespace(writer: ClusterWriter, write: Callable[[], Awaitable[T]]) -> T:
    """Write a record, creating our namespace first where the API server says that it is missing."""
    try:
        return await write()
    except NotFound:
        await _create(writer)
        return await write()


async def _create(writer: ClusterWriter) -> None:
    try:
        await writer.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}})
    except Conflict:
        return
    except Forbidden as error:
        error.hint = error.hint or "an administrator can make our namespace: orchestrator fleet prepare"
        raise
