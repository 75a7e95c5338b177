"""What may be said about a model in a cluster, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.schema import DOCUMENT


class Want(StrEnum):
    """What is wanted of one model in one cluster."""

    ENABLED = "enabled"
    DISABLED = "disabled"


class State(StrEnum):
    """What was seen."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    MIXED = "mixed"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """The last word on one model in one cluster. Only `verified` says that something was proven."""

    VERIFIED = "verified"
    HELD = "held"
    FAILED = "failed"
    RESIDUE = "residue"
    UNREACHABLE = "unreachable"
    UNVERIFIED = "unverified"
    NOT_RUN = "not_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a verdict is what it is: a stable code, the object it rests on, and a sentence."""

    __pydantic_config__ = DOCUMENT

    code: str
    """Stable, machine-readable: `crash-loop`, `wrong-cluster`, `can-wake` …"""
    message: str
    """One sentence for people."""
    object: str | None = None
    """The object it rests on: `apps/Deployment default/fable`."""
    field: str | None = None
    """The field it rests on: `status.availableReplicas`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a verdict rests on where there is nothing to object: what was looked at, and what stood there."""

    object: str
    field: str | None
    seen: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One thing that a verdict rests on, for whoever asks why."""

    __pydantic_config__ = DOCUMENT

    rule: str
    """What has to hold, in words."""
    code: str | None = None
    """The reason's code; null for what was looked at and found right."""
    object: str | None = None
    """The object it rests on."""
    field: str | None = None
    """The field it rests on."""
    seen: str
    """What was found there."""


class Readiness(StrEnum):
    """How far one object, or one item, is on its way to what is wanted. Only `DONE` opens a gate."""

    DONE = "done"
    PROGRESSING = "progressing"
    FAILED = "failed"
    """It cannot succeed any more without a change: doomed pods, a progress deadline exceeded."""
    UNKNOWN = "unknown"
    """Not understood, or not readable: never counts as done."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a pure rule says of live objects at one moment."""

    readiness: Readiness
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaCount:
    """Replicas of a model in a cluster, added up over its workloads."""

    __pydantic_config__ = DOCUMENT

    desired: int = 0
    """Sum of spec.replicas."""
    ready: int = 0
    """Sum of status.readyReplicas, read only at the observed generation."""
    pods: int = 0
    """Pods of the model in any phase, Terminating ones included."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules say of one model in one cluster at one moment."""

    readiness: Readiness
    state: State
    reasons: tuple[Reason, ...] = ()
    replicas: ReplicaCount = ReplicaCount()
    revision: str | None = None
    """Revision that the live objects carry, when they all carry the same."""
    grounds: tuple[Ground, ...] = ()
    """Everything that was looked at; only where somebody asked for it."""
