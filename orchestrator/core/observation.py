"""What verification looks at, and what it saw: plain values, so that every verdict can be judged again from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from orchestrator.core.kind import Wanted
from orchestrator.core.model import Match, Model
from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.core.schema import DOCUMENT
from orchestrator.core.verdict import Judgement, Reason, Want


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one object should be."""

    __pydantic_config__ = DOCUMENT

    ref: ObjectRef
    manifest: JsonObject | None = None
    """What we apply, without replicas; None for an adopted workload, whose template is somebody else's."""
    wanted: Wanted = Wanted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One model in one cluster, and what is wanted of it."""

    __pydantic_config__ = DOCUMENT

    model: Model
    cluster: str
    region: str
    want: Want
    expectations: tuple[Expectation, ...]
    """Every object of the model: manifests' objects, or adopted workloads."""
    namespaces: tuple[str, ...]
    """Namespaces of the expectations, sorted: where pods, endpoints and scalers are watched."""
    revision: str | None = None
    is_everywhere: bool = False
    """Whether pods of the model are looked for in every namespace: what a proof of absence under a hold demands."""
    guard: Literal["proven", "absent", "none"] = "none"
    """Whether the API server itself refuses the model here: then nothing can wake it, whoever tries."""
    include_shared: bool = False
    """Whether pods that serve other models as well are to be gone, too."""
    others: Mapping[str, Match] = field(default_factory=dict)
    """Marks of other models known here, by name: a pod that carries one of them as well is shared."""
    capacity: Literal["fixed", "elastic"] = "fixed"
    """The cluster's: only where nodes are not added by themselves can a request be known to fit none, ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTrace:
    """A pod of the model that a search found."""

    pod: JsonObject
    presence: Literal["present", "gone", "uncertain", "unclear"]
    """Whether it still runs something; `uncertain` where its node does not answer, `unclear` where nobody says."""
    is_mirror: bool = False
    """Whether a node's own file starts it: then the API server can neither stop nor refuse it."""
    shared_with: str | None = None
    """What else it serves, in words; it is left alone then. None where that does not matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What a search of a whole cluster found of one model."""

    pods: tuple[PodTrace, ...] = ()
    workloads: tuple[JsonObject, ...] = ()
    """Workloads in any namespace whose label or template is the model's, those of another model left out."""
    unseen: tuple[Reason, ...] = ()
    """What could not be searched, and why."""


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """What an endpoint that lists models said."""

    url: str
    names: tuple[str, ...] | None
    """Names it lists; None when it gave no list that can be read."""
    refused: bool
    """Whether it answered that it does not serve: a terminal 4xx. Silence or 5xx is no refusal."""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything the rules look at, at one moment."""

    at: datetime
    objects: Mapping[ObjectRef, JsonObject] = field(default_factory=dict)
    """Live objects by expectation; one that is missing here does not exist."""
    pods: tuple[JsonObject, ...] = ()
    replica_sets: tuple[JsonObject, ...] = ()
    endpoint_slices: tuple[JsonObject, ...] = ()
    nodes: tuple[JsonObject, ...] = ()
    scalers: tuple[JsonObject, ...] = ()
    reverters: Mapping[ObjectRef, JsonObject] = field(default_factory=dict)
    """Owners named by the marks of GitOps tools, as far as they are in this cluster."""
    probes: tuple[ProbeOutcome, ...] = ()
    unseen: tuple[Reason, ...] = ()
    """What could not be read, `field` naming the part above; while it matters to the question, nothing is verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How a wait ended."""

    judgement: Judgement
    late: bool = False
    """The deadline passed before it settled."""
    stopped_at: datetime | None = None
    """When the controllers first reported zero replicas."""
    traffic_cut_at: datetime | None = None
    """When probes were first refused for good; None without probes."""
    last_pod_gone_at: datetime | None = None
    verified_at: datetime | None = None
    probes: tuple[ProbeOutcome, ...] = ()
    """What the probes said last."""


class Departure(Protocol):
    """What a watch saw of a model's end so far: moments of events, on which no verdict rests."""

    @property
    def stopped_at(self) -> datetime | None:
        """When every controller said that it runs nothing; None while one does, or nobody can see."""
        ...

    @property
    def last_pod_gone_at(self) -> datetime | None:
        """When its last pod went; None while one is there, where none was seen, or nobody can see."""
        ...

    @property
    def nodes(self) -> frozenset[str]:
        """Names of the nodes on which pods of it were seen."""
        ...

    def extend(self, subject: Subject) -> None:
        """Watch this subject from now on: more turned out to be the model's."""
        ...
