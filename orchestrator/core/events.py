"""What happens during a run, as it happens: for the journal, the terminal and the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class EventType(StrEnum):
    """What happened."""

    RUN_STARTED = "runStarted"
    JOINED = "joined"
    """Clusters that had not answered when a takedown began: they did so, and take part, or are out of reach."""
    LOCKED = "locked"
    WAVE_STARTED = "waveStarted"
    ITEM_STARTED = "itemStarted"
    SENDING = "sending"
    """About to be sent: written to the journal before the request."""
    ANSWERED = "answered"
    PROGRESS = "progress"
    LAST_POD_GONE = "lastPodGone"
    SOAKING = "soaking"
    CHECKED = "checked"
    OBSERVED = "observed"
    """An object as it stood before or after a takedown's or a restore's writes, without its secrets."""
    FOUND = "found"
    """What a search of the whole cluster found of a model."""
    GUARD_TRIED = "guardTried"
    """What a guard refused and admitted, by dry run."""
    REVERTED = "reverted"
    """Somebody undid a write of ours, by field manager."""
    ITEM_ENDED = "itemEnded"
    WAVE_ENDED = "waveEnded"
    ROLLING_BACK = "rollingBack"
    RUN_ENDED = "runEnded"
    ABOUT_KEPT = "aboutKept"
    """What the run is about was kept beside the journal: its digest, before anything else."""
    RESULT_KEPT = "resultKept"
    """What the run came to was kept beside the journal: its digest, after everything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened; `data` is JSON and never holds a secret."""

    type: EventType
    at: datetime
    cluster: str | None = None
    model: str | None = None
    step: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


class Journal(Protocol):
    """Where a run writes what it is about to do, before it does it, and what came of it."""

    def record(self, event: Event) -> None:
        """Append, in order; the end of this process takes nothing of it away."""
        ...

    async def make_durable(self) -> None:
        """Return when nothing that was recorded before can be lost with the machine either."""
        ...
