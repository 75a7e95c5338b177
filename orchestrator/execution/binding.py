"""One guard in one cluster: made, bound, tried, and unbound at once where it refuses what is none of its business.

A guard counts only while it is proven. Whoever deletes it during a takedown finds it bound again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from orchestrator.core.comparison import differences
from orchestrator.core.events import EventType
from orchestrator.core.objects import JsonObject, dig, ref_of
from orchestrator.core.observation import Subject
from orchestrator.core.ports import GuardProver
from orchestrator.core.takedown import Guard, GuardProof, NeutralSurvey
from orchestrator.core.verdict import Reason
from orchestrator.errors import Conflict
from orchestrator.execution.sending import Sender
from orchestrator.execution.steps import Steps

PROOF_SECONDS = 30.0
"""A policy works half a second after it is bound; a busy API server gets this long."""


class GuardBinding:
    """The guard of one item, from nothing to proven."""

    def __init__(self, guard: Guard | None, prover: GuardProver, sender: Sender, steps: Steps) -> None:
        self._guard = guard
        self._prover = prover
        self._sender = sender
        self._steps = steps
        self._survey = NeutralSurvey()
        self.status: Literal["proven", "absent"] = "absent"
        self.is_bound = False
        """Whether it was written: what follows only tries it."""
        self.reasons: tuple[Reason, ...] = ()
        """What the last attempt at proving it found: why it does not count, or what nothing rests on."""
        self.proven_at: datetime | None = None
        """When it was first seen to work."""

    async def bind(self, subject: Subject) -> None:
        """Make it, bind it and try it both ways. What failed is in the steps; `status` says whether it counts."""
        if self._guard is None:
            words = "no guard can be made for this model here"
            self._steps.note(Reason(code="guard-absent", message=words))
            return
        # Asked before it is bound, or nobody could tell whose policy refuses what is neutral.
        self._survey = await self._steps.ask(self._prover.survey(self._sender.ports.writer)) or NeutralSurvey()
        if await self._put(self._guard.policy) and await self._put(self._guard.binding):
            self.is_bound = True
            await self.prove(subject)

    async def prove(self, subject: Subject) -> bool:
        """Try it both ways, now; whether it is proven. One that refuses too much is unbound at once."""
        if self._guard is None:
            return False
        clock = self._sender.ports.clock
        proof = await self._steps.ask(
            self._prover.prove(
                self._sender.ports.writer,
                self._guard,
                subject,
                self._survey,
                deadline=clock.elapsed() + PROOF_SECONDS,
            )
        )
        if proof is None:
            proof = GuardProof(status="absent")
        self._tell(proof)
        self.reasons = proof.reasons
        if proof.has_to_go:
            await self._unbind(self._guard)
        self.status = proof.status
        if proof.status == "proven" and self.proven_at is None:
            self.proven_at = clock.now()
        return proof.status == "proven"

    async def is_in_place(self) -> bool:
        """Whether policy and binding are as they were made; what cannot be read is not."""
        if self._guard is None:
            return False
        for wanted in (self._guard.policy, self._guard.binding):
            live = await self._steps.ask(self._sender.ports.writer.get(ref_of(wanted)), ref_of(wanted))
            if live is None or dig(live, "metadata", "deletionTimestamp") or differences(wanted, live):
                return False
        return True

    async def bind_again(self, subject: Subject) -> bool:
        """Somebody deleted or changed it: make it anew; whether it is proven again."""
        words = "somebody deleted or changed the guard during the takedown; it was bound again"
        self._steps.note(Reason(code="guard-tampered", message=words))
        self._sender.emit(EventType.REVERTED, {"object": "guard", "message": words})
        if self._guard is None or not await self._put(self._guard.policy) or not await self._put(self._guard.binding):
            self.status = "absent"
            return False
        return await self.prove(subject)

    async def _put(self, wanted: JsonObject) -> bool:
        """Create it, or give it back its content; whether it is there as wanted."""
        ref, writer = ref_of(wanted), self._sender.ports.writer

        async def put() -> None:
            live = await writer.get(ref)
            if live is None:
                await self._created(wanted)
            elif differences(wanted, live):
                await self._sender.send("apply", ref, lambda: writer.apply(wanted, force=True))

        return await self._steps.attempt(put(), ref)

    async def _created(self, wanted: JsonObject) -> None:
        ref, writer = ref_of(wanted), self._sender.ports.writer
        try:
            await self._sender.send("create", ref, lambda: writer.create(wanted))
        except Conflict:
            # Another takedown of the same order was quicker.
            return

    async def _unbind(self, guard: Guard) -> None:
        words = "our own guard refused what is none of its business: it was unbound at once"
        self._steps.note(Reason(code="guard-unbound", message=words, object=str(ref_of(guard.binding))))
        for obj in (guard.binding, guard.policy):
            await self._steps.attempt(self._delete(obj), ref_of(obj))

    async def _delete(self, obj: JsonObject) -> None:
        ref, writer = ref_of(obj), self._sender.ports.writer
        live = await writer.get(ref)
        if live is not None:
            uid = str(live["metadata"]["uid"])
            await self._sender.send("delete", ref, lambda: writer.delete(ref, uid=uid), uid=uid)

    def _tell(self, proof: GuardProof) -> None:
        reasons = [{"code": reason.code, "message": reason.message} for reason in proof.reasons]
        data = {"status": proof.status, "denied": list(proof.denied), "admitted": list(proof.admitted)}
        self._sender.emit(EventType.GUARD_TRIED, {**data, "reasons": reasons, "hadToGo": proof.has_to_go})
