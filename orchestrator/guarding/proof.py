"""Tries guards with server-side dry runs, both ways. Changes nothing, and never raises a `ClusterError`.

An API server loads policies when it comes to it, each server of a cluster on its own, so what ought to be refused is
tried until it is. A refusal counts only in the guard's own words: who refuses everything proves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from orchestrator.core.objects import ObjectRef
from orchestrator.core.observation import Subject
from orchestrator.core.ports import Clock, ClusterWriter
from orchestrator.core.takedown import Guard, GuardProof, NeutralSurvey, Workload
from orchestrator.core.verdict import Reason
from orchestrator.errors import ClusterError
from orchestrator.guarding.attempts import Attempt, label_attempt, match_attempts, neutral_attempts
from orchestrator.guarding.live import NotCutYet, live_attempts
from orchestrator.guarding.policy import differences, widened
from orchestrator.guarding.refusals import Answer, Outcome, is_passing, outcome_of
from orchestrator.guarding.request import GuardImpossible

PATIENCE: Final = 15.0
"""Seconds in which an attempt has to be refused; policies are active after 0.3 to 0.5 s (measured on 1.37)."""
FURNISHING: Final = 5.0
"""Seconds that a new namespace may take to get its service account."""
_AT_ONCE = 8
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


@dataclass(slots=True)
class _Findings:
    denied: list[str] = field(default_factory=list)
    admitted: list[str] = field(default_factory=list)
    doubts: list[Reason] = field(default_factory=list)
    """Why it is not proven."""
    notes: list[Reason] = field(default_factory=list)
    """What was not tried, though nothing rests on it."""
    has_to_go: bool = False

    def proof(self) -> GuardProof:
        return GuardProof(
            status="absent" if self.doubts else "proven",
            denied=tuple(self.denied),
            admitted=tuple(self.admitted),
            reasons=(*self.doubts, *self.notes),
            has_to_go=self.has_to_go,
        )


class DryRunProver:
    """Implements `core.ports.GuardProver`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def survey(self, writer: ClusterWriter) -> NeutralSurvey:
        """Whether a neutral pod and a neutral Deployment are admitted now: asked before a guard is bound."""
        admitted, refused = [], []
        attempts = neutral_attempts(None)
        outcomes = await asyncio.gather(*(self._furnished(writer, attempt) for attempt in attempts))
        for attempt, outcome in zip(attempts, outcomes, strict=True):
            if outcome.answer is Answer.ADMITTED:
                admitted.append(attempt.words)
            else:
                message = f"{attempt.words} is not admitted, and no guard of this order is in force yet: {outcome.by}"
                refused.append(Reason(code="neutral-refused", message=message))
        return NeutralSurvey(admitted=tuple(admitted), refused=tuple(refused))

    def widen(self, guard: Guard, subject: Subject, workloads: Iterable[Workload]) -> Guard | Reason:
        """The same guard over these workloads as well, or why that is impossible."""
        try:
            return widened(guard, subject.model.match, workloads)
        except GuardImpossible as error:
            return Reason(code="guard-narrow", message=f"the guard cannot know all that was found: {error.message}")

    async def prove(
        self, writer: ClusterWriter, guard: Guard, subject: Subject, before: NeutralSurvey, *, deadline: float
    ) -> GuardProof:
        """Try the guard both ways until it is seen to work, or `deadline` (on `Clock.elapsed()`) passes.

        Reasons of code `not-tried` say what could not be tried though the guard is proven without it.
        """
        deadline = min(deadline, self._clock.elapsed() + PATIENCE)
        found = _Findings()
        altered, _ = await asyncio.gather(
            _altered(writer, guard), self._deny(writer, guard, [label_attempt(guard)], found, deadline=deadline)
        )
        found.doubts += altered
        # What it has to admit is tried once it was seen to refuse.
        _, live = await asyncio.gather(
            self._admit(writer, guard, neutral_attempts(guard), found), live_attempts(writer, guard, subject)
        )
        if found.doubts:
            # It does not work, or harms: what else it refuses says nothing any more, and every moment counts.
            found.doubts += before.refused
            return found.proof()
        found.notes += live.untried
        denied = [*match_attempts(guard, subject.model.match), *live.denied]
        await asyncio.gather(
            self._deny(writer, guard, denied, found, deadline=deadline),
            self._admit(writer, guard, live.admitted, found),
        )
        return found.proof()

    async def _deny(
        self, writer: ClusterWriter, guard: Guard, attempts: Iterable[Attempt], found: _Findings, *, deadline: float
    ) -> None:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def until_refused(attempt: Attempt) -> Outcome:
            pause = _FIRST_PAUSE
            while True:
                async with limit:
                    outcome = await _try(writer, guard, attempt)
                is_over = self._clock.elapsed() + pause > deadline
                if is_over or not (outcome.answer is Answer.ADMITTED or outcome.by == NotCutYet.code):
                    return outcome
                await self._clock.sleep(pause)
                pause = min(pause * 1.6, _LONGEST_PAUSE)

        listed = list(attempts)
        for attempt, outcome in zip(listed, await asyncio.gather(*map(until_refused, listed)), strict=True):
            _note_denial(found, attempt, outcome)

    async def _admit(self, writer: ClusterWriter, guard: Guard, attempts: Iterable[Attempt], found: _Findings) -> None:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def once(attempt: Attempt) -> Outcome:
            async with limit:
                return await _try(writer, guard, attempt)

        listed = list(attempts)
        for attempt, outcome in zip(listed, await asyncio.gather(*map(once, listed)), strict=True):
            _note_admission(found, attempt, outcome)

    async def _furnished(self, writer: ClusterWriter, attempt: Attempt) -> Outcome:
        """An attempt in our namespace, which may have been made a moment ago."""
        ends = self._clock.elapsed() + FURNISHING
        while True:
            outcome = await _try(writer, None, attempt)
            if not is_passing(outcome.by) or self._clock.elapsed() > ends:
                return outcome
            await self._clock.sleep(0.1)


async def _try(writer: ClusterWriter, guard: Guard | None, attempt: Attempt) -> Outcome:
    try:
        await attempt.send(writer)
    except NotCutYet as error:
        return Outcome(Answer.ABSENT, error.code)
    except ClusterError as error:
        return outcome_of(error, guard)
    return Outcome(Answer.ADMITTED)


async def _altered(writer: ClusterWriter, guard: Guard) -> tuple[Reason, ...]:
    """Whether policy and binding are what we wrote: one that exempts somebody else would pass every dry run of ours."""
    try:
        kinds = (guard.policy["kind"], guard.binding["kind"])
        live = await asyncio.gather(*(writer.get(_ref(kind, guard.name)) for kind in kinds))
    except ClusterError as error:
        return (Reason(code="guard-unread", message=f"the guard cannot be read: {error.message}"),)
    return differences(guard, live[0], live[1])


def _ref(kind: str, name: str) -> ObjectRef:
    return ObjectRef("admissionregistration.k8s.io/v1", kind, "", name)


def _note_denial(found: _Findings, attempt: Attempt, outcome: Outcome) -> None:
    words, by = attempt.words, outcome.by
    match outcome.answer:
        case Answer.REFUSED:
            found.denied.append(words)
        case Answer.ADMITTED:
            found.doubts.append(Reason(code="guard-gap", message=f"{words} is admitted"))
        case Answer.BROKEN:
            found.doubts.append(Reason(code="guard-broken", message=f"{words}: an expression of the guard fails"))
        case _ if attempt.is_required:
            code = "unprovable" if outcome.answer in (Answer.FOREIGN, Answer.SIBLING) else "guard-untried"
            found.doubts.append(Reason(code=code, message=f"{words}: refused by {by}" if by else words))
        case _:
            found.notes.append(Reason(code="not-tried", message=f"{words}: {by}"))


def _note_admission(found: _Findings, attempt: Attempt, outcome: Outcome) -> None:
    words, by = attempt.words, outcome.by
    match outcome.answer:
        case Answer.ADMITTED:
            found.admitted.append(words)
        case Answer.REFUSED | Answer.BROKEN:
            found.has_to_go = True
            found.doubts.append(Reason(code="guard-harms", message=f"the guard refuses {words}"))
        case Answer.FOREIGN | Answer.SIBLING if attempt.is_required:
            found.doubts.append(Reason(code="unprovable", message=f"{words} is refused by {by}"))
        case _ if attempt.is_required:
            found.doubts.append(Reason(code="guard-untried", message=f"{words}: {by}"))
        case _:
            found.notes.append(Reason(code="not-tried", message=f"{words}: {by}"))
