"""One look at a cluster, in which nothing is asked twice: for planning, whose parts need the same lists.

An object is taken from the list of its kind in its namespace where that was asked for. It refuses to be used for
anything that happens later: what it has heard it never asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Final, TypeVar, cast

from orchestrator.core.objects import JsonObject, ObjectRef, Resource, dig
from orchestrator.core.ports import ClusterWriter, Keep, Listing
from orchestrator.errors import ClusterError, Unreachable

Answer = TypeVar("Answer")


class OneLook:
    """Reads through a cluster's writer, each question once; everything but `get` and `list` passes through."""

    def __init__(self, writer: ClusterWriter) -> None:
        self._writer = writer
        self._asked: Final[dict[tuple[Any, ...], asyncio.Task[Any]]] = {}

    @classmethod
    def through(cls, writer: ClusterWriter) -> ClusterWriter:
        """A look at the cluster of this writer."""
        return cast(ClusterWriter, cls(writer))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def ask_ahead(self, lists: Iterable[tuple[Resource, str]], refs: Iterable[ObjectRef]) -> None:
        """Ask now for what will be asked for anyway; whether it was right to is nobody's concern."""
        for resource, namespace in lists:
            self._ask(_key_of(resource, namespace, ""), partial(self._writer.list, resource, namespace))
        for ref in refs:
            if not self._list_with(ref):
                self._ask(("get", ref), partial(self._writer.get, ref))

    async def get(self, ref: ObjectRef) -> JsonObject | None:
        """One object; None when it, or its API, is not there."""
        listed = self._list_with(ref)
        if listed is not None:
            try:
                items = (await asyncio.shield(listed)).items
            except Unreachable:
                raise
            except ClusterError:
                # Whoever may not list may still be allowed to look at this one.
                return await asyncio.shield(self._ask(("get", ref), lambda: self._writer.get(ref)))
            return next((item for item in items if dig(item, "metadata", "name") == ref.name), None)
        return await asyncio.shield(self._ask(("get", ref), lambda: self._writer.get(ref)))

    async def list(
        self, resource: Resource, namespace: str = "", *, labels: str = "", keep: Keep | None = None
    ) -> Listing:
        """A consistent list; what only some want of it is asked for by itself."""
        if keep is not None:
            return await self._writer.list(resource, namespace, labels=labels, keep=keep)
        key = _key_of(resource, namespace, labels)
        return await asyncio.shield(self._ask(key, lambda: self._writer.list(resource, namespace, labels=labels)))

    def _list_with(self, ref: ObjectRef) -> asyncio.Task[Listing] | None:
        return self._asked.get(("list", ref.api_version, ref.kind, ref.namespace, ""))

    def _ask(self, key: tuple[Any, ...], question: Callable[[], Coroutine[Any, Any, Answer]]) -> asyncio.Task[Answer]:
        if key not in self._asked:
            task = self._asked[key] = asyncio.create_task(question())
            task.add_done_callback(_heard)
        return self._asked[key]


def _key_of(resource: Resource, namespace: str, labels: str) -> tuple[str, ...]:
    return "list", resource.api_version, resource.kind, namespace, labels


def _heard(task: asyncio.Task[Any]) -> None:
    """An answer that nobody came for is no defect."""
    if not task.cancelled():
        task.exception()
