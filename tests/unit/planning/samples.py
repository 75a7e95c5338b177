"""A small model, a small fleet, and clusters as an API server would describe them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import yaml

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.holds import Hold
from orchestrator.core.model import Model, Override
from orchestrator.core.objects import JsonObject, ObjectRef, ref_of
from orchestrator.core.plan import Change, ItemPlan, Plan
from orchestrator.core.playbook import Strategy
from orchestrator.core.ports import Identity
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Want
from orchestrator.core.wish import PlanOptions, PlanRequest, Wish, WishedWave
from orchestrator.planning import plan, previews_needed, reads, render

MANIFESTS: tuple[JsonObject, ...] = tuple(
    yaml.safe_load_all(
        """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: fable, namespace: fable}
spec: {rules: [{backendRefs: [{name: fable, port: 80}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: server, namespace: fable}
spec:
  replicas: 3
  selector: {matchLabels: {app: fable}}
  template:
    metadata: {labels: {app: fable}}
    spec: {containers: [{name: server, image: "registry.example/fable:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: fable, namespace: fable}
spec: {selector: {app: fable}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: fable}
"""
    )
)
HPA: JsonObject = yaml.safe_load(
    """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: server, namespace: fable}
spec:
  minReplicas: 2
  maxReplicas: 9
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: server}
"""
)
DEPLOYMENT = ObjectRef("apps/v1", "Deployment", "fable", "server")
SERVICE = ObjectRef("v1", "Service", "fable", "fable")
NAMESPACE = ObjectRef("v1", "Namespace", "", "fable")
ROUTE = ObjectRef("gateway.networking.k8s.io/v1", "HTTPRoute", "fable", "fable")

MODEL = Model(name="fable-5", manifests=(".",))
CLUSTERS = tuple(Cluster(name=name, region=name[:2]) for name in ("eu-1", "us-1", "ap-1"))
FLEET = Fleet(name="test", clusters=CLUSTERS)


def wish(
    want: Want = Want.ENABLED,
    *,
    model: Model = MODEL,
    manifests: Iterable[JsonObject] = MANIFESTS,
    overrides: tuple[Override, ...] = (),
    cluster: Cluster = CLUSTERS[0],
    playbook: str | None = "rollout",
    step: str = "all",
) -> Wish:
    return Wish(
        model=model,
        cluster=cluster,
        step=step,
        want=want,
        playbook=playbook,
        manifests=() if model.adopt else tuple(manifests),
        overrides=overrides,
    )


def request(
    *wishes: Wish, soak: float = 0.0, checks: tuple[dict[str, Any], ...] = (), fleet: Fleet = FLEET, **options: Any
) -> PlanRequest:
    """One step for every name of a step, in the order in which they first appear."""
    steps = dict.fromkeys(one.step for one in wishes)
    waves = tuple(
        WishedWave(
            step=step,
            want=next(one.want for one in wishes if one.step == step),
            words=(),
            strategy=Strategy(),
            soak=soak,
            checks=checks,
            wishes=tuple(one for one in wishes if one.step == step),
        )
        for step in steps
    )
    return PlanRequest(action="apply", name="rollout", fleet=fleet, waves=waves, options=PlanOptions(**options))


def as_live(
    manifest: JsonObject, *, replicas: int | None = None, uid: str | None = None, **metadata: Any
) -> JsonObject:
    """A manifest as the API server would send it back."""
    live = copy.deepcopy(manifest)
    live["metadata"] |= {"uid": f"uid-{ref_of(manifest).name}", "resourceVersion": "7", **metadata}
    if replicas is not None:
        live["spec"]["replicas"] = replicas
    return live


def applied(one: Wish, *, replicas: int | Mapping[str, int] = 3) -> dict[ObjectRef, JsonObject]:
    """What a cluster holds once a wish has been carried out."""
    live = {}
    for manifest in render(one).manifests:
        ref = ref_of(manifest)
        is_scaled = ref.group_kind.group == "apps"
        number = replicas if isinstance(replicas, int) else replicas.get(ref.name, 1)
        live[ref] = as_live(manifest, replicas=number if is_scaled else None)
    return live


def snapshot(
    live: Mapping[ObjectRef, JsonObject] | None = None,
    *,
    cluster: Cluster = CLUSTERS[0],
    entry: CatalogueEntry | None = None,
    namespaces: Iterable[str] = ("fable",),
    holds: tuple[str, ...] = (),
    **more: Any,
) -> ClusterSnapshot:
    known = dict(live or {})
    adopted = {ref_of(one): one for found in more.get("adopted", {}).values() for one in found}
    return ClusterSnapshot(
        cluster=cluster,
        identity=Identity(uid=f"uid-{cluster.name}", sandbox=True),
        entries={entry.model: entry} if entry else {},
        live={**known, **adopted},
        namespaces=frozenset(namespaces),
        holds=tuple(Hold(name=name, model=MODEL.name) for name in holds),
        **more,
    )


def planned(
    one: Wish, found: ClusterSnapshot, *, soak: float = 0.0, checks: tuple[dict[str, Any], ...] = (), **options: Any
) -> ItemPlan:
    """The only item of a plan with one wish."""
    made = plan(request(one, soak=soak, checks=checks, **options), {one.cluster.name: found})
    return item_of(made)


def item_of(made: Plan) -> ItemPlan:
    (item,) = (item for wave in made.waves for part in wave.clusters for item in part.items)
    return item


def recorded(one: Wish, **changes: Any) -> CatalogueEntry:
    """The catalogue entry that carrying out a wish leaves behind."""
    return replace(planned(one, snapshot()).entry, **changes)


def verbs(item: ItemPlan) -> list[str]:
    """`create Deployment`, `scale Deployment 3` …"""
    return [_words(change) for change in item.changes]


def _words(change: Change) -> str:
    number = "" if change.replicas is None else f" {change.replicas}"
    return f"{change.verb} {change.ref.kind}{number}"


def codes(reasons: Iterable[Any]) -> list[str]:
    return [reason.code for reason in reasons]


def dry_runs(one: Wish, found: ClusterSnapshot) -> list[ObjectRef]:
    """Objects for which a dry run is asked."""
    needed = previews_needed(request(one), {one.cluster.name: found})
    return [ref_of(manifest) for manifest in needed.get(one.cluster.name, ())]


def asked(one: Wish) -> tuple[ObjectRef, ...]:
    return reads(request(one))[one.cluster.name].refs
