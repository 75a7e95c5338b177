"""What is printed with `-o json`: the contract with pipelines, and the exit code that follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from orchestrator.core.schema import API_VERSION, DOCUMENT
from orchestrator.core.verdict import Explanation, Reason, ReplicaCount, State, Verdict, Want


class Outcome(StrEnum):
    """How a run ended."""

    VERIFIED = "verified"
    FAILED = "failed"
    UNPROVEN = "unproven"
    REFUSED = "refused"
    LATE = "late"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When what was first seen; null where it was not."""

    __pydantic_config__ = DOCUMENT

    started: datetime | None = None
    guarded: datetime | None = None
    traffic_cut: datetime | None = None
    stopped: datetime | None = None
    last_pod_gone: datetime | None = None
    verified: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusItem:
    """One model in one cluster, as it is."""

    __pydantic_config__ = DOCUMENT

    model: str
    cluster: str
    region: str
    country: str | None
    want: Want | None
    """What was asked for; null where nobody said."""
    state: State
    revision: str | None = None
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    replicas: ReplicaCount = ReplicaCount()
    holds: tuple[str, ...] = ()
    guard: Literal["proven", "absent", "none"] = "none"
    explanation: tuple[Explanation, ...] | None = None
    """What the verdict rests on, rule by rule; null unless `--explain` asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultItem(StatusItem):
    """One model in one cluster, as a run left it."""

    changed: bool = False
    times: Times = Times()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelResult:
    """A way to the model that this tool cannot switch."""

    __pydantic_config__ = DOCUMENT

    name: str
    model: str
    """Whose channel it is: models may have channels of one name."""
    verdict: Verdict
    contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetail:
    """What went wrong, and what to do next."""

    __pydantic_config__ = DOCUMENT

    code: str
    message: str
    file: str | None = None
    line: int | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDocument:
    """Printed instead of a result when nothing was done."""

    __pydantic_config__ = DOCUMENT

    exit_code: int
    error: ErrorDetail
    api_version: Literal["orchestrator/v1"] = API_VERSION
    kind: Literal["Error"] = "Error"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Printed by everything that changes something."""

    __pydantic_config__ = DOCUMENT

    run: str
    action: str
    order: str | None = None
    rehearsal: bool
    outcome: Outcome
    exit_code: int
    seconds: float
    error: ErrorDetail | None = None
    items: tuple[ResultItem, ...]
    channels: tuple[ChannelResult, ...] = ()
    api_version: Literal["orchestrator/v1"] = API_VERSION
    kind: Literal["RunResult"] = "RunResult"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusDocument:
    """Printed by what only looks."""

    __pydantic_config__ = DOCUMENT

    rehearsal: bool
    outcome: Outcome
    exit_code: int
    seconds: float
    items: tuple[StatusItem, ...]
    channels: tuple[ChannelResult, ...] = ()
    """Of an order: the ways to its models that this tool cannot switch."""
    not_covered: tuple[str, ...] = ()
    """Contexts of the kubeconfig that no cluster of the fleet uses."""
    api_version: Literal["orchestrator/v1"] = API_VERSION
    kind: Literal["Status"] = "Status"


def exit_code_of(verdicts: Iterable[Verdict], *, held_fails: bool = False) -> int:
    """The exit code of a set of verdicts: 1 before 3 before 0. `not_run` adds nothing to what stopped it.

    Alone it is not proven: 3.
    """
    seen = set(verdicts)
    if Verdict.FAILED in seen or (held_fails and Verdict.HELD in seen):
        return 1
    if seen - {Verdict.VERIFIED, Verdict.HELD}:
        return 3
    return 0


def outcome_of(exit_code: int) -> Outcome:
    """The outcome that an exit code stands for."""
    return {0: Outcome.VERIFIED, 1: Outcome.FAILED, 4: Outcome.REFUSED, 5: Outcome.LATE, 130: Outcome.INTERRUPTED}.get(
        exit_code, Outcome.UNPROVEN
    )
