"""`status --watch`: the matrix as it stands, kept up to date by watches; idle, it asks no cluster anything.

A round begins with a look at everything. It ends when a cluster's own records change (another model, another hold), or
when a cluster that was away may be asked again; then the next one begins.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Final

from orchestrator.core.fleet import Cluster
from orchestrator.core.objects import LABEL_RECORD, SYSTEM_NAMESPACE, Resource
from orchestrator.core.ports import ChangeType
from orchestrator.core.result import StatusDocument, StatusItem
from orchestrator.core.verdict import Judgement
from orchestrator.delivery import HttpProber
from orchestrator.errors import ClusterError
from orchestrator.verification import LiveVerifier
from orchestrator.workflow.judging import Sought, SoughtModel, seek
from orchestrator.workflow.session import Session

Show = Callable[[StatusDocument], None]

_CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap")
_GATHER: Final = 0.1
"""Seconds in which changes are gathered into one picture."""
_SETTLE: Final = 1.0
"""Seconds that records have to themselves before everything is looked at again: a run writes several."""
_AWAY: Final = (5.0, 60.0)
"""Seconds between two tries of a cluster that is away: at first, at most."""


async def watch_status(session: Session, models: tuple[str, ...], clusters: Sequence[Cluster], show: Show) -> None:
    """Show how everything stands, and again after every change, until cancelled. Raises what `seek` raises."""
    pause = _AWAY[0]
    async with HttpProber() as prober:
        verifier = LiveVerifier(session.clock, prober)
        while True:
            sought = await seek(session, models, clusters)
            pause = min(pause * 2, _AWAY[1]) if sought.unreachable else _AWAY[0]
            await _Round(session, verifier, sought, show).last(pause * random.uniform(0.5, 1.0))  # noqa: S311


class _RoundOver(Exception):
    """Everything has to be looked at anew."""


class _Round:
    def __init__(self, session: Session, verifier: LiveVerifier, sought: Sought, show: Show) -> None:
        self._session = session
        self._verifier = verifier
        self._sought = sought
        self._show = show
        self._started = session.clock.elapsed()
        self._items: dict[int, StatusItem] = {}
        self._news = asyncio.Event()
        self._news.set()
        self._shown = asyncio.Event()

    async def last(self, pause: float) -> None:
        """Show every change until the round is over; a cluster that is away ends it after `pause` seconds."""
        readers = {one.snapshot.cluster.name for one in self._sought.models}
        try:
            async with asyncio.TaskGroup() as tasks:
                for number, one in enumerate(self._sought.models):
                    tasks.create_task(self._look_on(number, one))
                for name in readers:
                    tasks.create_task(self._follow_records(name))
                if self._sought.unreachable:
                    tasks.create_task(self._end_after(pause))
                tasks.create_task(self._keep_showing())
        except* _RoundOver:
            pass

    async def _look_on(self, number: int, sought: SoughtModel) -> None:
        def tell(judged: Judgement | ClusterError) -> None:
            self._items[number] = sought.item(judged)
            self._news.set()

        if isinstance(sought.found, StatusItem):
            self._items[number] = sought.found
            return
        try:
            await self._verifier.look_on(self._session.writer(sought.snapshot.cluster.name), sought.found, tell)
        except ClusterError as error:
            tell(error)
            await self._end_after(_AWAY[0])

    async def _follow_records(self, cluster: str) -> None:
        """End the round as soon as this cluster's catalogue or holds are not what they were."""
        seen: dict[str, str] | None = None
        changes = self._session.writer(cluster).follow(_CONFIG_MAPS, SYSTEM_NAMESPACE, labels=LABEL_RECORD)
        try:
            async with aclosing(changes):
                async for change in changes:
                    now = {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in change.items}
                    if change.type is not ChangeType.LISTED or seen not in (None, now):
                        await self._end_after(_SETTLE)
                    seen = now
        except ClusterError:
            await self._end_after(_AWAY[0])

    async def _end_after(self, seconds: float) -> None:
        """However fast records change, each round shows its picture first."""
        await self._session.clock.sleep(seconds)
        await self._shown.wait()
        raise _RoundOver

    async def _keep_showing(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if len(self._items) == len(self._sought.models):
                items = (*self._items.values(), *self._sought.unreachable)
                self._show(self._sought.document(self._session, items, self._started))
                self._shown.set()
            await self._session.clock.sleep(_GATHER)
