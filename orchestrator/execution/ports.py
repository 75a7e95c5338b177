"""What a run needs, may do and brings back; all that the workflow and this room have to agree on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from orchestrator.core.dispatch import Question
from orchestrator.core.events import Event, Journal
from orchestrator.core.plan import Plan
from orchestrator.core.ports import Clock, ClusterWriter, GuardProver, Prober, Verifier
from orchestrator.core.result import ErrorDetail, ResultItem
from orchestrator.execution.begun import Begun

if TYPE_CHECKING:
    from orchestrator.core.check import Check


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPorts:
    """Everything outside this room that a run touches."""

    writers: Mapping[str, ClusterWriter]
    """By cluster name: every cluster of the plan."""
    verifier: Verifier
    prober: Prober
    checks: Mapping[str, Check]
    """By the name that a step uses."""
    journal: Journal
    clock: Clock
    tell: Callable[[Event], None] = lambda event: None
    """Hears every event, also those that are not journaled (progress)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Clusters that join a takedown which began without them."""

    plan: Plan
    """Their takedown; those that gave no answer are out of reach in it."""
    unsearched: str | None = None
    """What they know of, and the others were not searched for; None where there is nothing of that kind."""


class Joining(Protocol):
    """Clusters that had not answered when a takedown was planned."""

    @property
    def clusters(self) -> tuple[str, ...]:
        """Their names; not each of them need be concerned."""
        ...

    async def join(self) -> Joined:
        """Return once they have answered or given up. Raises OrchestratorError where what is known then forbids it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DarkPorts(RunPorts):
    """What a takedown or a restore touches besides."""

    guard_prover: GuardProver
    late: Joining | None = None
    """Those that the plan of a takedown was made without; None where it was made of everybody's answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How one run behaves."""

    run: str
    """Identity of the run."""
    holder: str
    """Who holds the locks, for the next one to read: `user@host pid 123 run R`; unique to this run."""
    cluster_deadline: float = 600.0
    """Seconds within which everything has to be sent to one cluster; becoming healthy is bounded by the step."""
    wait_lock: float | None = None
    """Seconds during which locks held by others are tried again; None refuses at once."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the first SIGINT or SIGTERM: the run ends at the next safe point."""
    begun: Begun | None = None
    """What the runs that this one continues had begun; None when it continues none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """How a run ended."""

    items: tuple[ResultItem, ...]
    """Every (model, cluster) of the plan exactly once, in the plan's order."""
    interrupted: bool = False
    """Whether `RunOptions.stop` ended it early (exit 130)."""
    error: ErrorDetail | None = None
    """What concerns the run as a whole: `evidence-incomplete` when the journal could not be written."""
    plan: Plan | None = None
    """What a takedown carried out, with the clusters that joined it on the way; None for every other run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPorts:
    """One cluster's share of `RunPorts`: all that its pipeline touches."""

    writer: ClusterWriter
    verifier: Verifier
    prober: Prober
    checks: Mapping[str, Check]
    clock: Clock
    emit: Callable[[Event], None]
    """Journals an event, then tells it; progress is only told."""
    make_durable: Callable[[], Awaitable[None]]
    """Returns when everything that was journaled is on the disk: to be awaited before anything is sent."""
    ensure_lock: Callable[[str], Awaitable[Question]]
    """Returns only while the lock on this model is fresh: with the question whether it still is. Raises `LockLost` or
    another `ClusterError`."""
    needs_lock: bool = True
    """Whether nothing is sent while the lock is not fresh; a takedown goes on without one."""
    stop: asyncio.Event
