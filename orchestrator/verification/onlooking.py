"""Judges a subject for as long as somebody looks on: every change of the live objects, and nothing in between.

What it tells comes from watches, so it is never the last word of a run: that always rests on a consistent list.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from orchestrator.core.observation import Observation, ProbeOutcome, Subject
from orchestrator.core.ports import Clock, ClusterReader
from orchestrator.core.verdict import Judgement
from orchestrator.verification.following import Follows
from orchestrator.verification.judging import judge
from orchestrator.verification.watching import LiveView

_COALESCE: Final = 0.05
"""Seconds in which changes are gathered into one judgement."""
_PROBE_AGAIN: Final = 30.0
"""Seconds after which probes are asked anew: endpoints send no events."""


class Looker(Protocol):
    """Who can look at everything once, and ask probes."""

    clock: Clock

    async def observe(self, reader: ClusterReader, subject: Subject) -> Observation:
        """Everything, from consistent lists."""
        ...

    async def ask_probes(self, subject: Subject) -> tuple[ProbeOutcome, ...]:
        """What the probes say now."""
        ...


async def look_on(
    looker: Looker, follows: Follows, reader: ClusterReader, subject: Subject, tell: Callable[[Judgement], None]
) -> None:
    """Tell every new judgement, until cancelled. Raises `Unreachable` when the cluster goes away."""
    first = await looker.observe(reader, subject)
    told = judge(subject, first, first)
    tell(told)
    async with LiveView(follows, reader, subject) as view:
        view.probes, view.reverters = first.probes, first.reverters
        while True:
            view.changed.clear()
            observation = await view.observe(looker.clock.now())
            if view.is_complete and (judgement := judge(subject, observation, first)) != told:
                told = judgement
                tell(told)
            await _wait_for_news(looker, view, subject)


async def _wait_for_news(looker: Looker, view: LiveView, subject: Subject) -> None:
    """Until something changes; with probes, at most until they are due."""
    try:
        async with asyncio.timeout(_PROBE_AGAIN if subject.model.probes else None):
            await view.changed.wait()
    except TimeoutError:
        view.probes = await looker.ask_probes(subject)
    await looker.clock.sleep(_COALESCE)
