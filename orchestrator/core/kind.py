"""What a file in `kinds/` supplies: pure rules about one Kubernetes kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core.objects import GroupKind, JsonObject, ObjectRef, Resource
from orchestrator.core.routes import RouteRules
from orchestrator.core.schema import DOCUMENT
from orchestrator.core.takedown import FieldCut
from orchestrator.core.verdict import Assessment, Reason


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a rule compares a live object with."""

    __pydantic_config__ = DOCUMENT

    generation: int | None = None
    """metadata.generation that our own write returned; older status is stale. None when nothing was written."""
    replicas: int | None = None
    """Replicas wanted; None when somebody else owns the number."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a rule rests on, for whoever asks why: the rule in words, and the fields that it reads."""

    rule: str
    fields: tuple[str, ...] = ()
    """`status.readyReplicas`; a condition as `status.conditions[Ready]`."""


@dataclass(frozen=True, slots=True)
class WorkloadRules:
    """How a kind that runs pods is read."""

    replicas: Callable[[JsonObject], int]
    """spec.replicas with the API's default."""
    selector: Callable[[JsonObject], JsonObject | None]
    """LabelSelector of its pods."""
    template: Callable[[JsonObject], JsonObject]
    """Its pod template."""
    assess_stopped: Callable[[JsonObject, Wanted], Assessment]
    """Whether the controller says that it is stopped; pods are looked at elsewhere."""
    stopped: Basis
    """What `assess_stopped` rests on."""
    is_scalable: bool = True
    """Whether `/scale` switches it off and on. Where not (DaemonSet, Job, CronJob) it can only be watched."""


@dataclass(frozen=True, slots=True)
class ScalerRules:
    """How a kind that changes replicas is read."""

    targets: Callable[[JsonObject], tuple[ObjectRef, ...]]
    """Workloads whose replicas it writes; the apiVersion is as written in the scaler, so compare group and kind."""
    can_wake: Callable[[JsonObject], Reason | None]
    """Why it could bring a workload back from zero; None when it cannot."""


@dataclass(frozen=True, slots=True)
class Reverter:
    """Who puts a workload back to what it was, read from the marks that tool leaves on its objects."""

    tool: str
    """`Helm`, `Argo CD`, `Flux` …"""
    owner: str
    """What it calls the owner: the release, the application, the kustomization."""
    continuous: bool
    """Whether it acts on its own; Helm acts only at the next upgrade."""
    ref: ObjectRef | None = None
    """The owner as an object, where the marks name one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """How one object is kept from starting anything, restorably, where no number of replicas does that."""

    fields: tuple[FieldCut, ...] = ()
    """Written by patch; empty where it is paused already."""
    deletes: bool = False
    """Whether only its deletion keeps it from acting; it is kept whole in a restore record."""
    refusal: Reason | None = None
    """Why nothing that can be written to it would hold."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The rules of one kind; `PLUGIN` of a file in `kinds/`."""

    resource: Resource
    assess: Callable[[JsonObject, Wanted], Assessment] | None = None
    """Whether a live object is healthy; None for a kind without status, where live equal to applied suffices."""
    basis: Basis | None = None
    """What `assess` rests on."""
    workload: WorkloadRules | None = None
    scaler: ScalerRules | None = None
    route: RouteRules | None = None
    """For a kind that leads clients to a model: how it is read and cut."""
    reverter: Callable[[JsonObject], Reverter | None] | None = None
    """Whether the marks on any object say that this tool manages it."""
    is_paused: Callable[[JsonObject], bool] | None = None
    """For a reverter's own kind: whether this owner is suspended, so that it reverts nothing."""
    pause: Callable[[JsonObject], Pause] | None = None
    """For a kind that starts pods or replicas by itself: how a live object of it is kept from doing so."""

    @property
    def deploys(self) -> bool:
        """Whether its objects make others run, whose number and place only their own tool knows."""
        return self.is_paused is not None

    @property
    def group_kind(self) -> GroupKind:
        """The kind in its group; the key under which it is found."""
        return self.resource.group_kind
