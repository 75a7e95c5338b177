"""A workspace, its fleet, and the connections to every cluster of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from orchestrator import plugins
from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.model import Model
from orchestrator.core.objects import Resource, dig
from orchestrator.core.playbook import Playbook
from orchestrator.core.ports import Clock, ClusterWriter
from orchestrator.core.scope import Scope
from orchestrator.delivery import FleetConnection, SystemClock, Timeouts, connect
from orchestrator.delivery.onelook import OneLook
from orchestrator.documents.vocabulary import Vocabulary
from orchestrator.documents.workspace import Workspace
from orchestrator.errors import ClusterError, Forbidden
from orchestrator.geo.jurisdictions import load_jurisdictions
from orchestrator.geo.nodes import contradiction
from orchestrator.planning.safety import RULES

NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Session:
    """What every action starts from."""

    workspace: Workspace
    fleet: Fleet
    connection: FleetConnection
    clock: Clock
    looks: dict[str, ClusterWriter] | None = None
    """By cluster: the look at it in which nothing is asked twice; None where every question is a new one."""

    def writer(self, cluster: str) -> ClusterWriter:
        """The way to one cluster."""
        if self.looks is None:
            return self.connection.writer(cluster)
        if cluster not in self.looks:
            self.looks[cluster] = OneLook.through(self.connection.writer(cluster))
        return self.looks[cluster]

    def looking_once(self) -> Session:
        """The same session for one look at every cluster: to make a plan, and for nothing that happens after it."""
        return replace(self, looks={})

    def forget(self, clusters: Iterable[str]) -> None:
        """Ask these clusters anew, whatever they were asked in this look."""
        for cluster in clusters:
            (self.looks or {}).pop(cluster, None)

    def writers(self, clusters: Iterable[str]) -> Mapping[str, ClusterWriter]:
        """The ways to some clusters, by name."""
        return {cluster: self.writer(cluster) for cluster in clusters}


def load_workspace(root: Path) -> Workspace:
    """The workspace in a folder, with every word that its documents may use."""
    checks = {name: check.params for name, check in plugins.checks().items()}
    vocabulary = Vocabulary(jurisdictions=load_jurisdictions(), checks=checks, safety_rules=tuple(RULES))
    return Workspace.load(root, vocabulary)


@asynccontextmanager
async def open_session(
    workspace: Workspace,
    kubeconfig: Path | None = None,
    timeouts: Timeouts | None = None,
    *,
    fleet: Fleet | None = None,
) -> AsyncIterator[Session]:
    """Connect to the fleet of a workspace, or to another. A context that leads nowhere is that cluster's error."""
    fleet = fleet or workspace.fleet
    async with connect(
        fleet, kubeconfig=kubeconfig or kubeconfig_of(workspace, fleet), timeouts=timeouts
    ) as connection:
        yield Session(workspace, fleet, connection, SystemClock())


def kubeconfig_of(workspace: Workspace, fleet: Fleet) -> Path | None:
    """The kubeconfig that a fleet names, relative to its workspace; None for kubectl's own rules."""
    return workspace.root / fleet.kubeconfig if fleet.kubeconfig else None


async def ask_all(keys: Iterable[str], question: Callable[[str], Awaitable[Answer]]) -> dict[str, Answer]:
    """Ask something of many clusters at once; the question answers its own failures."""
    names = list(keys)
    answers = await asyncio.gather(*(question(name) for name in names))
    return dict(zip(names, answers, strict=True))


async def contradictions(
    session: Session, scopes: Iterable[Scope], clusters: Iterable[str] | None = None
) -> Mapping[str, str]:
    """By cluster, why its nodes contradict the declared country; asked only where a scope rests on geography.

    The whole fleet is asked unless `clusters` names some of it.
    """
    if not any(_rests_on_geography(scope) for scope in scopes):
        return {}
    found = await ask_all(
        [cluster.name for cluster in session.fleet.clusters] if clusters is None else clusters,
        lambda name: _contradiction(session, session.fleet.cluster(name)),
    )
    return {name: sentence for name, sentence in found.items() if sentence}


def scopes_of(playbook: Playbook) -> tuple[Scope, ...]:
    """Every scope of a playbook."""
    return tuple(target.scope for step in playbook.steps if (target := step.enable or step.disable))


def scopes_of_models(models: Iterable[Model]) -> tuple[Scope, ...]:
    """Every scope within models: what differs somewhere, and which endpoints tell of where."""
    documents = tuple(models)
    overridden = tuple(override.scope for model in documents for override in model.overrides)
    probed = tuple(probe.scope for model in documents for probe in model.probes if probe.scope is not None)
    return overridden + probed


def _rests_on_geography(scope: Scope | None) -> bool:
    return scope is not None and bool(scope.in_ or scope.serves or _rests_on_geography(scope.except_))


async def _contradiction(session: Session, cluster: Cluster) -> str | None:
    """A cluster that does not answer contradicts nothing: it is named unreachable by the plan.

    Where its nodes may not be read nobody could notice a contradiction, so it counts as one.
    """
    try:
        nodes = await session.writer(cluster.name).list(NODES)
    except Forbidden as error:
        return f"declared in {cluster.country}, which its nodes cannot contradict: {error.message}"
    except ClusterError:
        return None
    return contradiction(cluster, [dig(node, "metadata", "labels", default={}) for node in nodes.items])
