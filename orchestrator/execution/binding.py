"""One guard in one cluster: made, bound, tried, and unbound at once where it refuses what is none of its business.

A guard counts only while it is proven. Whoever deletes it during a takedown finds it bound again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Literal

from orchestrator.core.comparison import differences
from orchestrator.core.events import EventType
from orchestrator.core.objects import JsonObject, dig, ref_of
from orchestrator.core.observation import Subject
from orchestrator.core.ports import GuardProver
from orchestrator.core.takedown import Guard, GuardProof, NeutralSurvey, Workload, workloads_of_policy
from orchestrator.core.verdict import Reason
from orchestrator.errors import Conflict
from orchestrator.execution.sending import Sender
from orchestrator.execution.steps import Steps

_RACES = 5
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
        self._before: JsonObject | None = None
        """The policy as it was before this item's first write; None where there was none."""
        self._is_made = False
        self.status: Literal["proven", "absent"] = "absent"
        self.is_bound = False
        """Whether it was written: what follows only tries it."""
        self.reasons: tuple[Reason, ...] = ()
        """What the last attempt at proving it found: why it does not count, or what nothing rests on."""
        self.proven_at: datetime | None = None
        """When it was first seen to work."""

    @property
    def seal(self) -> str:
        """What the hold keeps of it; empty while it is not proven."""
        return self._guard.seal if self._guard is not None and self.status == "proven" else ""

    async def survey(self) -> None:
        """See what is there before it is bound, or nobody could tell whose policy refuses what is neutral."""
        if self._guard is None:
            return
        survey, self._before = await asyncio.gather(
            self._steps.ask(self._prover.survey(self._sender.ports.writer)), self._live(self._guard.policy)
        )
        self._survey = survey or NeutralSurvey()

    async def make(self, subject: Subject) -> None:
        """Make the policy, which refuses nothing until it is bound; after the survey."""
        if self._guard is None:
            words = "no guard can be made for this model here"
            self._steps.note(Reason(code="guard-absent", message=words))
            return
        if self._before is not None:
            # What an earlier takedown found stays guarded, whatever this one knows of it.
            self._draw_wider(subject, workloads_of_policy(self._before))
        self._is_made = await self._put(self._guard.policy, before=(self._before,))

    async def bind(self, subject: Subject) -> None:
        """Bind what was made and try it both ways. What failed is in the steps; `status` says whether it counts."""
        if self._guard is None or not self._is_made:
            return
        # Where there was no policy a moment ago there was no binding either, or one of nothing.
        if await self._put(self._guard.binding, before=(None,) if self._before is None else ()):
            self.is_bound = True
            await self.prove(subject)

    async def widen(self, subject: Subject, workloads: Iterable[Workload]) -> bool:
        """Guard these workloads as well and try it anew; whether they are guarded.

        It is replaced in place: at no moment is there less of it than before.
        """
        before = self._guard
        if not self.is_bound or not self._draw_wider(subject, workloads):
            return False
        if self._guard is before:
            return True
        if not await self._put_both():
            self._guard = before
            return False
        return await self.prove(subject)

    def _draw_wider(self, subject: Subject, workloads: Iterable[Workload]) -> bool:
        if self._guard is None:
            return False
        drawn = self._prover.widen(self._guard, subject, workloads)
        if isinstance(drawn, Reason):
            self._steps.note(drawn)
            return False
        self._guard = drawn
        return True

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
        both = (self._guard.policy, self._guard.binding)
        for wanted, live in zip(both, await asyncio.gather(*map(self._live, both)), strict=True):
            if live is None or dig(live, "metadata", "deletionTimestamp") or not _says(live, wanted):
                return False
        return True

    async def bind_again(self, subject: Subject) -> bool:
        """Somebody deleted or changed it: make it anew; whether it is proven again."""
        words = "somebody deleted or changed the guard during the takedown; it was bound again"
        self._steps.note(Reason(code="guard-tampered", message=words))
        self._sender.emit(EventType.REVERTED, {"object": "guard", "message": words})
        if not await self._put_both():
            self.status = "absent"
            return False
        return await self.prove(subject)

    async def _put_both(self) -> bool:
        return self._guard is not None and await self._put(self._guard.policy) and await self._put(self._guard.binding)

    async def _live(self, wanted: JsonObject) -> JsonObject | None:
        return await self._steps.ask(self._sender.ports.writer.get(ref_of(wanted)), ref_of(wanted))

    async def _put(self, wanted: JsonObject, before: tuple[JsonObject | None, ...] = ()) -> bool:
        """Create it, or give it back its content; whether it is there as wanted.

        `before` is what was there a moment ago, or that nothing was; empty where nobody looked.
        """
        ref, writer = ref_of(wanted), self._sender.ports.writer

        async def put() -> None:
            for attempt in range(_RACES):
                live = before[0] if before and attempt == 0 else await writer.get(ref)
                if live is None:
                    if await self._is_created(wanted):
                        return
                    continue
                if _says(live, wanted):
                    return
                try:
                    # Replaced, not applied: what somebody added to a list of it would outlive an apply.
                    await self._sender.send("update", ref, partial(writer.replace, _in_place_of(live, wanted)))
                except Conflict:
                    if attempt == _RACES - 1:
                        raise
                else:
                    return

        return await self._steps.attempt(put(), ref)

    async def _is_created(self, wanted: JsonObject) -> bool:
        """Whether it is made; not where another takedown of the same order was quicker."""
        ref, writer = ref_of(wanted), self._sender.ports.writer
        try:
            await self._sender.send("create", ref, lambda: writer.create(wanted))
        except Conflict:
            return False
        return True

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


def _says(live: JsonObject, wanted: JsonObject) -> bool:
    """Whether a live policy or binding says what is wanted, and nothing besides: one field more may exempt anybody."""
    return bool(dig(live, "spec") == wanted["spec"]) and not differences(wanted, live)


def _in_place_of(live: JsonObject, wanted: JsonObject) -> JsonObject:
    """What is wanted in the place of this very object, with what others have noted on it."""
    kept, given = live["metadata"], wanted["metadata"]
    metadata = {
        **given,
        "uid": kept["uid"],
        "resourceVersion": kept["resourceVersion"],
        "labels": {**(kept.get("labels") or {}), **given.get("labels", {})},
        "annotations": {**(kept.get("annotations") or {}), **given.get("annotations", {})},
    }
    return {**wanted, "metadata": metadata}
