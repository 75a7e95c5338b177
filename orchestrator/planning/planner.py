"""The planner: what to read, which dry runs to ask for, and then the plan itself."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.core.model import Adoption
from orchestrator.core.objects import JsonObject, ObjectRef, ref_of
from orchestrator.core.plan import ClusterPlan, Plan, WavePlan
from orchestrator.core.snapshot import ClusterSnapshot, SnapshotRequest
from orchestrator.core.verdict import Want
from orchestrator.core.wish import PlanRequest, Wish, WishedWave
from orchestrator.errors import UsageError
from orchestrator.planning.applying import is_worth_a_dry_run
from orchestrator.planning.items import plan_item
from orchestrator.planning.rendering import render
from orchestrator.planning.safety import judge_safety, watched_models
from orchestrator.planning.waves import check_set_once, clusters_of


def reads(request: PlanRequest) -> dict[str, SnapshotRequest]:
    """What has to be read from each cluster before `request` can be planned.

    Where a safety rule counts clusters, those outside the plan are read as well: their records, and what these name.
    Raises UsageError for documents that contradict each other.
    """
    check_set_once(request)
    refs: dict[str, list[ObjectRef]] = {}
    adoptions: dict[str, dict[str, Adoption]] = {}
    models: dict[str, list[str]] = {}
    for wish in _wishes(request):
        name = wish.cluster.name
        models.setdefault(name, []).append(wish.model.name)
        refs.setdefault(name, []).extend(render(wish).refs)
        if wish.model.adopt:
            adoptions.setdefault(name, {})[wish.model.name] = wish.model.adopt
    watched = watched_models(request)
    for cluster in request.fleet.clusters if watched else ():
        models.setdefault(cluster.name, []).extend(watched)
    return {
        name: SnapshotRequest(
            refs=tuple(dict.fromkeys(refs.get(name, ()))),
            adoptions=adoptions.get(name, {}),
            models=tuple(dict.fromkeys(wanted)),
        )
        for name, wanted in models.items()
    }


def previews_needed(
    request: PlanRequest, snapshots: Mapping[str, ClusterSnapshot]
) -> dict[str, tuple[JsonObject, ...]]:
    """Manifests of each cluster for which the API server's own dry run should be asked: those that seem to differ."""
    needed: dict[str, dict[ObjectRef, JsonObject]] = {}
    for wish in _wishes(request):
        snapshot = snapshots[wish.cluster.name]
        if wish.want is Want.DISABLED or snapshot.failure or snapshot.held_by(wish.model.name):
            continue
        rendering = render(wish, snapshot.namespaced)
        for manifest in rendering.manifests:
            if is_worth_a_dry_run(manifest, rendering, snapshot):
                needed.setdefault(wish.cluster.name, {})[ref_of(manifest)] = manifest
    return {name: tuple(manifests.values()) for name, manifests in needed.items()}


def plan(request: PlanRequest, snapshots: Mapping[str, ClusterSnapshot]) -> Plan:
    """The plan of a request against what the clusters answered. Raises UsageError for wrong models or safety rules."""
    check_set_once(request)
    _check_distinct(snapshots)
    waves = tuple(_plan_wave(request, wave, snapshots) for wave in request.waves)
    refusals, overridden = judge_safety(request, waves, snapshots)
    concerned = {wish.cluster.name for wish in _wishes(request)}
    identities = [found for name in concerned if (found := snapshots[name].identity)]
    return Plan(
        action=request.action,
        name=request.name,
        fleet=request.fleet.name,
        models=tuple(dict.fromkeys(wish.model.name for wish in _wishes(request))),
        waves=waves,
        on_failure=request.on_failure,
        rehearsal=bool(identities) and all(identity.sandbox for identity in identities),
        refusals=refusals,
        overridden=overridden,
    )


def _plan_wave(request: PlanRequest, wave: WishedWave, snapshots: Mapping[str, ClusterSnapshot]) -> WavePlan:
    by_cluster = clusters_of(wave, request.fleet)
    answered = {name: wishes for name, wishes in by_cluster.items() if snapshots[name].failure is None}
    return WavePlan(
        step=wave.step,
        want=wave.want,
        words=wave.words,
        clusters=tuple(
            ClusterPlan(
                cluster=wishes[0].cluster,
                items=tuple(plan_item(wish, snapshots[name], wave, request.options) for wish in wishes),
            )
            for name, wishes in answered.items()
        ),
        unreachable=tuple(
            (wishes[0].cluster, failure)
            for name, wishes in by_cluster.items()
            if (failure := snapshots[name].failure) is not None
        ),
        models=tuple(dict.fromkeys(wish.model.name for wish in wave.wishes)),
        strategy=wave.strategy,
        checks=wave.checks,
        soak=wave.soak,
    )


def _check_distinct(snapshots: Mapping[str, ClusterSnapshot]) -> None:
    """Two entries of a fleet that lead to one cluster would be switched twice and counted twice."""
    seen: dict[str, str] = {}
    for name, snapshot in snapshots.items():
        if snapshot.identity is None:
            continue
        other = seen.setdefault(snapshot.identity.uid, name)
        if other != name:
            raise UsageError(
                f"{other} and {name} are the same cluster (uid {snapshot.identity.uid})",
                hint="correct the contexts in the fleet, or remove one of the two",
            )


def _wishes(request: PlanRequest) -> list[Wish]:
    return [wish for wave in request.waves for wish in wave.wishes]
