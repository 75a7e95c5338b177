"""Taking back what a run enabled in one cluster: to the manifests applied before, and verified again.

It refuses to touch what does not carry this run's write any more, to go through a hold, to switch on what was
switched off, to take back a disable, and to delete what may hold data (Namespaces, volume claims, CRDs).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace

from orchestrator.core.events import EventType
from orchestrator.core.objects import ANNOTATION_REVISION, GroupKind, JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.observation import Settled
from orchestrator.core.plan import Verb
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason, Verdict, Want
from orchestrator.core.verdicts import verdict_of
from orchestrator.errors import ClusterError, Conflict, NotFound, Unreachable
from orchestrator.execution import changes, concluding
from orchestrator.execution.outcome import ItemResult, StepTerms, Written
from orchestrator.execution.ports import ClusterPorts
from orchestrator.execution.recording import delete_entry, holds_on, read_manifests, write_entry
from orchestrator.execution.sending import Sender
from orchestrator.execution.stopping import Interrupted, unless_stopped
from orchestrator.execution.target import Target, subject_of, target_of

_KEPT = {
    GroupKind("", "Namespace"),
    GroupKind("", "PersistentVolumeClaim"),
    GroupKind("apiextensions.k8s.io", "CustomResourceDefinition"),
}


async def roll_back(done: ItemResult, ports: ClusterPorts, terms: StepTerms) -> ItemResult:
    """Take back what this run wrote for one enabled item, and verify. Never raises; the verdict is never better."""
    rollback = _Rollback(done, Sender(ports, done.item.subject.model.name, terms.step), terms)
    result, verdict = done.result, Verdict.FAILED
    try:
        reasons = await rollback.carry_out()
        result = rollback.result
    except Exception as error:
        reasons = (*rollback.notes, _failure(error))
        if isinstance(error, Unreachable) and result.verdict is Verdict.UNREACHABLE:
            verdict = result.verdict
        else:
            result = rollback.result
    result = replace(result, verdict=verdict, reasons=(*result.reasons, *reasons))
    rollback.sender.emit(EventType.ITEM_ENDED, concluding.ending(result))
    return replace(done, result=result)


def _failure(error: Exception) -> Reason:
    match error:
        case Interrupted():
            return Reason(code="rollback-interrupted", message="the rollback was interrupted")
        case ClusterError():
            return Reason(code="rollback-failed", message=f"the rollback failed: {printable(error.message)}")
        case TimeoutError():
            return Reason(code="rollback-failed", message="the rollback failed: not everything was answered in time")
        case _:
            words = f"{type(error).__name__}: {printable(error, 200)}"
            return Reason(code="rollback-failed", message=f"the rollback failed by a defect of this tool: {words}")


@dataclass
class _Rollback:
    """One item on its way back."""

    done: ItemResult
    sender: Sender
    terms: StepTerms
    notes: list[Reason] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.item = self.done.item
        self.result = self.done.result
        self.writer = self.sender.ports.writer

    async def carry_out(self) -> tuple[Reason, ...]:
        if holds := await holds_on(self.writer, self.sender.model, self.item.lifted):
            return (Reason(code="rollback-held", message=f"not rolled back: {', '.join(holds)} keeps the model off"),)
        target = await self._find_target()
        self.sender.emit(EventType.ROLLING_BACK, {"to": target.words})
        async with asyncio.timeout(self.terms.send_deadline):
            await self._take_back(target)
        settled = await self._settle(target)
        self.result = concluding.seen(self.result, settled.judgement)
        verdict = verdict_of(settled.judgement, target.want, late=settled.late)
        if verdict is Verdict.VERIFIED:
            return (*self.notes, Reason(code="rolled-back", message=f"rolled back to {target.words}, verified"))
        why = concluding.reasons_for(settled, self.terms.progress_deadline)
        words = f"rolled back to {target.words}, but that is {verdict.value}"
        return (*self.notes, Reason(code="rollback-unproven", message=words), *why)

    async def _find_target(self) -> Target:
        previous = self.item.previous
        kept = None
        if previous and previous.revision and previous.revision != self.item.subject.revision:
            kept = await read_manifests(self.writer, self.sender.model, previous.revision)
            if (
                kept is None
                and previous.want is Want.ENABLED
                and any(write.verb in (Verb.APPLY, Verb.DELETE) for write in self.done.written)
            ):
                raise NotFound(f"the manifests of revision {previous.revision} are not kept in this cluster")
        return target_of(self.item, self.done.written, kept)

    async def _take_back(self, target: Target) -> None:
        """Restore, then delete what is new, then replicas: routes lead to something for as long as possible."""
        created = {write.ref for write in self.done.written if write.created}
        older = [write for write in self.done.written if write.ref not in created]
        # A run that was continued may have written an object twice; it is taken back once.
        applied = {write.ref: write for write in older if write.verb in (Verb.APPLY, Verb.CREATE, Verb.DELETE)}
        for write in applied.values():
            await self._restore(write, target)
        for write in reversed({write.ref: write for write in self.done.written if write.created}.values()):
            await self._delete(write)
        for write in older:
            if write.verb is Verb.SCALE:
                await self._scale(write, target)
        if self.item.previous is None:
            await self._take_labels_off()
        await self._restore_entry()

    async def _take_labels_off(self) -> None:
        for write in self.done.written:
            if write.verb is Verb.LABEL and write.ref.kind != "Pod":
                await self._if_still_ours(write, changes.label(self.sender, write.ref, None, uid=write.uid))

    async def _restore_entry(self) -> None:
        if not self.done.entry_written:
            return
        if self.item.previous is None:
            await delete_entry(self.sender, self.sender.model)
        else:
            await write_entry(self.sender, self.item.previous)

    async def _restore(self, write: Written, target: Target) -> None:
        if target.revision == self.item.subject.revision and target.revision is not None:
            # Nothing to return to: this write only mended what had drifted from the same revision.
            return
        manifest = target.manifests.get(write.ref)
        live = await self.writer.get(write.ref)
        if manifest is None:
            self._note(write.ref, "not-restored", "was there before, but its former content is not known")
        elif write.verb is Verb.DELETE:
            if live is None:
                await self._apply(Verb.CREATE, manifest)
            elif not self._is_restored(live, None, target):
                self._note(write.ref, "not-ours", "was made anew by somebody else")
        elif live is None or not (self._is_ours(live, write) or self._is_restored(live, write, target)):
            self._note(write.ref, "not-ours", "does not carry this run's write any more, and was left alone")
        else:
            await self._apply(Verb.APPLY, changes.with_uid(manifest, live["metadata"]["uid"]))

    async def _apply(self, verb: Verb, manifest: JsonObject) -> None:
        await changes.apply(self.sender, verb, ref_of(manifest), manifest)

    async def _delete(self, write: Written) -> None:
        live = await self.writer.get(write.ref)
        if live is None:
            return
        if write.ref.group_kind in _KEPT:
            self._note(write.ref, "kept", "was created by this run and is kept, as it may hold data")
        elif not self._is_ours(live, write):
            self._note(write.ref, "not-ours", "does not carry this run's write any more, and was left alone")
        else:
            await changes.delete(self.sender, write.ref, uid=live["metadata"]["uid"])

    async def _scale(self, write: Written, target: Target) -> None:
        wanted = target.replicas.get(write.ref)
        live = await self.writer.get(write.ref)
        if wanted is None or live is None or dig(live, "spec", "replicas", default=1) == wanted:
            return
        if wanted and dig(live, "spec", "replicas", default=1) not in (write.replicas, write.replicas_before):
            self._note(write.ref, "not-ours", "was scaled by somebody else since, and was left alone")
            return
        await self._if_still_ours(write, changes.scale(self.sender, write.ref, wanted, uid=write.uid))

    async def _if_still_ours(self, write: Written, request: Awaitable[None]) -> None:
        try:
            await request
        except (Conflict, NotFound):
            self._note(write.ref, "not-ours", "was replaced by somebody else since, and was left alone")

    def _is_ours(self, live: JsonObject, write: Written) -> bool:
        revision = dig(live, "metadata", "annotations", ANNOTATION_REVISION)
        same = write.uid is None or write.uid == dig(live, "metadata", "uid")
        return same and revision is not None and revision == self.item.subject.revision

    def _is_restored(self, live: JsonObject, write: Written | None, target: Target) -> bool:
        """Whether a rollback that was cut off has written this object back already."""
        same = write is None or write.uid in (None, dig(live, "metadata", "uid"))
        revision = dig(live, "metadata", "annotations", ANNOTATION_REVISION)
        return same and str(ref_of(live)) in self.done.restored and revision == target.revision

    async def _settle(self, target: Target) -> Settled:
        ports = self.sender.ports
        subject = subject_of(self.item, target, tuple(self.sender.written))
        if target.want is Want.ENABLED and any(note.code in ("not-ours", "not-restored") for note in self.notes):
            # What was left alone will not become what it was: there is nothing to wait for.
            return Settled(judgement=await ports.verifier.look(self.writer, subject))
        deadline = ports.clock.elapsed() + self.terms.progress_deadline
        watching = ports.verifier.settle(self.writer, subject, deadline=deadline, soak=0.0, tell=lambda judgement: None)
        return await unless_stopped(watching, ports.stop)

    def _note(self, ref: ObjectRef, code: str, words: str) -> None:
        self.notes.append(Reason(code=code, message=f"{ref} {words}", object=str(ref)))
