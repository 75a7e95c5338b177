"""A model: what is switched, and how it is recognised."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from orchestrator.core.schema import DOCUMENT
from orchestrator.core.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchTarget:
    """Which objects of the model's manifests a patch changes."""

    __pydantic_config__ = DOCUMENT

    kind: str
    """Kind, with its group where two groups share it: `Deployment` or `apps/Deployment`."""
    name: str | None = None
    """Object name; every object of the kind when absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A change to rendered manifests."""

    __pydantic_config__ = DOCUMENT

    target: PatchTarget
    """What is patched."""
    type: Literal["strategic", "merge"] = "strategic"
    """Strategic merge patch (lists merged by key), or JSON merge patch (RFC 7386)."""
    patch: dict[str, Any]
    """The patch itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A variant of the same model, for instance one with restricted capabilities."""

    __pydantic_config__ = DOCUMENT

    patches: tuple[Patch, ...]
    """Patches that turn the model into this variant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What differs in some clusters; later entries win."""

    __pydantic_config__ = DOCUMENT

    scope: Scope
    """Where it differs."""
    replicas: int | dict[str, int] | None = None
    """Wanted replicas: one number for each workload, or a number by workload name."""
    profile: str | None = None
    """Name of the profile to run there."""
    patches: tuple[Patch, ...] = ()
    """Patches, applied after the profile's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """Workloads that somebody else deployed; their templates are never changed."""

    __pydantic_config__ = DOCUMENT

    selector: dict[str, str]
    """Labels of the Deployments and StatefulSets."""
    namespaces: tuple[str, ...] = ()
    """Where they are; every namespace when empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How the model is recognised in a pod; any one suffices."""

    __pydantic_config__ = DOCUMENT

    labels: dict[str, str] = field(default_factory=dict)
    """Pod labels; all of them."""
    weights: tuple[str, ...] = ()
    """URIs of weights, found in arguments, environment, volumes or annotations."""
    images: tuple[str, ...] = ()
    """Images that serve nothing but this model, without tag or digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedWorkload:
    """Pods that also serve other models: named, never silently killed."""

    __pydantic_config__ = DOCUMENT

    selector: dict[str, str]
    """Labels of the pods."""
    namespaces: tuple[str, ...] = ()
    """Where they are; every namespace when empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route by which clients reach the model."""

    __pydantic_config__ = DOCUMENT

    kind: str
    """`HTTPRoute`, `Ingress`, `Service` or another route kind."""
    namespace: str
    """Namespace of the route."""
    name: str
    """Name of the route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """An endpoint that lists the served models: every name of `serves` when enabled, none when disabled."""

    __pydantic_config__ = DOCUMENT

    url: str
    """Base URL; `{cluster}` and `{region}` are replaced."""
    from_: Literal["workstation"] = "workstation"
    """From where it is asked."""
    path: str = "/v1/models"
    """Path of the list."""
    scope: Scope | None = None
    """Clusters it concerns; every cluster when absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyCondition:
    """A status condition that must be true."""

    __pydantic_config__ = DOCUMENT

    condition: str
    """Type of the condition."""
    status: str = "True"
    """Status it must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRule:
    """When an object of a kind that the tool has no file for counts as healthy."""

    __pydantic_config__ = DOCUMENT

    kind: str
    """The kind with its group: `serving.example/Thing`."""
    ready: ReadyCondition | None = None
    """Ready when this condition holds at the observed generation."""
    inert: bool = False
    """True where the kind runs nothing: live equal to applied suffices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelProbe:
    """How to see that a channel refuses the model."""

    __pydantic_config__ = DOCUMENT

    http: dict[str, Any]
    """Parameters of the http check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A way to the model that this tool cannot switch."""

    __pydantic_config__ = DOCUMENT

    name: str
    """Name of the channel."""
    owner: str
    """Who switches it."""
    contact: str
    """How to reach the owner."""
    probe: ChannelProbe | None = None
    """How to see that it refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is switched: served names, manifests or adopted workloads, routes, and how to recognise it."""

    __pydantic_config__ = DOCUMENT

    name: str
    serves: tuple[str, ...] = ()
    """Names under which clients ask for it; its own name when empty."""
    manifests: tuple[str, ...] = ()
    """Files or folders of manifests, relative to this document."""
    adopt: Adoption | None = None
    """Workloads that somebody else deployed, instead of manifests."""
    replicas: int | dict[str, int] | None = None
    """Wanted replicas: one number for each workload, or by workload name; the manifest's own when absent."""
    profiles: dict[str, Profile] = field(default_factory=dict)
    """Variants of the model."""
    overrides: tuple[Override, ...] = ()
    """What differs in some clusters; later entries win."""
    match: Match = field(default_factory=Match)
    """How it is recognised in a pod, besides the label."""
    shared_in: tuple[SharedWorkload, ...] = ()
    """Pods that also serve other models."""
    routes: tuple[Route, ...] = ()
    """Routes by which clients reach it."""
    probes: tuple[Probe, ...] = ()
    """Endpoints that list the served models."""
    health: tuple[HealthRule, ...] = ()
    """Health of kinds that the tool has no file for."""
    channels: tuple[Channel, ...] = ()
    """Ways to the model that this tool cannot switch."""
    derived_from: tuple[str, ...] = ()
    """Models it is derived from; an order on one of them covers it."""

    @property
    def served_names(self) -> tuple[str, ...]:
        """Names under which clients ask for it."""
        return self.serves or (self.name,)
