"""Documents and scopes → the request that planning answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.core.fleet import Fleet
from orchestrator.core.model import Model, Override, Probe
from orchestrator.core.objects import JsonObject
from orchestrator.core.playbook import DEFAULT_DISABLE_SOAK, OnFailure, Playbook, Step, Strategy
from orchestrator.core.schema import Seconds
from orchestrator.core.scope import ResolvedScope, Scope
from orchestrator.core.verdict import Want
from orchestrator.core.wish import PlanOptions, PlanRequest, Wish, WishedWave
from orchestrator.documents.envelope import Document
from orchestrator.documents.placement import place_steps, purpose_of
from orchestrator.documents.workspace import Workspace
from orchestrator.errors import UsageError
from orchestrator.geo.scopes import Purpose, resolve, select


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What `enable` or `disable` asks for, and how it proceeds: what a playbook says in its steps."""

    models: tuple[str, ...]
    scope: Scope
    want: Want
    strategy: Strategy = field(default_factory=Strategy)
    soak: Seconds | None = None
    """Time that everything must hold; the action's default when None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What every request is made from."""

    workspace: Workspace
    fleet: Fleet
    contradicted: Mapping[str, str] = field(default_factory=dict)
    """By cluster: why its nodes contradict the declared geography."""
    options: PlanOptions = field(default_factory=PlanOptions)

    def resolve(self, scope: Scope, fleet: Fleet, *, purpose: Purpose) -> ResolvedScope:
        """The clusters of a scope; what is undeclared or contradicted falls on the safe side."""
        return resolve(scope, fleet, purpose=purpose, contradicted=self.contradicted)


def check_playbook(asking: Asking, document: Document[Playbook]) -> None:
    """Raise whatever is wrong with a playbook, its models and its scopes, before any cluster is asked anything."""
    for model in asking.workspace.models_of(document):
        _manifests(asking, model)
    place_steps(document, asking.fleet, _resolve_unasked)


def check_command(asking: Asking, command: Command) -> None:
    """Raise whatever is wrong with a single command, its models and its scope, before any cluster is asked anything."""
    for name in command.models:
        _manifests(asking, asking.workspace.model(name))
    _resolve_unasked(command.scope, asking.fleet, purpose="enable" if command.want is Want.ENABLED else "disable")


def _resolve_unasked(scope: Scope, fleet: Fleet, *, purpose: Purpose) -> ResolvedScope:
    """A scope as the fleet file alone has it.

    What nodes contradict narrows an enable and widens a disable: an enable that is empty now stays so, a disable only
    if not even a contradiction could bring a cluster into it.
    """
    try:
        return resolve(scope, fleet, purpose=purpose)
    except UsageError:
        if purpose == "enable":
            raise
    resolve(scope, fleet, purpose=purpose, contradicted={cluster.name: "not asked yet" for cluster in fleet.clusters})
    return ResolvedScope(clusters=(), words=(), undeclared=())


def request_for_playbook(asking: Asking, document: Document[Playbook]) -> PlanRequest:
    """The request that a playbook stands for; every step's scope is resolved here, once."""
    playbook, models = document.value, asking.workspace.models_of(document)
    places = place_steps(document, asking.fleet, asking.resolve)
    waves = tuple(
        _wave(asking, step, models, scope, want=_want_of(step), playbook=playbook.name)
        for step, scope in zip(playbook.steps, places, strict=True)
    )
    return PlanRequest(
        action="apply",
        name=playbook.name,
        fleet=asking.fleet,
        waves=waves,
        on_failure=playbook.on_failure,
        options=asking.options,
    )


def request_for_command(asking: Asking, command: Command) -> PlanRequest:
    """The request that a single command stands for: one step, no canary."""
    action: Purpose = "enable" if command.want is Want.ENABLED else "disable"
    step = Step(name=action, strategy=command.strategy, soak=command.soak)
    chosen = tuple(asking.workspace.model(name) for name in dict.fromkeys(command.models))
    resolved = asking.resolve(command.scope, asking.fleet, purpose=action)
    wave = _wave(asking, step, chosen, resolved, want=command.want, playbook=None)
    return PlanRequest(
        action=action,
        name="-",
        fleet=asking.fleet,
        waves=(wave,),
        on_failure=OnFailure.CONTINUE if command.want is Want.DISABLED else OnFailure.STOP,
        options=asking.options,
    )


def _want_of(step: Step) -> Want:
    return Want.ENABLED if purpose_of(step)[0] == "enable" else Want.DISABLED


def _wave(
    asking: Asking, step: Step, models: tuple[Model, ...], scope: ResolvedScope, *, want: Want, playbook: str | None
) -> WishedWave:
    wishes = tuple(
        wish_for(asking, model, cluster, step=step.name, want=want, playbook=playbook)
        for cluster in scope.clusters
        for model in models
    )
    default_soak = DEFAULT_DISABLE_SOAK if want is Want.DISABLED else 0.0
    return WishedWave(
        step=step.name,
        want=want,
        words=scope.words,
        strategy=step.strategy,
        checks=step.checks,
        soak=default_soak if step.soak is None else step.soak,
        wishes=wishes,
    )


def wish_for(asking: Asking, model: Model, cluster: str, *, step: str, want: Want, playbook: str | None) -> Wish:
    """What is wanted of one model in one cluster, with the overrides that apply there."""
    return Wish(
        model=replace(model, probes=probes_of(asking, model, cluster, want)),
        cluster=asking.fleet.cluster(cluster),
        step=step,
        want=want,
        playbook=playbook,
        manifests=_manifests(asking, model),
        overrides=overrides_in(asking, model, cluster),
    )


def probes_of(asking: Asking, model: Model, cluster: str, want: Want) -> tuple[Probe, ...]:
    """The probes that concern this cluster; where that is in doubt, they are asked before anything is called off."""
    chosen = []
    for probe in model.probes:
        scope = select(probe.scope, asking.fleet, contradicted=asking.contradicted) if probe.scope else None
        is_in_doubt = scope is not None and cluster in scope.undeclared and want is Want.DISABLED
        if scope is None or cluster in scope.clusters or is_in_doubt:
            chosen.append(probe)
    return tuple(chosen)


def overrides_in(asking: Asking, model: Model, cluster: str) -> tuple[Override, ...]:
    """The overrides whose scope holds this cluster, in order. A scope that holds none of this fleet is no error here.

    One model document serves several fleets, and not each of them has every region.
    """
    return tuple(
        override
        for override in model.overrides
        if cluster in select(override.scope, asking.fleet, contradicted=asking.contradicted).clusters
    )


def _manifests(asking: Asking, model: Model) -> tuple[JsonObject, ...]:
    return tuple(manifest.object for manifest in asking.workspace.manifests(model.name))
