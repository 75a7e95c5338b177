"""Lists kept up to date by watches, shared by everybody who looks at the same list of the same cluster.

One watch per list and cluster, however many models are waited for. Only what rules read is kept in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeAlias

from orchestrator.core.objects import JsonObject, dig
from orchestrator.core.ports import Change, ChangeType, ClusterReader, Keep
from orchestrator.errors import ClusterError, NotFound, Unreachable
from orchestrator.verification.needs import Need

Listener: TypeAlias = Callable[[], None]
_Key: TypeAlias = tuple[int, str, str, str, str, str, tuple[str, ...]]

_KEPT_OF_NODES = ("conditions", "allocatable")


class FollowedList:
    """One list as it stands, or why it cannot be followed."""

    def __init__(self, keep: Keep | None = None) -> None:
        self._keep = keep
        self.is_listed = False
        self.error: ClusterError | None = None
        self.defect: Exception | None = None
        """Something that is no error of a cluster's: raised to whoever waits."""
        self.users = 0
        self.listeners: set[Listener] = set()
        self.task: asyncio.Task[None] | None = None
        self._objects: dict[tuple[str, str], JsonObject] = {}

    @property
    def is_settled(self) -> bool:
        """Whether there is anything to be said: a list, or a reason why there is none."""
        return self.is_listed or self.error is not None or self.defect is not None

    @property
    def objects(self) -> Iterable[JsonObject]:
        """The objects as they stand."""
        return self._objects.values()

    def has(self, obj: JsonObject) -> bool:
        """Whether this very object, as it was handed out, still stands."""
        return self._objects.get(_place(obj)) is obj

    def take(self, change: Change) -> None:
        """Take over one step of the followed list."""
        if change.type is ChangeType.LISTED:
            self._objects = {_place(obj): _slim(obj) for obj in change.items}
            self.is_listed = True
        elif change.object is not None and change.type is ChangeType.DELETED:
            if self._objects.pop(_place(change.object), None) is None:
                return
        elif change.object is not None and not self._take_object(change.object):
            return
        self.tell()

    def _take_object(self, obj: JsonObject) -> bool:
        """Keep an object if it can matter; one that ever did stays, for what it was recognised by may be taken off."""
        place = _place(obj)
        if self._keep is not None and place not in self._objects and not self._keep(obj):
            return False
        self._objects[place] = _slim(obj)
        return True

    def tell(self) -> None:
        """Tell everybody who listens that something has changed."""
        for listener in tuple(self.listeners):
            listener()


class Follows:
    """Every list that is being followed, in any cluster."""

    def __init__(self) -> None:
        self._lists: dict[_Key, FollowedList] = {}

    @asynccontextmanager
    async def follow(self, reader: ClusterReader, need: Need, listener: Listener) -> AsyncIterator[FollowedList]:
        """The list that a need asks for, followed while anybody is inside; `listener` hears of every change."""
        key = (id(reader), need.api_version, need.kind, need.namespace, need.labels, need.model, need.wholly)
        followed = self._lists.get(key)
        if followed is None or (followed.task is not None and followed.task.done()):
            followed = self._lists[key] = FollowedList(need.keep)
            followed.task = asyncio.create_task(_keep(followed, reader, need))
        followed.users += 1
        followed.listeners.add(listener)
        try:
            yield followed
        finally:
            followed.listeners.discard(listener)
            followed.users -= 1
            if followed.users == 0:
                if self._lists.get(key) is followed:
                    del self._lists[key]
                await _end(followed.task)


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _keep(followed: FollowedList, reader: ClusterReader, need: Need) -> None:
    """Follow until cancelled; what ends it early is kept for those who wait."""
    try:
        resource = await reader.resource(need.api_version, need.kind)
        changes = reader.follow(
            resource, need.namespace if resource.namespaced else "", labels=need.labels, keep=need.keep
        )
        try:
            async for change in changes:
                followed.take(change)
        finally:
            if isinstance(changes, AsyncGenerator):
                await changes.aclose()
        followed.error = Unreachable(f"the watch of {need.kind} ended", code="watch-ended")
    except NotFound:
        # An API that is not served holds no objects.
        followed.take(Change(ChangeType.LISTED))
    except ClusterError as error:
        followed.error = error
    except Exception as error:
        followed.defect = error
    followed.tell()


def _place(obj: JsonObject) -> tuple[str, str]:
    return str(dig(obj, "metadata", "namespace", default="")), str(dig(obj, "metadata", "name", default=""))


def _slim(obj: JsonObject) -> JsonObject:
    """The object without what no rule reads: managedFields are half of it, images most of a node's status."""
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"}
    slim = {**obj, "metadata": metadata}
    if obj.get("kind") == "Node":
        slim["status"] = {key: dig(obj, "status", key) for key in _KEPT_OF_NODES}
    return slim
