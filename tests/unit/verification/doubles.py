"""A clock that only a test moves, and a cluster that says what a test tells it: for the order of things, not for facts.

What real API servers, watches and controllers do is tested on real control planes (`tests/cluster/verification`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from orchestrator import plugins
from orchestrator.core.fleet import Cluster
from orchestrator.core.objects import GroupKind, JsonObject, ObjectRef, Resource, ref_of
from orchestrator.core.ports import Access, Change, ChangeType, HttpAnswer, HttpRequest, Identity, Keep, Listing
from orchestrator.errors import ClusterError, NotFound, Unreachable
from tests.unit.verification.scenes import AT

_CORE = {"Pod": "pods", "Node": "nodes", "Service": "services"}


async def quiet() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(200):
        await asyncio.sleep(0)


class ManualClock:
    """Time passes only in `advance`."""

    def __init__(self) -> None:
        self._elapsed = 100.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return AT + timedelta(seconds=self._elapsed)

    def elapsed(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._elapsed + seconds, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Pass this much time, in steps from one sleeper to the next."""
        await quiet()
        end = self._elapsed + seconds
        while due := sorted(when for when, woken in self._sleepers if when <= end and not woken.done()):
            self._elapsed = max(self._elapsed, due[0])
            for when, woken in self._sleepers:
                if when <= self._elapsed and not woken.done():
                    woken.set_result(None)
            self._sleepers = [(when, woken) for when, woken in self._sleepers if not woken.done()]
            await quiet()
        self._elapsed = end


class ToldCluster:
    """Holds objects; lists tell them all, watches tell only what `show` and `hide` announce."""

    def __init__(self) -> None:
        self.cluster = Cluster(name="here", region="here")
        self.server_time: datetime | None = None
        self.objects: dict[ObjectRef, JsonObject] = {}
        self.errors: dict[str, ClusterError] = {}
        """By kind: what lists and watches of it raise."""
        self.refused_watches: dict[str, ClusterError] = {}
        self.forbidden_everywhere: dict[str, ClusterError] = {}
        """By kind: what a list over all namespaces raises; one namespace may be read."""
        self.unserved: set[str] = {"ScaledObject"}
        self.asked: list[str] = []
        """Every list, get and follow, in order."""
        self.open_follows: list[str] = []
        self._queues: list[tuple[str, asyncio.Queue[Change | ClusterError]]] = []

    def show(self, obj: JsonObject, *, silently: bool = False) -> None:
        """The object is there, or has changed; `silently`: no watch tells of it."""
        self.objects[ref_of(obj)] = obj
        if not silently:
            self._tell(str(obj["kind"]), Change(ChangeType.MODIFIED, obj))

    def hide(self, obj: JsonObject, *, silently: bool = False) -> None:
        """The object is gone."""
        del self.objects[ref_of(obj)]
        if not silently:
            self._tell(str(obj["kind"]), Change(ChangeType.DELETED, obj))

    def break_watch(self, kind: str, error: ClusterError) -> None:
        """Watches of this kind end with the error."""
        self._tell(kind, error)

    def forbid_watch(self, kind: str, error: ClusterError) -> None:
        """Watches of this kind are refused; lists are not."""
        self.refused_watches[kind] = error

    def _tell(self, kind: str, change: Change | ClusterError) -> None:
        for followed, queue in self._queues:
            if followed == kind:
                queue.put_nowait(change)

    def _kept(self, kind: str, namespace: str, keep: Keep | None) -> tuple[JsonObject, ...]:
        if not namespace and kind in self.forbidden_everywhere:
            raise self.forbidden_everywhere[kind]
        return tuple(obj for obj in self._listed(kind) if keep is None or keep(obj))

    def _listed(self, kind: str) -> tuple[JsonObject, ...]:
        if kind in self.errors:
            raise self.errors[kind]
        return tuple(obj for ref, obj in self.objects.items() if ref.kind == kind)

    async def resource(self, api_version: str, kind: str) -> Resource:
        if kind in self.unserved:
            raise NotFound(f"{kind} is not served")
        group, _, version = api_version.rpartition("/")
        known = plugins.kinds().get(GroupKind(group, kind))
        return known.resource if known else Resource(group, version, _CORE.get(kind, f"{kind.lower()}s"), kind)

    async def get(self, ref: ObjectRef) -> JsonObject | None:
        self.asked.append(f"get {ref.kind}")
        if ref.kind in self.errors:
            raise self.errors[ref.kind]
        return self.objects.get(ref)

    async def list(
        self, resource: Resource, namespace: str = "", *, labels: str = "", keep: Keep | None = None
    ) -> Listing:
        self.asked.append(f"list {resource.kind}")
        return Listing(self._kept(resource.kind, namespace, keep), "1")

    async def follow(
        self, resource: Resource, namespace: str = "", *, labels: str = "", keep: Keep | None = None
    ) -> AsyncIterator[Change]:
        self.asked.append(f"follow {resource.kind}")
        if resource.kind in self.refused_watches:
            raise self.refused_watches[resource.kind]
        queue: asyncio.Queue[Change | ClusterError] = asyncio.Queue()
        entry = (resource.kind, queue)
        self._queues.append(entry)
        self.open_follows.append(resource.kind)
        try:
            yield Change(ChangeType.LISTED, items=self._kept(resource.kind, namespace, keep))
            while True:
                change = await queue.get()
                if isinstance(change, ClusterError):
                    raise change
                yield change
        finally:
            self._queues.remove(entry)
            self.open_follows.remove(resource.kind)

    async def identify(self) -> Identity:
        return Identity(uid="u", sandbox=True)

    async def version(self) -> str:
        return "v1.37.2"

    async def actor(self) -> str:
        return "somebody"

    async def allows(self, access: Access) -> bool:
        return True


class ToldEndpoint:
    """Answers what a test tells it."""

    def __init__(self, answer: HttpAnswer | None = None) -> None:
        self.answer = answer
        self.asked = 0

    async def ask(self, request: HttpRequest) -> HttpAnswer:
        self.asked += 1
        if self.answer is None:
            raise Unreachable("nobody answers")
        return self.answer
