"""Waits until a model is what is wanted and stays so: by watches, with a consistent list before every last word.

There is no polling: a judgement follows the event that caused it. Two things are asked again without an event,
because they send none: probes, and the consistent list where it did not confirm what the watches said.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.core.objects import JsonObject
from orchestrator.core.observation import Observation, ProbeOutcome, Settled, Subject, Traces
from orchestrator.core.ports import Clock, ClusterReader, Prober
from orchestrator.core.verdict import Judgement, Readiness, Reason, Want
from orchestrator.verification.departing import DepartureWatch, watch_departure
from orchestrator.verification.disabled import is_stopped
from orchestrator.verification.findings import READING_ERRORS, is_lasting, needs_probes_only
from orchestrator.verification.following import Follows
from orchestrator.verification.gathering import gather
from orchestrator.verification.grounds import grounds_of
from orchestrator.verification.judging import judge, present_pods
from orchestrator.verification.keeping import shared_with
from orchestrator.verification.onlooking import look_on
from orchestrator.verification.probes import ask_probes, may_serve
from orchestrator.verification.searching import search
from orchestrator.verification.watching import LiveView

Tell = Callable[[Judgement], None]

_COALESCE = 0.01
"""Seconds in which changes are gathered into one judgement."""
_MANY_PODS = 1000
"""From here on a judgement takes so long that other clusters would feel it: it is made in a thread."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0


class LiveVerifier:
    """Judges live objects; implements `core.ports.Verifier`."""

    def __init__(self, clock: Clock, prober: Prober, *, explains: bool = False) -> None:
        """With `explains` a look, and the last word of a wait, also says what it rests on."""
        self.clock = clock
        self._prober = prober
        self._explains = explains
        self._follows = Follows()

    async def look(self, reader: ClusterReader, subject: Subject) -> Judgement:
        """Judge now, from consistent lists. Raises `Unreachable`."""
        observation = await self.observe(reader, subject)
        return self.explained(subject, observation, await _judged(subject, observation, None))

    def explained(self, subject: Subject, observation: Observation, judgement: Judgement) -> Judgement:
        """The judgement with what it rests on, where that is asked for."""
        return replace(judgement, grounds=grounds_of(subject, observation)) if self._explains else judgement

    async def observe(self, reader: ClusterReader, subject: Subject) -> Observation:
        """Everything that a judgement rests on, from consistent lists: for evidence. Raises `Unreachable`."""
        asking = asyncio.create_task(self.ask_probes(subject))
        try:
            observation = await gather(reader, subject, self.clock.now())
            return replace(observation, probes=await asking)
        finally:
            asking.cancel()

    async def search(self, reader: ClusterReader, subject: Subject) -> Traces:
        """Everything of the model that is there, from consistent lists of the whole cluster. Raises `Unreachable`."""
        return await search(reader, subject, self.clock.now())

    def shared_with(self, subject: Subject, workload: JsonObject) -> str | None:
        """What else the pods of a workload serve, in words; None where they are the subject's model's alone."""
        return shared_with(subject, workload)

    async def ask_probes(self, subject: Subject) -> tuple[ProbeOutcome, ...]:
        """What the model's probes say now."""
        return await ask_probes(subject, self._prober)

    def watch_departure(
        self, reader: ClusterReader, subject: Subject, *, tell: Callable[[datetime], None]
    ) -> AbstractAsyncContextManager[DepartureWatch]:
        """Watch the model go for as long as one is inside; `tell` hears at once when its last pod is gone.

        Raises no `ClusterError`: what cannot be watched has no times.
        """
        return watch_departure(DepartureWatch(self._follows, reader, subject, self.clock, tell))

    async def look_on(self, reader: ClusterReader, subject: Subject, tell: Tell) -> None:
        """Tell how it stands, now and after every change, until cancelled. Raises `Unreachable`."""
        await look_on(self, self._follows, reader, subject, tell)

    async def settle(
        self, reader: ClusterReader, subject: Subject, *, deadline: float, soak: float, tell: Tell
    ) -> Settled:
        """Watch until the subject is what is wanted and has stayed so, has failed, or time is up.

        `deadline`, on the clock's `elapsed()`, is when it has to have become so; the soak of `soak` seconds follows
        and may go past it. What only somebody's decision can change ends the wait early. Raises `Unreachable`.
        """
        async with LiveView(self._follows, reader, subject) as view:
            terms = _Terms(deadline, soak, tell)
            return await _Wait(self, view, reader, subject, terms).run()


@dataclass(frozen=True, slots=True)
class _Terms:
    deadline: float
    soak: float
    tell: Tell


class _Wait:
    """One wait: what was seen first, what was told last, and when what happened."""

    def __init__(
        self,
        verifier: LiveVerifier,
        view: LiveView,
        reader: ClusterReader,
        subject: Subject,
        terms: _Terms,
    ) -> None:
        self._verifier = verifier
        self._clock = verifier.clock
        self._view = view
        self._reader = reader
        self._subject = subject
        self._terms = terms
        self._since: Observation | None = None
        self._told: Judgement | None = None
        self._pause = _FIRST_PAUSE
        self._unwatched: tuple[Reason, ...] = ()
        self._stopped_at: datetime | None = None
        self._had_pods = False
        self._last_pod_gone_at: datetime | None = None
        self._traffic_cut_at: datetime | None = None

    async def run(self) -> Settled:
        """Wait; the judgement that ends it always comes from a consistent list."""
        while self._left() > 0:
            judgement = await self._judge_live()
            if judgement is None or not (_is_final(judgement) or needs_probes_only(judgement)):
                self._pause = _FIRST_PAUSE
                await self._rest(self._left())
            elif _is_final(judgement):
                if (settled := await self._conclude()) is not None:
                    return settled
            else:
                await self._ask_probes()
        return await self._end_late()

    async def _conclude(self) -> Settled | None:
        """End the wait if a consistent list agrees with the watches and, when done, if it then holds."""
        judgement = await self._judge_consistently()
        if judgement.readiness is not Readiness.DONE:
            if _is_final(judgement):
                return self._settled(judgement)
            # One of the two views is behind; asking at the pace of events would only load the API server.
            await self._clock.sleep(self._next_pause())
            return None
        held = await self._hold(judgement)
        if held.readiness is Readiness.DONE:
            return self._settled(held, verified_at=self._clock.now())
        # What may not be watched cannot be seen to hold, however often it is tried.
        return self._settled(held) if _is_forbidden(held) else None

    async def _end_late(self) -> Settled:
        judgement = await self._judge_consistently()
        if judgement.readiness is Readiness.DONE and not self._terms.soak:
            return self._settled(judgement, verified_at=self._clock.now())
        return self._settled(judgement, late=True)

    async def _hold(self, judgement: Judgement) -> Judgement:
        """See that it stays as it is for the soak, every event included, and once more at its end."""
        end = self._clock.elapsed() + self._terms.soak
        if not self._terms.soak:
            return judgement
        while (left := end - self._clock.elapsed()) > 0:
            await self._rest(left)
            live = await self._judge_live()
            # A list that is only now arriving says nothing yet; the consistent list at the end asks for all of them.
            if live is not None and live.readiness is not Readiness.DONE:
                return live
        return await self._judge_consistently()

    async def _judge_live(self) -> Judgement | None:
        """What the watches say; None until every list has arrived."""
        self._view.changed.clear()
        observation = await self._view.observe(self._clock.now())
        if not self._view.is_complete:
            return None
        self._unwatched = observation.unseen
        return await self._judge(observation)

    async def _judge_consistently(self) -> Judgement:
        observation = await self._verifier.observe(self._reader, self._subject)
        self._view.probes, self._view.reverters = observation.probes, observation.reverters
        return self._verifier.explained(self._subject, observation, await self._judge(observation))

    async def _judge(self, observation: Observation) -> Judgement:
        self._note_times(observation)
        if self._since is None:
            self._since = observation
        judgement = await _judged(self._subject, observation, self._since)
        if judgement != self._told:
            self._told = judgement
            self._terms.tell(judgement)
        return judgement

    async def _ask_probes(self) -> None:
        """Nothing but probes is missing: ask at once what was not asked yet, else after a pause."""
        if len(self._view.probes) == len(self._subject.model.probes):
            await self._clock.sleep(min(self._next_pause(), max(0.0, self._left())))
        self._view.probes = await self._verifier.ask_probes(self._subject)

    async def _rest(self, seconds: float) -> None:
        """Until something changes, or for this long."""
        if not self._view.changed.is_set():
            change = asyncio.ensure_future(self._view.changed.wait())
            pause = asyncio.ensure_future(self._clock.sleep(max(0.0, seconds)))
            try:
                await asyncio.wait({change, pause}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (change, pause):
                    task.cancel()
                await asyncio.gather(change, pause, return_exceptions=True)
        if self._view.changed.is_set():
            await self._clock.sleep(_COALESCE)

    def _next_pause(self) -> float:
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        # Spread over clusters that wait for the same endpoint.
        return pause * random.uniform(0.5, 1.0)  # noqa: S311

    def _left(self) -> float:
        return self._terms.deadline - self._clock.elapsed()

    def _note_times(self, observation: Observation) -> None:
        if self._subject.want is not Want.DISABLED:
            return
        self._note_traffic(observation)
        if observation.unseen:
            return
        try:
            has_pods = bool(present_pods(self._subject, observation))
        except READING_ERRORS:  # the judgement says so
            return
        if not is_stopped(self._subject, observation):
            self._stopped_at = None
        elif self._stopped_at is None:
            self._stopped_at = observation.at
        if has_pods:
            self._had_pods, self._last_pod_gone_at = True, None
        elif self._had_pods and self._last_pod_gone_at is None:
            self._last_pod_gone_at = observation.at

    def _note_traffic(self, observation: Observation) -> None:
        """The first round of probes after which none passes."""
        if not observation.probes or len(observation.probes) < len(self._subject.model.probes):
            return
        if any(may_serve(outcome, self._subject.model) for outcome in observation.probes):
            self._traffic_cut_at = None
        elif self._traffic_cut_at is None:
            self._traffic_cut_at = observation.at

    def _settled(self, judgement: Judgement, *, late: bool = False, verified_at: datetime | None = None) -> Settled:
        if judgement.readiness is Readiness.DONE:
            judgement = replace(judgement, reasons=(*judgement.reasons, *map(_only_listed, self._unwatched)))
        return replace(
            Settled(judgement=judgement, late=late, verified_at=verified_at),
            stopped_at=self._stopped_at,
            last_pod_gone_at=self._last_pod_gone_at,
            traffic_cut_at=self._traffic_cut_at,
            probes=self._view.probes,
        )


async def _judged(subject: Subject, observation: Observation, since: Observation | None) -> Judgement:
    if len(observation.pods) < _MANY_PODS:
        return judge(subject, observation, since)
    return await asyncio.to_thread(judge, subject, observation, since)


def _only_listed(reason: Reason) -> Reason:
    """What a missing watch takes from a consistent list: nobody would have seen it change."""
    return replace(reason, code="not-watched", message=f"only listed: {reason.message}")


def _is_forbidden(judgement: Judgement) -> bool:
    """Whether nothing but missing permissions keeps it from being done."""
    codes = {reason.code for reason in judgement.reasons}
    return judgement.readiness is Readiness.UNKNOWN and codes == {"forbidden"}


def _is_final(judgement: Judgement) -> bool:
    """Whether waiting longer would not make it better."""
    return judgement.readiness in (Readiness.DONE, Readiness.FAILED) or is_lasting(judgement)
