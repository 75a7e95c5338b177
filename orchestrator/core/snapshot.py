"""One look at one cluster: what planning compares wishes with. Plain values, so that a plan can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.core.attestations import Attestation
from orchestrator.core.fleet import Cluster
from orchestrator.core.holds import Hold, Lift, standing_holds
from orchestrator.core.model import Adoption
from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.core.ports import Identity
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.verdict import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRequest:
    """What is to be read from one cluster."""

    refs: tuple[ObjectRef, ...] = ()
    """Objects by name; a ref without namespace gets `default` where its kind is namespaced."""
    adoptions: Mapping[str, Adoption] = field(default_factory=dict)
    """By model: workloads that somebody else deployed."""
    models: tuple[str, ...] = ()
    """Models whose catalogue entry names further objects to be read: what was applied before."""
    whole_catalogue: bool = False
    """Whether the autoscalers of everything that the catalogue names are wanted, though not the objects themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What the API server answered to a dry run of our apply."""

    after: JsonObject | None = None
    """The object as it would be, with the fields of `conflicts` taken; None where the server could not tell."""
    error: Reason | None = None
    """Why the API server would refuse it."""
    conflicts: tuple[tuple[str, str], ...] = ()
    """(field, manager) pairs that somebody else owns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSnapshot:
    """What one cluster answered, or why it did not."""

    cluster: Cluster
    identity: Identity | None = None
    failure: Reason | None = None
    """Why nothing of this cluster can be trusted; everything below is then empty."""
    entries: Mapping[str, CatalogueEntry] = field(default_factory=dict)
    """By model: what the cluster's catalogue says."""
    damaged: Mapping[str, Reason] = field(default_factory=dict)
    """By model: a catalogue entry that cannot be read."""
    holds: tuple[Hold, ...] = ()
    """Every hold that lies in this cluster, lifted ones included."""
    lifts: tuple[Lift, ...] = ()
    """Tombstones that lie in this cluster."""
    attestations: tuple[Attestation, ...] = ()
    """What people said, as far as it lies in this cluster."""
    lifted: frozenset[str] = frozenset()
    """Digests of orders that some reachable cluster, this or another, knows to be lifted."""
    live: Mapping[ObjectRef, JsonObject] = field(default_factory=dict)
    """Objects by their ref, namespace filled in; one that is missing, here and in `unread`, does not exist."""
    unread: Mapping[ObjectRef, Reason] = field(default_factory=dict)
    """Objects that could not be read, and why."""
    namespaces: frozenset[str] = frozenset()
    """Which of the namespaces concerned exist, and are not on their way out."""
    namespaced: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    """By (apiVersion, kind) of the objects asked for: whether they live in namespaces."""
    unserved: frozenset[tuple[str, str]] = frozenset()
    """(apiVersion, kind) that this cluster does not serve."""
    scalers: tuple[JsonObject, ...] = ()
    """HorizontalPodAutoscalers and ScaledObjects of the namespaces in which there are workloads."""
    adopted: Mapping[str, tuple[JsonObject, ...]] = field(default_factory=dict)
    """By model: the workloads that its `adopt` selector found."""
    previews: Mapping[ObjectRef, Preview] = field(default_factory=dict)

    def with_previews(self, previews: Mapping[ObjectRef, Preview]) -> ClusterSnapshot:
        """The same snapshot, with the API server's answers to dry runs."""
        return replace(self, previews={**self.previews, **previews})

    def held_by(self, model: str) -> tuple[str, ...]:
        """Names of the holds that keep a model off; a hold without a model keeps everything off."""
        return tuple(hold.name for hold in self.standing_on(model))

    def left_of_lifted(self, model: str) -> tuple[Hold, ...]:
        """Holds on a model that still lie here though their order is lifted: it was away, or was not restored."""
        ended = {*self.lifted, *(lift.digest for lift in self.lifts)}
        return tuple(hold for hold in self.holds if hold.model == model and hold.digest and hold.digest in ended)

    def standing_on(self, model: str) -> tuple[Hold, ...]:
        """The holds on a model that nothing has lifted."""
        ended = {*self.lifted, *(lift.digest for lift in self.lifts)}
        return standing_holds(self.holds, ended, model)
