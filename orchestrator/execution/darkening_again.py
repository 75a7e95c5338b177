"""Back into the dark: what a restore undoes of itself where the model does not become healthy.

Everything is tried, whatever fails before it. It refuses to judge: what was seen afterwards is said elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Final, Literal

from orchestrator import plugins
from orchestrator.core.kind import Wanted
from orchestrator.core.objects import ObjectRef, ref_of
from orchestrator.core.observation import Subject
from orchestrator.core.ports import GuardProver
from orchestrator.core.takedown import NeutralSurvey
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason, Want
from orchestrator.errors import ClusterError
from orchestrator.execution import changes
from orchestrator.execution.handing_back import Undo
from orchestrator.execution.outcome import StepTerms
from orchestrator.execution.putting_back import REPLICAS, put_fields, put_replicas
from orchestrator.execution.sending import Sender
from orchestrator.execution.stopping import Interrupted
from orchestrator.execution.unguarding import bind_again

Guarded = Literal["proven", "absent", "none"]
_PROOF_SECONDS: Final = 15.0


def dark_subject(subject: Subject) -> Subject:
    """The same model, wanted off."""
    expectations = tuple(
        replace(one, manifest=None, wanted=Wanted(replicas=0 if one.ref.group_kind in plugins.switched() else None))
        for one in subject.expectations
    )
    return replace(subject, want=Want.DISABLED, revision=None, expectations=expectations)


async def darken_again(
    sender: Sender, undo: Undo, prover: GuardProver, terms: StepTerms
) -> tuple[Guarded, tuple[Reason, ...]]:
    """Cut the routes, guard and stop the model again; whether the guard is proven, and what failed.

    The routes come first, as the guard refuses to have them changed; its proof comes last, as it takes time.
    """
    reasons: list[Reason] = []
    notes: list[Reason] = []
    guarding = _Guarding(sender, undo, prover, reasons, notes)
    guarded: Guarded = "absent"
    try:
        async with asyncio.timeout(terms.send_deadline):
            for record, values in reversed(undo.fields):
                await _try(put_fields(sender, record, values), record.ref, reasons)
            before = await guarding.bind()
            for ref in undo.made:
                await _try(changes.delete(sender, ref, uid=None), ref, reasons)
            for record in undo.restoration.records:
                if REPLICAS in record.before:
                    await _try(put_replicas(sender, record, 0), record.ref, reasons)
            guarded = await guarding.prove(before)
    except TimeoutError:
        reasons.append(Reason(code="not-dark-again", message="not everything was answered in time"))
    except Interrupted:
        reasons.append(Reason(code="not-dark-again", message="interrupted while it was made dark again"))
    if not reasons and guarded == "proven":
        reasons.append(Reason(code="dark-again", message="it was cut, guarded and scaled to 0 again"))
    return guarded, (*reasons, *notes)


@dataclass(frozen=True, slots=True)
class _Guarding:
    sender: Sender
    undo: Undo
    prover: GuardProver
    reasons: list[Reason]
    """What went wrong."""
    notes: list[Reason]
    """What the guard's proof has to say besides."""

    async def bind(self) -> NeutralSurvey | None:
        """Bind what was found before the restore; None where that cannot be."""
        guard = self.undo.restoration.guard
        if guard is None:
            words = "no guard was found that could be bound again: take the model down anew"
            self.reasons.append(Reason(code="guard-absent", message=words))
            return None
        try:
            before = await self.prover.survey(self.sender.ports.writer)
            await bind_again(self.sender, guard)
        except ClusterError as error:
            words = f"the guard could not be bound again: {printable(error.message)}"
            self.reasons.append(Reason(code="guard-absent", message=words))
            return None
        return before

    async def prove(self, before: NeutralSurvey | None) -> Guarded:
        """Try the guard that was bound; unbound at once when it refuses what is none of its business."""
        guard, sender = self.undo.restoration.guard, self.sender
        if guard is None or before is None:
            return "absent"
        subject, deadline = dark_subject(self.undo.subject), sender.ports.clock.elapsed() + _PROOF_SECONDS
        proof = await self.prover.prove(sender.ports.writer, guard, subject, before, deadline=deadline)
        if proof.has_to_go:
            binding = ref_of(guard.binding)
            await _try(changes.delete(sender, binding, uid=None), binding, self.reasons)
        self.notes.extend(proof.reasons)
        return proof.status


async def _try(write: Awaitable[object], ref: ObjectRef, reasons: list[Reason]) -> None:
    try:
        await write
    except ClusterError as error:
        reasons.append(Reason(code="not-dark-again", message=printable(error.message), object=str(ref)))
