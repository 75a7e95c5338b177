"""By which marks a model is recognised: the workspace's, every reachable catalogue's, and the order's own, together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
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

    @property
    def first(self) -> Mapping[str, Model]:
        """By name: the definition that comes first."""
        return {name: found[0] for name, found in self.models.items() if found}

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
            match=Match(
                labels=labels[0] if labels else {},
                weights=_union(match.weights for match in matches),
                images=_union(match.images for match in matches),
            ),
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
    )


def _union(parts: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    found: list[T] = []
    for part in parts:
        found += [one for one in part if one not in found]
    return tuple(found)
