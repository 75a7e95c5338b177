"""What `runs list`, `runs show` and `runs abort` print: what runs there were, how they ended, what they left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from orchestrator.core.order_report import SilentCluster
from orchestrator.core.result import Outcome
from orchestrator.core.schema import API_VERSION, DOCUMENT
from orchestrator.core.verdict import Explanation, State, Verdict


class RunState(StrEnum):
    """How far a run came."""

    RUNNING = "running"
    """Its process lives."""
    ENDED = "ended"
    """It came to a result."""
    INTERRUPTED = "interrupted"
    """A signal ended it at a safe point."""
    DIED = "died"
    """Its process is gone, and it left no result."""
    ABORTED = "aborted"
    """Somebody ended it for good."""
    UNKNOWN = "unknown"
    """It left no result, and whether its process lives cannot be told from this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """One run, as this machine keeps it."""

    __pydantic_config__ = DOCUMENT

    run: str
    action: str | None
    """`apply`, `enable`, `disable`, `takedown` or `restore`; null where that is not kept."""
    name: str | None
    """Name of the playbook or order; null for a single command."""
    models: tuple[str, ...]
    state: RunState
    outcome: Outcome | None
    """How it ended; null while it has no result."""
    exit_code: int | None
    started: datetime | None
    ended: datetime | None
    """When it ended; of a run that died the time of its last record."""
    user: str | None
    """Who ran it on this machine."""
    workspace: str | None
    continues: str | None
    """The run that it continues."""
    continued_by: str | None
    """The run that continues it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunList:
    """The runs that this machine keeps, the newest first."""

    __pydantic_config__ = DOCUMENT

    exit_code: int = 0
    runs: tuple[RunEntry, ...]
    more: int = 0
    """Older runs that are not listed."""
    api_version: Literal["orchestrator/v1"] = API_VERSION
    kind: Literal["RunList"] = "RunList"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One record of a run's journal, in words."""

    __pydantic_config__ = DOCUMENT

    at: datetime
    cluster: str | None
    model: str | None
    step: str | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftItem:
    """One model in one cluster that a run had begun."""

    __pydantic_config__ = DOCUMENT

    model: str
    cluster: str
    sent: tuple[str, ...]
    """Writes that took effect, or may have: `scale apps/Deployment default/fable`."""
    unanswered: tuple[str, ...]
    """Those among them whose answer is not on record."""
    verdict: str | None
    """What the run said of it in the end; null where it came to no verdict."""
    rolling_back: bool
    """Whether a rollback of it had begun."""
    state: State | None = None
    """What is seen of it now; null where nobody looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedVerdict:
    """On what the verdict on one model in one cluster rested."""

    __pydantic_config__ = DOCUMENT

    model: str
    cluster: str
    verdict: Verdict
    explanation: tuple[Explanation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One run: what it was to do, what happened, what is missing, what to do next."""

    __pydantic_config__ = DOCUMENT

    exit_code: int = 0
    run: RunEntry
    scope: tuple[str, ...]
    """Which clusters it concerned, step by step, in words."""
    timeline: tuple[TimelineEntry, ...]
    left: tuple[LeftItem, ...]
    verdicts: tuple[ExplainedVerdict, ...] = ()
    """On what each verdict rested, rule by rule; empty unless `--explain` asked for it."""
    gaps: tuple[str, ...]
    """What is missing of it or cannot be believed, in words."""
    next: tuple[str, ...]
    """Commands to go on with."""
    api_version: Literal["orchestrator/v1"] = API_VERSION
    kind: Literal["RunReport"] = "RunReport"


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortReport:
    """A run that was ended for good: what it left."""

    __pydantic_config__ = DOCUMENT

    exit_code: int
    """3 when a cluster could not be asked for its locks, or the abort could not be kept."""
    run: RunEntry
    released: tuple[str, ...]
    """Locks of this run that were released: `MODEL in CLUSTER`."""
    unreachable: tuple[SilentCluster, ...]
    """Clusters that could not be asked; a lock there expires by itself within a minute."""
    left: tuple[LeftItem, ...]
    gaps: tuple[str, ...]
    next: tuple[str, ...]
    api_version: Literal["orchestrator/v1"] = API_VERSION
    kind: Literal["AbortReport"] = "AbortReport"
