"""Who refused a request, as far as the refusal tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.takedown import Guard
from orchestrator.core.text import printable
from orchestrator.errors import ClusterError, Forbidden, Invalid, NotFound
from orchestrator.guarding.policy import is_marked


class Answer(StrEnum):
    """What came of an attempt."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    """By the guard that is tried, in its own words."""
    BROKEN = "broken"
    """By its policy, because an expression of it failed."""
    SIBLING = "sibling"
    """By another guard of ours over the same model."""
    FOREIGN = "foreign"
    """By somebody else's rules; the guard was perhaps never asked."""
    NOT_ALLOWED = "not-allowed"
    """We may not even try."""
    ABSENT = "absent"
    """What was to be changed, or its API, is not there."""
    LOST = "lost"
    """No answer that can be trusted."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt, and by whom it was refused."""

    answer: Answer
    by: str = ""


_SOURCES = (
    (re.compile(r"ValidatingAdmissionPolicy '([^']+)'"), "the policy {}"),
    (re.compile(r'admission webhook "([^"]+)"'), "the webhook {}"),
    (re.compile(r'violates PodSecurity "([^"]+)"'), "Pod Security {}"),
    (re.compile(r"exceeded quota: ([^,]+),"), "the quota {}"),
)


def outcome_of(error: ClusterError, guard: Guard | None) -> Outcome:
    """What a refusal means; without a guard nothing is ours."""
    message = error.message
    if guard is not None and (ours := _ours(message, guard)) is not None:
        return Outcome(ours, refuser_of(message))
    match error:
        case Forbidden():
            return Outcome(Answer.NOT_ALLOWED, printable(message, 200))
        case NotFound():
            return Outcome(Answer.ABSENT, printable(message, 200))
        case Invalid():
            return Outcome(Answer.FOREIGN, refuser_of(message))
    return Outcome(Answer.LOST, printable(message, 200))


def _ours(message: str, guard: Guard) -> Answer | None:
    if guard.marker in message:
        return Answer.REFUSED
    if f"ValidatingAdmissionPolicy '{guard.name}'" in message:
        return Answer.BROKEN
    return Answer.SIBLING if is_marked(message, guard.model) else None


def refuser_of(message: str) -> str:
    """Whose rule refused, or what it said where it does not give its name."""
    for pattern, words in _SOURCES:
        if found := pattern.search(message):
            return words.format(printable(found[1], 253))
    return printable(message, 200)


def is_passing(message: str) -> bool:
    """Whether a refusal comes only from a namespace that is being furnished: its default service account is late."""
    return "service account" in message or 'serviceaccount "default" not found' in message
