"""Sees a model go, event by event: when its controllers run nothing any more, and when its last pod is gone.

It begins before anything is stopped, so that the moments are those of the events. No verdict rests on it: that takes a
consistent list.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Final

from orchestrator.core.objects import JsonObject, dig
from orchestrator.core.observation import Observation, Subject
from orchestrator.core.ports import Clock, ClusterReader
from orchestrator.errors import ClusterError
from orchestrator.verification.disabled import is_stopped
from orchestrator.verification.findings import READING_ERRORS
from orchestrator.verification.following import Follows
from orchestrator.verification.judging import present_pods
from orchestrator.verification.watching import LiveView

_PARTS: Final = frozenset({"objects", "pods"})
_MANY_PODS: Final = 1000
"""From here on to recognise them takes so long that other clusters would feel it: it is done in a thread."""


class DepartureWatch:
    """One model in one cluster on its way out; implements `core.observation.Departure`."""

    def __init__(
        self, follows: Follows, reader: ClusterReader, subject: Subject, clock: Clock, tell: Callable[[datetime], None]
    ) -> None:
        self._follows = follows
        self._reader = reader
        self._subject = subject
        self._clock = clock
        self._tell = tell
        self._is_extended = False
        self._changed: asyncio.Event | None = None
        """What wakes whoever looks."""
        self._had_pods = False
        self._witness: JsonObject | None = None
        """A pod that is known to be the model's and there: as long as it is listed unchanged, no other matters."""
        self.stopped_at: datetime | None = None
        self.last_pod_gone_at: datetime | None = None
        self.nodes: frozenset[str] = frozenset()

    def extend(self, subject: Subject) -> None:
        """Watch this subject from now on: more turned out to be the model's."""
        if subject.expectations != self._subject.expectations:
            self._subject, self._is_extended = subject, True
            if self._changed is not None:
                self._changed.set()

    async def run(self) -> None:
        """Watch until cancelled; what cannot be watched ends it, and has no times."""
        try:
            async with AsyncExitStack() as before:
                while True:
                    async with AsyncExitStack() as current:
                        subject, self._witness = self._subject, None
                        self._is_extended = False
                        view = LiveView(self._follows, self._reader, subject, parts=_PARTS)
                        await current.enter_async_context(view)
                        # What the earlier view followed and this one does too goes on without a gap.
                        await before.aclose()
                        await self._follow(view, subject)
                        before.push_async_exit(current.pop_all())
        except (ClusterError, *READING_ERRORS):
            return

    async def _follow(self, view: LiveView, subject: Subject) -> None:
        # Nothing stands between an event and the look at it: each turn of a busy loop in between makes the news later.
        self._changed = view.changed
        while not self._is_extended:
            view.changed.clear()
            await self._look(view, subject)
            await view.changed.wait()

    async def _look(self, view: LiveView, subject: Subject) -> None:
        if not view.is_complete:
            return
        at = self._clock.now()
        observation = view.known(at)
        if observation.unseen:
            self.stopped_at = None
            return
        if not is_stopped(subject, observation):
            self.stopped_at = None
        elif self.stopped_at is None:
            self.stopped_at = at
        if self._witness is None or not view.lists(self._witness):
            await self._look_for_pods(await view.observe(at), subject)

    async def _look_for_pods(self, observation: Observation, subject: Subject) -> None:
        if observation.unseen:
            return
        if len(observation.pods) < _MANY_PODS:
            pods = present_pods(subject, observation)
        else:
            pods = await asyncio.to_thread(present_pods, subject, observation)
        self.nodes |= {str(name) for one in pods if (name := dig(one.pod, "spec", "nodeName"))}
        # One in the middle: pods that go in the order of the list, or against it, would take one at an end each time.
        self._witness = pods[len(pods) // 2].pod if pods else None
        if pods:
            self._had_pods, self.last_pod_gone_at = True, None
        elif self._had_pods and self.last_pod_gone_at is None:
            self.last_pod_gone_at = observation.at
            self._tell(observation.at)


@asynccontextmanager
async def watch_departure(watch: DepartureWatch) -> AsyncIterator[DepartureWatch]:
    """The watch, under way for as long as one is inside."""
    watching = asyncio.create_task(watch.run(), name="departure")
    try:
        yield watch
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
