"""The planner: what to read, which dry runs to ask for, and then the plan itself."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from orchestrator.core.comparison import differences
from orchestrator.core.fleet import Cluster
from orchestrator.core.model import Adoption
from orchestrator.core.objects import JsonObject, ObjectRef, ref_of
from orchestrator.core.plan import ClusterPlan, Plan, WavePlan
from orchestrator.core.snapshot import ClusterSnapshot, SnapshotRequest
from orchestrator.core.verdict import Reason, Want
from orchestrator.core.wish import PlanRequest, Wish, WishedWave
from orchestrator.planning.items import plan_item
from orchestrator.planning.rendering import render
from orchestrator.planning.safety import judge_safety


def reads(request: PlanRequest) -> dict[str, SnapshotRequest]:
    """What has to be read from each cluster before `request` can be planned. Raises UsageError for wrong models."""
    refs: dict[str, list[ObjectRef]] = {}
    adoptions: dict[str, dict[str, Adoption]] = {}
    models: dict[str, list[str]] = {}
    for wish in _wishes(request):
        name = wish.cluster.name
        models.setdefault(name, []).append(wish.model.name)
        refs.setdefault(name, []).extend(render(wish).refs)
        if wish.model.adopt:
            adoptions.setdefault(name, {})[wish.model.name] = wish.model.adopt
    return {
        name: SnapshotRequest(
            refs=tuple(dict.fromkeys(refs[name])),
            adoptions=adoptions.get(name, {}),
            models=tuple(dict.fromkeys(models[name])),
        )
        for name in refs
    }


def previews_needed(
    request: PlanRequest, snapshots: Mapping[str, ClusterSnapshot]
) -> dict[str, tuple[JsonObject, ...]]:
    """Manifests of each cluster for which the API server's own dry run should be asked: those that seem to differ.

    An object whose namespace does not exist yet cannot be tried.
    """
    needed: dict[str, list[JsonObject]] = {}
    for wish in _wishes(request):
        snapshot = snapshots[wish.cluster.name]
        if wish.want is Want.DISABLED or snapshot.failure or snapshot.held_by(wish.model.name):
            continue
        for manifest in render(wish).manifests:
            if _is_worth_a_dry_run(manifest, snapshot):
                needed.setdefault(wish.cluster.name, []).append(manifest)
    return {name: tuple(manifests) for name, manifests in needed.items()}


def plan(request: PlanRequest, snapshots: Mapping[str, ClusterSnapshot]) -> Plan:
    """The plan of a request against what the clusters answered. Raises UsageError for wrong models or safety rules."""
    waves = tuple(_plan_wave(request, wave, snapshots) for wave in request.waves)
    refusals, overridden = judge_safety(request, waves, snapshots)
    identities = [snapshot.identity for snapshot in snapshots.values() if snapshot.identity]
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
    parts: list[ClusterPlan] = []
    unreachable: list[tuple[Cluster, Reason]] = []
    for name, group in groupby(wave.wishes, key=lambda wish: wish.cluster.name):
        wishes, snapshot = list(group), snapshots[name]
        if snapshot.failure:
            unreachable.append((snapshot.cluster, snapshot.failure))
            continue
        items = tuple(plan_item(wish, snapshot, wave, request.options) for wish in wishes)
        parts.append(ClusterPlan(cluster=snapshot.cluster, items=items))
    return WavePlan(
        step=wave.step,
        want=wave.want,
        words=wave.words,
        clusters=tuple(parts),
        unreachable=tuple(unreachable),
        models=tuple(dict.fromkeys(wish.model.name for wish in wave.wishes)),
        strategy=wave.strategy,
        checks=wave.checks,
        soak=wave.soak,
    )


def _is_worth_a_dry_run(manifest: JsonObject, snapshot: ClusterSnapshot) -> bool:
    ref = ref_of(manifest)
    live = snapshot.live.get(ref)
    if ref in snapshot.unread:
        return False
    if live is None:
        return ref.namespace == "" or ref.namespace in snapshot.namespaces
    return bool(differences(manifest, live))


def _wishes(request: PlanRequest) -> list[Wish]:
    return [wish for wave in request.waves for wish in wave.wishes]
