"""A cluster's part of a step, start to end: record, send, watch, soak, check, record.

It needs one cluster's ports and nothing else, takes plain values and returns plain values: it can run beside the
cluster just as well as here. It refuses to raise for what happens in the cluster: that is the result.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from orchestrator.core.events import EventType
from orchestrator.core.observation import Expectation, Settled, Subject
from orchestrator.core.plan import ClusterPlan, ItemPlan
from orchestrator.core.records import CatalogueEntry, passed, proof_of
from orchestrator.core.result import Times
from orchestrator.core.verdict import Judgement, Readiness, Reason, Verdict, Want
from orchestrator.core.verdicts import reasons_under_hold, verdict_of, verdict_under_hold
from orchestrator.errors import ClusterError
from orchestrator.execution import concluding
from orchestrator.execution.begun import found_before
from orchestrator.execution.changes import send_change
from orchestrator.execution.checking import run_checks
from orchestrator.execution.departing import DepartureNews, with_moments
from orchestrator.execution.outcome import ClusterResult, ItemResult, StepTerms, Written
from orchestrator.execution.ports import ClusterPorts
from orchestrator.execution.recording import (
    entry_in,
    holds_in,
    keep_manifests,
    read_entry,
    records_in,
    write_entry,
)
from orchestrator.execution.sending import Sender, reason_of
from orchestrator.execution.stopping import Interrupted, unless_stopped


async def carry_out(part: ClusterPlan, ports: ClusterPorts, terms: StepTerms) -> ClusterResult:
    """Carry out a cluster's part of a step; its models are worked on side by side. Never raises."""
    items = await asyncio.gather(*(_Item(item, part, ports, terms).carry_out() for item in part.items))
    return ClusterResult(cluster=part.cluster.name, items=tuple(items))


class _Item:
    """One model in one cluster on its way through a step."""

    def __init__(self, item: ItemPlan, part: ClusterPlan, ports: ClusterPorts, terms: StepTerms) -> None:
        self._item = item
        self._ports = ports
        self._terms = terms
        self._sender = Sender(ports, item.subject.model.name, terms.step)
        self._departures = DepartureNews(self._sender)
        self._result = concluding.blank(item, part.cluster, Verdict.NOT_RUN)
        self._entry_written = False
        self._sending = False
        self._doubts = item.doubts
        """Why nothing can be called verified, whatever is seen."""

    async def carry_out(self) -> ItemResult:
        started = self._ports.clock.now()
        self._result = replace(self._result, times=Times(started=started))
        try:
            await self._follow_plan()
        except Exception as error:
            # One item's end, whatever it is, must cost the others nothing.
            self._fail(error)
        if self._sender.sent and self._result.verdict is not Verdict.VERIFIED:
            self._add(Reason(code="sent", message="sent in this run: " + ", ".join(self._sender.sent)))
        self._result = replace(concluding.told(self._result), changed=bool(self._sender.sent))
        self._sender.emit(EventType.ITEM_ENDED, concluding.ending(self._result))
        return ItemResult(
            item=self._item, result=self._result, written=tuple(self._sender.written), entry_written=self._entry_written
        )

    async def _follow_plan(self) -> None:
        item = self._item
        if item.held_by:
            await self._stay_held(item.held_by)
        elif item.refusals:
            self._conclude(Verdict.FAILED, item.refusals)
        elif self._ports.stop.is_set():
            raise Interrupted
        elif await self._may_go_on():
            await (self._bring_about() if item.is_change or item.soak_due else self._confirm())

    async def _bring_about(self) -> None:
        item = self._item
        about = {"want": item.want.value, "revision": item.subject.revision, **found_before(item)}
        self._sender.emit(EventType.ITEM_STARTED, about)
        if self._item.want is Want.DISABLED:
            async with self._departures.watch(self._item.subject) as departure:
                settled = with_moments(await self._change_and_settle(), departure)
        else:
            settled = await self._change_and_settle()
        self._judge(settled)
        if self._result.verdict is Verdict.VERIFIED and self._owes_proof and await self._pass_checks():
            await self._record_step()

    async def _change_and_settle(self) -> Settled:
        if self._item.is_change:
            await self._send_everything()
        return await self._settle(soak=self._terms.soak)

    async def _may_go_on(self) -> bool:
        """Ask once more for what may have come since the plan was made: a hold, or another run.

        A plan can be old: it was saved, or waited for a lock. Off may always be sent, but what another run made
        meanwhile is not stopped by it: then nothing is verified, and its record is kept.
        """
        item, writer, model = self._item, self._ports.writer, self._sender.model
        if item.want is Want.DISABLED:
            try:
                entry = await read_entry(writer, model)
            except ClusterError as error:
                self._doubts = (*self._doubts, reason_of(error))
                return True
            if entry not in (None, item.previous):
                self._doubts = (*self._doubts, concluding.STALE_PLAN)
                self._item = replace(item, entry=with_objects_of(item.entry, entry))
            return True
        records = await records_in(writer)
        if holds := holds_in(records, model, item.lifted):
            await self._stay_held(holds)
            return False
        if entry_in(records, model) != item.previous:
            self._conclude(Verdict.FAILED, (concluding.STALE_PLAN,))
            return False
        return True

    async def _send_everything(self) -> None:
        item = self._item
        self._sending = True
        async with asyncio.timeout(self._terms.send_deadline):
            if item.manifests and item.subject.revision:
                await keep_manifests(self._sender, self._sender.model, item.subject.revision, item.manifests)
            before = self._entry_before_changes()
            if before is not None:
                await write_entry(self._sender, before)
                self._entry_written = True
            for change in item.changes:
                await send_change(self._sender, change)
        self._sending = False

    def _entry_before_changes(self) -> CatalogueEntry | None:
        """The entry to write first; None where the cluster has it already.

        A soak that passed before these changes says nothing about what follows them, even at the same revision.
        """
        item = self._item
        key = self._terms.soak_key
        if item.changes and self._owes_proof and key in item.entry.soaked:
            return replace(item.entry, soaked={step: mark for step, mark in item.entry.soaked.items() if step != key})
        return item.entry if item.entry_changes else None

    @property
    def _owes_proof(self) -> bool:
        """Whether the step passes in a cluster only with a record of its soak and checks."""
        return bool(self._terms.soak or self._terms.checks)

    async def _pass_checks(self) -> bool:
        """Run the step's checks; whether they passed."""
        outcomes = await unless_stopped(
            run_checks(self._terms.checks, self._ports, self._item.subject), self._ports.stop
        )
        for outcome in outcomes:
            words = [reason.message for reason in outcome.reasons]
            self._sender.emit(EventType.CHECKED, {"readiness": outcome.readiness.value, "reasons": words})
        verdict = concluding.verdict_on_checks(outcomes)
        if verdict is not Verdict.VERIFIED:
            self._conclude(verdict, tuple(reason for outcome in outcomes for reason in outcome.reasons))
        return verdict is Verdict.VERIFIED

    async def _record_step(self) -> None:
        """Record that the step was passed: a later run then need not prove it again."""
        entry, key, mark = self._item.entry, self._terms.soak_key, passed_as(self._item, self._terms)
        if entry.soaked.get(key) != mark or self._item.is_change:
            self._sending = True
            await write_entry(self._sender, replace(entry, soaked={**entry.soaked, key: mark}))
            self._entry_written = True

    async def _confirm(self) -> None:
        """Nothing is due: look, and wait only where something is still on its way.

        Where no record can say that the step was passed, as for a model that never was here, it is proven each time.
        """
        item = self._item
        if item.want is Want.DISABLED and item.previous is None and self._owes_proof:
            self._judge(await self._settle(soak=self._terms.soak))
            if self._result.verdict is Verdict.VERIFIED:
                await self._pass_checks()
            return
        judgement = await self._ports.verifier.look(self._ports.writer, item.subject)
        settled = Settled(judgement=judgement)
        if judgement.readiness is Readiness.PROGRESSING:
            settled = await self._settle(soak=0.0)
        self._judge(settled)

    async def _stay_held(self, holds: tuple[str, ...]) -> None:
        """A hold keeps the model off: nothing is sent, and what is seen is said."""
        judgement = await self._ports.verifier.look(self._ports.writer, self._item.subject)
        self._result = concluding.seen(replace(self._result, holds=holds), judgement)
        state = judgement.state
        self._conclude(verdict_under_hold(state), reasons_under_hold(holds, state, judgement.reasons))

    async def _settle(self, *, soak: float) -> Settled:
        """Watch until it is what is wanted and has held, or time is up."""
        deadline = self._ports.clock.elapsed() + self._terms.progress_deadline

        def tell(judgement: Judgement) -> None:
            if soak and judgement.readiness is Readiness.DONE:
                self._sender.emit(EventType.SOAKING, {"seconds": soak, **concluding.progress(judgement)})
                return
            self._sender.emit(EventType.PROGRESS, concluding.progress(judgement))

        subject = after_writes(self._item.subject, self._sender.written)
        watching = self._ports.verifier.settle(self._ports.writer, subject, deadline=deadline, soak=soak, tell=tell)
        return await unless_stopped(watching, self._ports.stop)

    def _judge(self, settled: Settled) -> None:
        self._see(settled)
        verdict = verdict_of(settled.judgement, self._item.want, late=settled.late)
        self._conclude(verdict, concluding.reasons_for(settled, self._terms.progress_deadline))

    def _see(self, settled: Settled) -> None:
        times = replace(
            self._result.times,
            stopped=settled.stopped_at,
            traffic_cut=settled.traffic_cut_at,
            last_pod_gone=settled.last_pod_gone_at,
            verified=settled.verified_at,
        )
        self._result = replace(concluding.seen(self._result, settled.judgement), times=times)
        self._departures.tell(settled.last_pod_gone_at)

    def _fail(self, error: Exception) -> None:
        verdict, reason = concluding.verdict_on_failure(error, refused=self._sending, sent=bool(self._sender.sent))
        refused = self._sender.refused
        self._conclude(verdict, (refused if refused and refused.code == reason.code else reason,))

    def _conclude(self, verdict: Verdict, reasons: tuple[Reason, ...]) -> None:
        if self._doubts and verdict is Verdict.VERIFIED:
            verdict, reasons = Verdict.UNVERIFIED, (*reasons, *self._doubts)
        self._result = replace(self._result, verdict=verdict, reasons=reasons)

    def _add(self, reason: Reason) -> None:
        self._result = replace(self._result, reasons=(*self._result.reasons, reason))


def after_writes(subject: Subject, written: list[Written]) -> Subject:
    """The subject with the generations that our own writes returned: an older status proves nothing.

    `/scale` answers no generation; there the fresh object's own metadata.generation protects, as the verifier
    demands the wanted replicas and a status observed at least at that generation.
    """
    generations = {write.ref: write.generation for write in written if write.generation is not None}
    expectations = (
        replace(expected, wanted=replace(expected.wanted, generation=generations.get(expected.ref)))
        if expected.ref in generations
        else expected
        for expected in subject.expectations
    )
    return replace(subject, expectations=tuple[Expectation, ...](expectations))


def with_objects_of(entry: CatalogueEntry, other: CatalogueEntry | None) -> CatalogueEntry:
    """The entry with what another one names besides: nothing on record may be forgotten while it may still run."""
    if other is None:
        return entry
    objects = tuple(sorted({*entry.objects, *other.objects}))
    return replace(entry, objects=objects, replicas={**other.replicas, **entry.replicas})


def passed_as(item: ItemPlan, terms: StepTerms) -> str:
    """What is recorded for a step that was passed: the revision, or that the model was off, and what was demanded."""
    what = "disabled" if item.want is Want.DISABLED else item.subject.revision or "adopted"
    return passed(what, proof_of(terms.soak, terms.checks))
