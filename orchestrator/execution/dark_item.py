"""One model in one cluster on its way into the dark: hold, guard and cut, stop, drain, soak, verdict.

Nothing stops it but a signal and a lift of its order: what fails is a reason on the item, and the next step is tried.
It needs one cluster's ports and nothing else, and refuses to raise for what happens in the cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from orchestrator.core.events import EventType
from orchestrator.core.holds import Lift, Standing
from orchestrator.core.objects import ObjectRef, dig, ref_of
from orchestrator.core.observation import Settled
from orchestrator.core.plan import ItemPlan, Verb
from orchestrator.core.result import ResultItem, Times
from orchestrator.core.takedown import Darkening
from orchestrator.core.verdict import Reason, Verdict
from orchestrator.execution import concluding
from orchestrator.execution.absence import Absence
from orchestrator.execution.binding import GuardBinding
from orchestrator.execution.changes import send_change
from orchestrator.execution.cutting import cut_route
from orchestrator.execution.darkness import DarkClusterPorts, Lifted, dark_verdict
from orchestrator.execution.departing import DepartureNews
from orchestrator.execution.halting import halt
from orchestrator.execution.keeping import (
    claim_record,
    is_held,
    keep_hold,
    keep_planned_record,
    lift_of,
    unclaimed_records,
    write_standing,
)
from orchestrator.execution.observing import observe
from orchestrator.execution.recording import (
    has_hold_in,
    is_lifted_in,
    records_in,
    restore_records_in,
    write_entry,
)
from orchestrator.execution.reverting import tell_reverted
from orchestrator.execution.seizing import WRITE_SECONDS
from orchestrator.execution.sending import Sender
from orchestrator.execution.sight import BLIND, Sight, look_at
from orchestrator.execution.steps import Steps
from orchestrator.execution.stopping import Interrupted, unless_stopped
from orchestrator.execution.straying import known_live, shared_note, workloads_of
from orchestrator.execution.superseding import end_superseded
from orchestrator.execution.undoing import LiftMet, give_way
from orchestrator.execution.wakers import hold_wakers

_NO_HOLD = Reason(code="hold-missing", message="no hold could be kept in this cluster")
_ASSERT_SECONDS = 1.0
"""How often what was stopped and cut is looked at again while the guard is not proven yet."""


class DarkItem:
    """One model in one cluster."""

    def __init__(self, item: ItemPlan, darkening: Darkening, ports: DarkClusterPorts, blank: ResultItem) -> None:
        self._item = item
        self._darkening = darkening
        self._ports = ports
        self._result = replace(blank, holds=tuple(dict.fromkeys((*item.held_by, darkening.hold.name))))
        self._sender = Sender(ports, item.subject.model.name, item.step, order=darkening.hold.digest)
        self._steps = Steps()
        self._departures = DepartureNews(self._sender)
        self._guard = GuardBinding(darkening.guard, ports.guard_prover, self._sender, self._steps)
        self._refs = dict.fromkeys(workloads_of(item))
        self._actor: str | None = None
        self._is_held = False
        self._is_cut = True
        self._absence = Absence(item.subject, darkening, ports, self._sender, self._steps, self._guard)

    async def carry_out(self) -> ResultItem:
        """Take it dark; the item as it was left. Never raises."""
        clock = self._ports.clock
        self._result = replace(self._result, times=Times(started=clock.now()))
        try:
            await self._follow()
        except LiftMet as met:
            await give_way(self._steps, self._sender, self._darkening, met.lift, self._item.subject)
            self._fail(met)
        except Exception as error:
            self._fail(error)
        self._result = replace(concluding.told(self._result), changed=bool(self._sender.sent), guard=self._guard.status)
        self._sender.emit(EventType.ITEM_ENDED, concluding.ending(self._result))
        return self._result

    async def _follow(self) -> None:
        if self._ports.stop.is_set():
            raise Interrupted
        deadline = self._ports.clock.elapsed() + self._ports.cluster_deadline
        async with self._departures.watch(self._item.subject) as departure:
            async with asyncio.timeout(self._ports.cluster_deadline):
                seen = await self._look()
                took_over_at = await self._begin(seen)
                await self._send_everything(seen, took_over_at)
            settled = await self._absence.prove(deadline, departure)
        await self._conclude(settled, deadline)

    async def _look(self) -> Sight:
        """Everything that the first writes rest on, asked at once. Raises `Lifted`; then nothing was written here."""
        writer, cuts = self._ports.writer, self._darkening.cuts
        made = (ref_of(obj) for cut in cuts for obj in cut.creates)
        self._actor, records, kept, seen, _ = await asyncio.gather(
            self._steps.ask(writer.actor()),
            self._steps.ask(records_in(writer)),
            restore_records_in(writer),
            look_at(writer, (*self._refs, *(cut.ref for cut in cuts), *made)),
            self._guard.survey(),
        )
        if records is not None and is_lifted_in(records, self._darkening.hold.digest):
            raise Lifted(self._darkening.hold.name)
        self._sender.held_before = None if records is None else has_hold_in(records, self._sender.model)
        if records is not None and kept is not None:
            self._sender.found = {ref_of(record): record for record in (*records, *kept)}
        return seen

    async def _begin(self, seen: Sight) -> float | None:
        """Lock, hold, restore records, and the guard's policy; the moment at which somebody's lock was taken over.

        None of them takes effect on the model yet, and a takedown waits for no lock: so they are sent together.
        """
        holder, *_ = await asyncio.gather(self._seize(), self._keep(seen), self._guard.make(self._item.subject))
        return self._ports.clock.elapsed() if holder else None

    async def _seize(self) -> str | None:
        holder = await self._steps.ask(self._ports.seize(self._sender.model))
        told = {"want": self._item.want.value, "actor": self._actor, "lockTakenFrom": holder or None}
        self._sender.emit(EventType.ITEM_STARTED, told)
        return holder

    async def _send_everything(self, seen: Sight, took_over_at: float | None) -> None:
        guarding = asyncio.create_task(self._guard.bind(self._item.subject), name="guard")
        try:
            _, _, lift = await asyncio.gather(self._cut(seen), self._stop_known(seen), self._find_lift())
            if lift is not None:
                raise LiftMet(lift)
            await self._absence.stop_strays(self._refs)
            await self._assert_until(guarding)
            await self._absence.guard_owners()
        finally:
            guarding.cancel()
            await asyncio.gather(guarding, return_exceptions=True)
        await self._hold_wakers()
        await self._absence.delete_unowned()
        if took_over_at is not None:
            # What the other run had sent before it noticed may arrive until then.
            passed = self._ports.clock.elapsed() - took_over_at
            await unless_stopped(self._ports.clock.sleep(max(0.0, WRITE_SECONDS - passed)), self._ports.stop)
            await self._keep()
        # What somebody put back before the guard worked is stopped and cut once more, what they took away made again.
        await asyncio.gather(self._cut(), self._stop_known())
        await self._claim([*self._sender.kept])

    async def _assert_until(self, guarding: asyncio.Task[None]) -> None:
        """Until the guard works nothing but us holds things down, and it is proven on things as they should be."""
        while not guarding.done():
            pause = asyncio.ensure_future(self._ports.clock.sleep(_ASSERT_SECONDS))
            try:
                await asyncio.wait({guarding, pause}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                pause.cancel()
                await asyncio.gather(pause, return_exceptions=True)
            if self._ports.stop.is_set() and self._guard.is_bound:
                raise Interrupted
            if not guarding.done():
                await asyncio.gather(self._cut(), self._stop_known())
        await guarding

    async def _find_lift(self) -> Lift | None:
        """Its order's tombstone; looked for once our hold is kept, as a restore looks for holds once it has lifted."""
        return await self._steps.ask(lift_of(self._ports.writer, self._darkening.hold))

    async def _hold_wakers(self) -> None:
        """Where no guard refuses the model: pause whoever could bring back what is known or was found."""
        if self._guard.status != "proven":
            await hold_wakers(self._steps, self._sender, (*self._refs, *self._absence.owners))

    async def _keep(self, seen: Sight = BLIND) -> None:
        """Restore records and the hold, before anything is changed."""
        hold = self._darkening.hold
        held, *_ = await asyncio.gather(
            self._steps.attempt(keep_hold(self._sender, hold), ref_of(hold.to_config_map())),
            *(
                self._steps.attempt(keep_planned_record(self._sender, record, seen), record.secret_ref)
                for record in self._darkening.records
            ),
        )
        self._is_held = held
        self._sender.found = None
        await self._claim(unclaimed_records(self._sender))

    async def _claim(self, refs: Iterable[ObjectRef]) -> None:
        """These records are there, and no restore that began before our hold takes them away any more."""
        await asyncio.gather(*(self._steps.attempt(claim_record(self._sender, ref), ref) for ref in refs))

    async def _cut(self, seen: Sight = BLIND) -> None:
        cuts = self._darkening.cuts
        done = await asyncio.gather(*(cut_route(self._steps, self._sender, cut, seen) for cut in cuts))
        self._is_cut = all(done)

    async def _stop_known(self, seen: Sight = BLIND) -> None:
        """Everything on record, at once, by what is there now rather than by what the plan saw."""
        refs = [ref for ref in self._refs if ref not in seen.objects]
        known = [obj for ref in self._refs if (obj := seen.objects.get(ref)) is not None]
        live = (*known, *await known_live(self._sender, self._steps, refs))
        mine = []
        for obj in live:
            if (others := self._absence.shared_with(obj)) is None:
                mine.append(obj)
            else:
                self._steps.note(shared_note(obj, others))
        await asyncio.gather(*(halt(self._steps, self._sender, obj) for obj in mine))
        for change in self._item.changes:
            if change.verb is Verb.LABEL:
                await self._steps.attempt(send_change(self._sender, change), change.ref)
        if self._item.entry_changes:
            await self._steps.attempt(write_entry(self._sender, self._item.entry))

    async def _conclude(self, settled: Settled, deadline: float) -> None:
        cluster_seconds = self._ports.cluster_deadline
        self._see(settled)
        if (lift := await self._find_lift()) is not None:
            raise LiftMet(lift)
        await self._hold_wakers()  # again: a controller that had not heard of one pause yet may have undone another
        if self._is_held and self._guard.status == "proven":
            await end_superseded(self._steps, self._sender, self._darkening.replaces)
        demotions = (*self._item.doubts, *self._absence.doubts)
        if not self._is_held:
            demotions = (*demotions, _NO_HOLD)
        open_ways = (*self._darkening.not_cut, *(reason for cut in self._darkening.cuts for reason in cut.left))
        verdict = dark_verdict(
            settled,
            refused=bool(self._steps.unstopped),
            is_cut=self._is_cut and not open_ways,
            doubts=bool(demotions) or self._guard.status != "proven",
        )
        told = concluding.reasons_for(settled, cluster_seconds)
        if not self._item.subject.model.probes:
            words = "traffic not observed: the model has no probes"
            told = (*told, Reason(code="traffic-not-observed", message=words))
        await self._tell_who_reverted()
        reasons = tuple(dict.fromkeys((*told, *demotions, *open_ways, *self._guard.reasons, *self._steps.reasons)))
        self._result = replace(self._result, verdict=verdict, reasons=reasons)
        await self._write_standing(verdict)

    async def _write_standing(self, verdict: Verdict) -> None:
        standing = Standing.GUARDED if self._guard.status == "proven" else Standing.OWED
        standing = Standing.VERIFIED if verdict is Verdict.VERIFIED else standing
        hold = replace(self._darkening.hold, silent_nodes=self._absence.silent_nodes, guard=self._guard.seal)
        before, ref = self._steps.reasons, ref_of(hold.to_config_map())
        was_away = await self._steps.ask(write_standing(self._sender, hold, standing), ref)
        if was_away:
            words = "somebody deleted or changed the hold during the takedown; it was kept again"
            self._steps.note(Reason(code="hold-tampered", message=words, object=str(ref)))
        elif was_away is None and not await self._steps.ask(is_held(self._ports.writer, hold), ref):
            self._steps.note(replace(_NO_HOLD, object=str(ref)))
            verdict = Verdict.UNVERIFIED if verdict is Verdict.VERIFIED else verdict
        more = tuple(reason for reason in self._steps.reasons if reason not in before)
        self._result = replace(self._result, verdict=verdict, reasons=(*self._result.reasons, *more))

    async def _tell_who_reverted(self) -> None:
        """How everything stands now and, where something runs again, who wrote that."""
        refs = (*self._refs, *self._absence.owners)
        for live in await known_live(self._sender, self._steps, dict.fromkeys(refs)):
            observe(self._sender, live, "after")
            if dig(live, "spec", "replicas"):
                tell_reverted(self._steps, self._sender, live)

    def _see(self, settled: Settled) -> None:
        times = replace(
            self._result.times,
            guarded=self._guard.proven_at,
            stopped=settled.stopped_at,
            traffic_cut=settled.traffic_cut_at,
            last_pod_gone=settled.last_pod_gone_at,
            verified=settled.verified_at,
        )
        self._result = replace(concluding.seen(self._result, settled.judgement), times=times)
        probes = [{"url": one.url, "refused": one.refused, "message": one.message} for one in settled.probes]
        if probes:
            self._sender.emit(EventType.CHECKED, {"readiness": settled.judgement.readiness.value, "probes": probes})
        self._departures.tell(settled.last_pod_gone_at)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, Lifted):
            words = f"the order {error} was lifted, as this cluster records: nothing more is sent here"
            verdict, reason = Verdict.UNVERIFIED, Reason(code="lifted", message=words)
        else:
            verdict, reason = concluding.verdict_on_failure(error, refused=False, sent=bool(self._sender.sent))
        reasons = tuple(dict.fromkeys((reason, *self._steps.reasons)))
        times = replace(self._result.times, guarded=self._guard.proven_at)
        self._result = replace(self._result, verdict=verdict, reasons=reasons, times=times)
