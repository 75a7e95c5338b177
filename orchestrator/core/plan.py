"""The plan: plain data, computed without I/O, and exactly what is carried out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Literal

from orchestrator.core.fleet import Cluster
from orchestrator.core.holds import Lift
from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.core.observation import Subject
from orchestrator.core.playbook import OnFailure, Strategy
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.schema import API_VERSION, DOCUMENT
from orchestrator.core.takedown import Darkening, Restoration
from orchestrator.core.verdict import Reason, Want

AWAITED: Final = Reason(code="no-answer-yet", message="no answer yet")
"""Why a cluster is out of reach that a takedown began without: it may still join."""


class Verb(StrEnum):
    """What is sent for one object."""

    CREATE = "create"
    """Server-side apply of an object that does not exist."""
    APPLY = "apply"
    """Server-side apply of an object that exists, without replicas."""
    SCALE = "scale"
    """A write of `/scale`."""
    LABEL = "label"
    """Our label on an adopted object or its running pods; its template is never touched."""
    DELETE = "delete"
    """Deletion by uid: pruning what is no longer in the manifests, when asked for."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs: a path such as `spec.template.spec.containers[name=server].image`."""

    __pydantic_config__ = DOCUMENT

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write to one object."""

    __pydantic_config__ = DOCUMENT

    verb: Verb
    ref: ObjectRef
    manifest: JsonObject | None = None
    """What is applied (CREATE, APPLY: without spec.replicas where /scale owns the number)."""
    replicas: int | None = None
    """For SCALE."""
    fields: tuple[FieldChange, ...] = ()
    """What differs, for people; secret values are masked."""
    forces: tuple[tuple[str, str], ...] = ()
    """(field, manager) pairs that are taken from somebody else; only ever non-empty with `--force-conflicts`."""
    uid: str | None = None
    """Precondition: the object that was looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPlan:
    """One model in one cluster: what is wanted, and the writes that lead there."""

    __pydantic_config__ = DOCUMENT

    step: str
    subject: Subject
    changes: tuple[Change, ...] = ()
    entry: CatalogueEntry
    """The catalogue entry to be written before the first change."""
    entry_changes: bool = False
    """Whether the cluster's catalogue entry differs from it."""
    manifests: tuple[JsonObject, ...] = ()
    """What is kept in the cluster under the revision, for a later rollback; empty for adopted workloads."""
    previous: CatalogueEntry | None = None
    """What the cluster's catalogue said before: what a rollback returns to."""
    absent_before: tuple[ObjectRef, ...] = ()
    """Objects that did not exist: a rollback deletes them."""
    held_by: tuple[str, ...] = ()
    """Names of the holds that keep the model off here; with any, nothing is changed."""
    lifted: tuple[str, ...] = ()
    """Digests of orders whose holds still lie here, and which another cluster knows to be lifted."""
    notes: tuple[Reason, ...] = ()
    """What the reader should know: who may undo this, what is not pruned, undeclared geography."""
    refusals: tuple[Reason, ...] = ()
    """Why this item must not be carried out: fields owned by others, another playbook, an invalid object."""
    doubts: tuple[Reason, ...] = ()
    """What could not be read or understood, and had to be: with any, the plan is incomplete and proves nothing."""
    darkening: Darkening | None = None
    """What a takedown does besides; None in every other plan."""
    restoration: Restoration | None = None
    """What a restore does besides; None in every other plan."""
    soak_due: bool = False
    """Whether the cluster lacks the record that this step's soak and checks passed for this revision."""

    @property
    def want(self) -> Want:
        """What is wanted."""
        return self.subject.want

    @property
    def is_change(self) -> bool:
        """Whether anything would be written."""
        return not self.held_by and (bool(self.changes) or self.entry_changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPlan:
    """A cluster's part of one wave: serialisable, and all that a pipeline in that cluster needs."""

    __pydantic_config__ = DOCUMENT

    cluster: Cluster
    items: tuple[ItemPlan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WavePlan:
    """One step of the run: clusters worked on together."""

    __pydantic_config__ = DOCUMENT

    step: str
    want: Want
    words: tuple[str, ...]
    """How the scope was resolved."""
    clusters: tuple[ClusterPlan, ...]
    unreachable: tuple[tuple[Cluster, Reason], ...] = ()
    """Clusters of the scope that gave no answer that can be trusted."""
    models: tuple[str, ...] = ()
    """Models whose state the step sets: each is an item in every cluster, an unreachable one included."""
    strategy: Strategy = field(default_factory=Strategy)
    checks: tuple[dict[str, Any], ...] = ()
    soak: float = 0.0
    jitter: float = 0.0
    """Seconds over which its clusters begin, spread at random."""

    @property
    def awaited(self) -> tuple[Cluster, ...]:
        """Clusters that may still answer, and join."""
        return tuple(cluster for cluster, reason in self.unreachable if reason == AWAITED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The pure result of documents and snapshot."""

    __pydantic_config__ = DOCUMENT

    action: str
    """`apply`, `enable`, `disable`, `takedown` or `restore`."""
    name: str
    """Name of the playbook or order, or `-` for a single command."""
    order_digest: str | None = None
    """Digest of the order behind a takedown or restore."""
    fleet: str
    models: tuple[str, ...]
    waves: tuple[WavePlan, ...]
    on_failure: OnFailure = OnFailure.STOP
    rehearsal: bool = False
    """Whether every reachable cluster is a sandbox."""
    refusals: tuple[Reason, ...] = ()
    """Safety rules and other reasons to refuse the whole plan."""
    overridden: tuple[Reason, ...] = ()
    """Safety rules that were overridden by name, with the reason given."""
    not_covered: tuple[str, ...] = ()
    """Contexts of the kubeconfig that no cluster of the fleet uses."""
    lift: Lift | None = None
    """Of a restore: the tombstone that every cluster of the plan gets before anything is enabled anywhere."""

    @property
    def has_changes(self) -> bool:
        """Whether carrying it out would write anything."""
        return any(item.is_change for wave in self.waves for part in wave.clusters for item in part.items)

    @property
    def is_due(self) -> bool:
        """Whether there is anything to write or any soak still owed."""
        owed = any(
            item.soak_due and not item.held_by for wave in self.waves for part in wave.clusters for item in part.items
        )
        return self.has_changes or owed

    @property
    def awaited(self) -> tuple[str, ...]:
        """Names of the clusters that may still answer, and join."""
        return tuple(dict.fromkeys(cluster.name for wave in self.waves for cluster in wave.awaited))

    def joined_by(self, late: Plan) -> Plan:
        """The plan of everybody, once those that were awaited have answered or given up: `late` is theirs."""
        parts = {wave.step: wave for wave in late.waves}
        models = tuple(dict.fromkeys((*self.models, *late.models)))
        waves = tuple(_joined(wave, parts[wave.step]) if wave.step in parts else wave for wave in self.waves)
        return replace(self, waves=waves, models=models, rehearsal=self.rehearsal or late.rehearsal)


def _joined(wave: WavePlan, late: WavePlan) -> WavePlan:
    away = tuple(one for one in wave.unreachable if one[1] != AWAITED)
    return replace(
        wave,
        clusters=(*wave.clusters, *late.clusters),
        unreachable=(*away, *late.unreachable),
        models=tuple(dict.fromkeys((*wave.models, *late.models))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDocument:
    """A plan as it is printed and saved."""

    __pydantic_config__ = DOCUMENT

    digest: str
    """SHA-256 of the plan's canonical JSON."""
    plan: Plan
    api_version: Literal["orchestrator/v1"] = API_VERSION
    kind: Literal["Plan"] = "Plan"
