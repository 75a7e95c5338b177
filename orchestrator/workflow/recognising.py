"""By which marks a model is recognised: the workspace's, every reachable catalogue's, and the order's own, together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from orchestrator.core.model import Match, Model
from orchestrator.core.order import Order
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.documents.definitions import read_definition
from orchestrator.documents.workspace import Workspace
from orchestrator.errors import OrchestratorError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What anybody knows of one model."""

    model: Model
    is_known: bool
    """Whether a workspace, a catalogue or the order itself says how it is recognised."""
    doubts: tuple[Reason, ...] = ()
    """Why these marks may miss something of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What a workspace and the catalogues of the reachable clusters say of models."""

    models: Mapping[str, tuple[Model, ...]]
    """By name: the workspace's first, then those of the clusters."""
    doubts: Mapping[str, tuple[Reason, ...]]
    """By name: definitions that could not be read."""
    descent: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By name: what it is derived from by any cluster's entry, also by one that is not understood otherwise."""

    @property
    def lineage(self) -> Mapping[str, Model]:
        """By name: the definition that comes first, derived from whatever any definition says.

        What one file or entry no longer says is no reason to leave a derivative alone.
        """
        return {
            name: replace(
                found[0] if found else Model(name=name),
                derived_from=_union((*(one.derived_from for one in found), self.descent.get(name, ()))),
            )
            for name, found in ((name, self.models.get(name, ())) for name in {**self.models, **self.descent})
        }

    def marks_of(self, name: str) -> tuple[Match, ...]:
        """The marks of all definitions of a model: the first with all weights and images, then labels that differ."""
        matches = [model.match for model in self.models.get(name, ())]
        labels = [match.labels for match in matches if match.labels]
        others = [one for number, one in enumerate(labels) if one not in labels[:number]][1:]
        return (_together(matches), *(Match(labels=one) for one in others))

    def recognise(self, name: str, order: Order) -> Recognised:
        """The model by all of its marks together; one pod too many is found rather than one too few.

        Labels of one definition belong together. Where two definitions name other labels there is no telling which
        pods carry which, so the first one's are taken and the item is in doubt.
        """
        own = order.match.get(name)
        definitions = self.models.get(name, ())
        matches = [model.match for model in definitions] + ([own] if own else [])
        base = definitions[0] if definitions else Model(name=name)
        labels = [match.labels for match in matches if match.labels]
        model = replace(
            base,
            match=_together(matches),
            shared_in=_union(one.shared_in for one in definitions),
            routes=_union(one.routes for one in definitions),
            channels=_union(one.channels for one in definitions),
        )
        doubts = self.doubts.get(name, ())
        if any(other != labels[0] for other in labels):
            words = f"workspace, catalogues and order name different labels for the pods of {name}"
            doubts = (*doubts, Reason(code="marks-differ", message=words))
        return Recognised(model=model, is_known=bool(definitions or own), doubts=doubts)


def gather_knowledge(workspace: Workspace, snapshots: Iterable[ClusterSnapshot]) -> Knowledge:
    """Every definition of every model. What is damaged in a cluster is a doubt about that model, never an error."""
    models: dict[str, list[Model]] = {name: [workspace.model(name)] for name in workspace.model_names}
    doubts: dict[str, list[Reason]] = {}
    snapshots = tuple(snapshots)
    for snapshot in snapshots:
        for name, entry in snapshot.entries.items():
            try:
                found = read_definition(name, entry.definition)
            except OrchestratorError as error:
                words = f"{snapshot.cluster.name}: {printable(error.message)}"
                doubts.setdefault(name, []).append(Reason(code=error.code, message=words))
            else:
                models.setdefault(name, []).append(found)
        for name, reason in snapshot.damaged.items():
            doubts.setdefault(name, []).append(reason)
    return Knowledge(
        models={name: tuple(found) for name, found in models.items()},
        doubts={name: tuple(found) for name, found in doubts.items()},
        descent=descent_in(snapshots),
    )


def descent_in(snapshots: Iterable[ClusterSnapshot]) -> dict[str, tuple[str, ...]]:
    """By model, what it is derived from by the word of any cluster's catalogue.

    The rest of a definition need not be understood for that: another version may have written it.
    """
    found: dict[str, tuple[str, ...]] = {}
    for snapshot in snapshots:
        for name, entry in snapshot.entries.items():
            said = entry.definition.get("derivedFrom")
            parents = tuple(one for one in said if isinstance(one, str)) if isinstance(said, list) else ()
            found[name] = _union((found.get(name, ()), parents))
    return found


def _together(matches: Iterable[Match]) -> Match:
    matches = tuple(matches)
    return Match(
        labels=next((match.labels for match in matches if match.labels), {}),
        weights=_union(match.weights for match in matches),
        images=_union(match.images for match in matches),
    )


def _union(parts: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    found: list[T] = []
    for part in parts:
        found += [one for one in part if one not in found]
    return tuple(found)
