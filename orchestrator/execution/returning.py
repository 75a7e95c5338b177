"""One model in one cluster on its way back: guard away, replicas, healthy, routes, and nothing of ours left.

Before each write it asks once more whether somebody holds the model: a takedown during a restore wins. What does not
become healthy goes dark again. It refuses to raise for what happens in the cluster: that is the result.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from orchestrator.core.events import EventType
from orchestrator.core.holds import RestoreRecord
from orchestrator.core.observation import Settled, Subject
from orchestrator.core.plan import ClusterPlan, ItemPlan
from orchestrator.core.ports import GuardProver
from orchestrator.core.result import ResultItem, Times
from orchestrator.core.takedown import Restoration
from orchestrator.core.verdict import Judgement, Readiness, Reason, Verdict, Want
from orchestrator.core.verdicts import reasons_under_hold, verdict_of, verdict_under_hold
from orchestrator.errors import ClusterError
from orchestrator.execution import concluding
from orchestrator.execution.darkening_again import dark_subject, darken_again
from orchestrator.execution.handing_back import HandingBack, Undo, delete_holds
from orchestrator.execution.outcome import StepTerms
from orchestrator.execution.pipeline import after_writes
from orchestrator.execution.ports import ClusterPorts
from orchestrator.execution.putting_back import wakes
from orchestrator.execution.sending import Sender
from orchestrator.execution.stopping import Interrupted, unless_stopped
from orchestrator.execution.unguarding import take_guard_away
from orchestrator.execution.watchful import HeldAgain, WatchfulSender

_SEEN_DARK: Final = 60.0
"""Seconds for which we watch a takedown that came in between switch the model off."""


class _Unhealthy(Exception):
    """It did not become what it was."""

    def __init__(self, verdict: Verdict, reasons: tuple[Reason, ...]) -> None:
        super().__init__(verdict)
        self.verdict = verdict
        self.reasons = reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """What one item needs besides its plan."""

    part: ClusterPlan
    ports: ClusterPorts
    prover: GuardProver
    terms: StepTerms


async def give_back(item: ItemPlan, way: WayBack) -> ResultItem:
    """Bring one model of one cluster back, or only take the lifted order's own things away where another holds it.

    Never raises.
    """
    return await _Return(item, way).carry_out()


class _Return:
    def __init__(self, item: ItemPlan, way: WayBack) -> None:
        if item.restoration is None:
            raise ValueError("a plan to restore without what was there before")
        self._item = item
        self._way = way
        self._ports = way.ports
        self._back: Restoration = item.restoration
        self._ended = frozenset({self._back.lift.digest, *(hold.digest for hold in self._back.holds)})
        watchful = WatchfulSender(way.ports, item.subject.model.name, way.terms.step, self._ended)
        self._holds = watchful.holds
        self._sender: Sender = watchful
        self._result = concluding.blank(item, way.part.cluster, Verdict.NOT_RUN)
        self._undo = Undo(restoration=self._back, subject=item.subject)
        self._handing = HandingBack(item.subject, self._sender, self._undo, way.terms)

    async def carry_out(self) -> ResultItem:
        self._result = replace(self._result, times=Times(started=self._ports.clock.now()))
        try:
            await self._follow_plan()
        except Exception as error:
            self._fail(error)
        sent = self._sender.sent
        if sent and self._result.verdict is not Verdict.VERIFIED:
            self._add(Reason(code="sent", message="sent in this run: " + ", ".join(sent)))
        self._result = replace(concluding.told(self._result), changed=bool(sent))
        self._sender.emit(EventType.ITEM_ENDED, concluding.ending(self._result))
        return self._result

    async def _follow_plan(self) -> None:
        if self._ports.stop.is_set():
            raise Interrupted
        self._sender.emit(EventType.ITEM_STARTED, {"want": self._item.want.value, "records": len(self._back.records)})
        if self._item.held_by:
            await self._let_go(self._item.held_by)
            return
        try:
            if holds := await self._holds():
                raise HeldAgain(holds)
            await self._bring_up()
        except HeldAgain as held:
            await self._leave_to(held.holds)
        except _Unhealthy as found:
            await self._darken(found.verdict, found.reasons)
        except Interrupted:
            raise
        except Exception as error:
            if holds := await self._holds_now():
                # A lost lock, a write refused by another guard: a takedown came in between.
                await self._leave_to(holds)
                return
            verdict, reason = concluding.verdict_on_failure(error, refused=True, sent=bool(self._sender.sent))
            refused = self._sender.refused
            await self._darken(verdict, (refused if refused and refused.code == reason.code else reason,))

    async def _holds_now(self) -> tuple[str, ...]:
        """Holds that stand now; none where nobody can tell."""
        try:
            return await self._holds()
        except ClusterError:
            return ()

    async def _bring_up(self) -> None:
        async with asyncio.timeout(self._way.terms.send_deadline):
            await self._unguard()
            await self._handing.wake()
        if self._item.want is Want.ENABLED:
            await self._demand(_health_only(self._item.subject, self._back.records), soak=0.0)
        async with asyncio.timeout(self._way.terms.send_deadline):
            await self._handing.open_routes()
        settled = await self._prove()
        async with asyncio.timeout(self._way.terms.send_deadline):
            await self._handing.tell_what_came_back()
            await self._handing.take_ours_away()
        self._conclude(*settled)

    async def _demand(self, subject: Subject, *, soak: float) -> Settled:
        """Wait until it is healthy; what cannot be judged goes on, and is never verified."""
        settled = await self._settle(subject, self._way.terms.progress_deadline, soak=soak)
        verdict = verdict_of(settled.judgement, subject.want, late=settled.late)
        if verdict in (Verdict.FAILED, Verdict.UNREACHABLE):
            raise _Unhealthy(verdict, concluding.reasons_for(settled, self._way.terms.progress_deadline))
        return settled

    async def _unguard(self) -> None:
        for digest in sorted(self._ended):
            await take_guard_away(self._sender, digest)

    async def _prove(self) -> tuple[Verdict, tuple[Reason, ...]]:
        """With its routes, and for the wave's soak; a model that was off before is only looked at."""
        subject = self._item.subject
        if subject.want is Want.ENABLED:
            settled = await self._demand(subject, soak=self._way.terms.soak)
        else:
            settled = Settled(judgement=await self._ports.verifier.look(self._ports.writer, subject))
        self._see(settled)
        verdict = verdict_of(settled.judgement, subject.want, late=settled.late)
        return verdict, concluding.reasons_for(settled, self._way.terms.progress_deadline)

    async def _settle(self, subject: Subject, seconds: float, *, soak: float) -> Settled:
        ports = self._ports

        def tell(judgement: Judgement) -> None:
            if soak and judgement.readiness is Readiness.DONE:
                self._sender.emit(EventType.SOAKING, {"seconds": soak, **concluding.progress(judgement)})
                return
            self._sender.emit(EventType.PROGRESS, concluding.progress(judgement))

        looked_at = after_writes(subject, self._sender.written)
        deadline = ports.clock.elapsed() + seconds
        watching = ports.verifier.settle(ports.writer, looked_at, deadline=deadline, soak=soak, tell=tell)
        return await unless_stopped(watching, ports.stop)

    async def _let_go(self, holds: tuple[str, ...]) -> None:
        """Another hold stands: the lifted order's guard and hold go, and what was there before stays on record."""
        self._sender = Sender(self._ports, self._sender.model, self._sender.step)
        async with asyncio.timeout(self._way.terms.send_deadline):
            await self._unguard()
            await delete_holds(self._sender, self._back)
        judgement = await self._ports.verifier.look(self._ports.writer, dark_subject(self._item.subject))
        self._conclude_held(holds, judgement)

    async def _leave_to(self, holds: tuple[str, ...]) -> None:
        """A takedown came in between: nothing more is sent, and we watch it switch the model off."""
        settled = await self._settle(dark_subject(self._item.subject), _SEEN_DARK, soak=0.0)
        self._conclude_held(holds, settled.judgement)

    def _conclude_held(self, holds: tuple[str, ...], judgement: Judgement) -> None:
        self._result = concluding.seen(replace(self._result, holds=holds), judgement)
        state = judgement.state
        self._result = replace(
            self._result,
            verdict=verdict_under_hold(state),
            reasons=reasons_under_hold(holds, state, judgement.reasons),
        )

    async def _darken(self, verdict: Verdict, reasons: tuple[Reason, ...]) -> None:
        """Dark again, by a sender that no hold stops; both reasons are said."""
        self._sender.emit(EventType.ROLLING_BACK, {"to": "dark"})
        again = Sender(self._ports, self._sender.model, self._sender.step)
        guard, more = await darken_again(again, self._undo, self._way.prover, self._way.terms)
        self._sender.sent += again.sent
        verdict = verdict if verdict is Verdict.UNREACHABLE else Verdict.FAILED
        self._result = replace(self._result, verdict=verdict, reasons=(*reasons, *more), guard=guard)
        settled = await self._settle(dark_subject(self._item.subject), _SEEN_DARK, soak=0.0)
        self._result = concluding.seen(self._result, settled.judgement)

    def _see(self, settled: Settled) -> None:
        times = replace(self._result.times, verified=settled.verified_at)
        self._result = replace(concluding.seen(self._result, settled.judgement), times=times)

    def _conclude(self, verdict: Verdict, reasons: tuple[Reason, ...]) -> None:
        doubts = (*self._item.doubts, *self._handing.doubts)
        if doubts and verdict is Verdict.VERIFIED:
            verdict, reasons = Verdict.UNVERIFIED, (*reasons, *doubts)
        self._result = replace(self._result, verdict=verdict, reasons=reasons)

    def _fail(self, error: Exception) -> None:
        if self._result.verdict in (Verdict.FAILED, Verdict.UNREACHABLE):
            # Only the last look went wrong; what came before it is said already.
            return
        verdict, reason = concluding.verdict_on_failure(error, refused=False, sent=bool(self._sender.sent))
        self._result = replace(self._result, verdict=verdict, reasons=(reason,))

    def _add(self, reason: Reason) -> None:
        self._result = replace(self._result, reasons=(*self._result.reasons, reason))


def _health_only(subject: Subject, records: tuple[RestoreRecord, ...]) -> Subject:
    """The subject without what its routes, which are still cut, have a share in."""
    cut = {record.ref for record in records if not wakes(record)}
    expectations = tuple(one for one in subject.expectations if one.ref not in cut)
    return replace(subject, model=replace(subject.model, probes=()), expectations=expectations)
