"""A subject as it stands in a cluster, kept up to date by watches."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType

from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.core.observation import Observation, ProbeOutcome, Subject
from orchestrator.core.ports import ClusterReader
from orchestrator.core.verdict import Reason
from orchestrator.errors import Unreachable
from orchestrator.verification.following import FollowedList, Follows
from orchestrator.verification.gathering import Items, assemble, unseen_reason
from orchestrator.verification.needs import Need, later_needs, needs_of


class LiveView:
    """Everything that the subject needs, followed for as long as one is inside this context."""

    def __init__(
        self, follows: Follows, reader: ClusterReader, subject: Subject, *, parts: frozenset[str] | None = None
    ) -> None:
        self._follows = follows
        self._reader = reader
        self._subject = subject
        self._parts = parts
        """Only what fills these fields of an observation; everything when None."""
        self._stack = AsyncExitStack()
        self._lists: dict[Need, FollowedList] = {}
        self.changed = asyncio.Event()
        """Set at every change; whoever looks clears it first."""
        self.probes: tuple[ProbeOutcome, ...] = ()
        """What the probes said last: endpoints send no events."""
        self.reverters: Mapping[ObjectRef, JsonObject] = {}
        """GitOps owners as last read: they are not watched."""

    async def __aenter__(self) -> LiveView:
        try:
            for need in needs_of(self._subject):
                if self._parts is None or need.part in self._parts:
                    await self._add(need)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _add(self, need: Need) -> None:
        followed = self._follows.follow(self._reader, need, self.changed.set)
        self._lists[need] = await self._stack.enter_async_context(followed)

    @property
    def is_complete(self) -> bool:
        """Whether every list has arrived, or has said why it will not."""
        return all(followed.is_settled for followed in self._lists.values())

    async def observe(self, at: datetime) -> Observation:
        """Everything as it stands; ReplicaSets and nodes are followed from the moment that they matter.

        Raises `Unreachable` when the cluster stopped answering, and whatever defect ended a watch.
        """
        while True:
            observation = self.known(at)
            later = later_needs(self._subject, observation, exhaustively=False)
            missing = [need for need in later if need not in self._lists]
            if not missing:
                return observation
            # Somebody else may follow such a list already: then it is here, and no event will tell so.
            for need in missing:
                await self._add(need)

    def lists(self, obj: JsonObject) -> bool:
        """Whether this very version of an object is still in one of the lists."""
        return any(followed.has(obj) for followed in self._lists.values())

    def known(self, at: datetime) -> Observation:
        """Everything as it stands, as far as it is followed already.

        Raises `Unreachable` when the cluster stopped answering, and whatever defect ended a watch.
        """
        unseen: list[Reason] = []
        items: dict[Need, list[JsonObject]] = {}
        for need, followed in self._lists.items():
            if followed.defect is not None:
                raise followed.defect
            if isinstance(followed.error, Unreachable):
                raise followed.error
            if followed.error is not None:
                unseen.append(unseen_reason(need.part, need.kind, followed.error))
            else:
                items[need] = list(followed.objects)
        lists: Items = items
        return assemble(lists, at=at, unseen=unseen, probes=self.probes, reverters=self.reverters)
