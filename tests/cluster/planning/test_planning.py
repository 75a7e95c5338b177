"""The planner against a real API server: what it creates settles, and what differs is named as the server sees it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import yaml

from orchestrator.core.model import Override, Patch, PatchTarget
from orchestrator.core.objects import LABEL_MODEL, JsonObject, ObjectRef
from orchestrator.core.plan import Verb
from orchestrator.core.scope import Scope
from orchestrator.core.verdict import Want
from orchestrator.planning import previews_needed
from tests.cluster.planning.place import Place

EVERY_KIND = """
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: server, namespace: NAMESPACE}
spec:
  replicas: 2
  selector: {matchLabels: {app: server}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 0}}
  template:
    metadata: {labels: {app: server}}
    spec:
      serviceAccountName: server
      terminationGracePeriodSeconds: 1
      initContainers: [{name: load, image: registry.example/load:1}]
      containers:
        - name: server
          image: registry.example/server:1
          args: ["--model", "fable"]
          env: [{name: A, value: "1"}, {name: N, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
          ports: [{containerPort: 8000, name: http}]
          readinessProbe: {httpGet: {path: /ready, port: http}}
          resources: {requests: {cpu: 0.5, memory: 1024Mi}, limits: {cpu: "1", memory: 1Gi}}
          volumeMounts: [{name: weights, mountPath: /weights}, {name: config, mountPath: /config}]
      volumes:
        - {name: weights, emptyDir: {}}
        - {name: config, configMap: {name: config}}
      tolerations: [{key: nvidia.com/gpu, operator: Exists}]
      topologySpreadConstraints:
        - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway,
           labelSelector: {matchLabels: {app: server}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: shard, namespace: NAMESPACE}
spec:
  replicas: 0
  serviceName: shard
  selector: {matchLabels: {app: shard}}
  template:
    metadata: {labels: {app: shard}}
    spec: {containers: [{name: shard, image: registry.example/shard:1}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: NAMESPACE}
spec: {selector: {app: server}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: NAMESPACE}
data: {tools: "on", empty: ""}
---
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: NAMESPACE}
stringData: {token: hush}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: server, namespace: NAMESPACE}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: server, namespace: NAMESPACE}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: server, namespace: NAMESPACE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: server}
subjects: [{kind: ServiceAccount, name: server, namespace: NAMESPACE}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: server, namespace: NAMESPACE}
spec: {minAvailable: 1, selector: {matchLabels: {app: server}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server, namespace: NAMESPACE}
spec: {podSelector: {matchLabels: {app: server}}, ingress: [{ports: [{port: 8000}]}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shard, namespace: NAMESPACE}
spec:
  maxReplicas: 3
  scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: shard}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: server, namespace: NAMESPACE}
spec:
  parentRefs: [{name: edge}]
  rules: [{backendRefs: [{name: server, port: 80}]}]
"""


def every_kind(place: Place) -> list[JsonObject]:
    return list(yaml.safe_load_all(EVERY_KIND.replace("NAMESPACE", place.namespace)))


def image_patch(image: str) -> Override:
    body = {"spec": {"template": {"spec": {"containers": [{"name": "server", "image": image}]}}}}
    patch = Patch(target=PatchTarget(kind="Deployment"), patch=body)
    return Override(scope=Scope(all=True), patches=(patch,))


async def test_what_was_applied_needs_neither_a_write_nor_a_dry_run(place: Place) -> None:
    """Defaults that the API server fills in, in eleven kinds, are no differences: a second apply is for nothing."""
    one = place.wish(*every_kind(place))
    first = await place.carry_out(one)
    assert {change.verb for change in first.changes} == {Verb.CREATE, Verb.SCALE}
    request, found = await place.look(one)
    assert previews_needed(request, {place.cluster.name: found}) == {}
    item = await place.item(one)
    assert (item.changes, item.entry_changes, item.refusals) == ((), False, ())


async def settled(place: Place, kinds: tuple[str, ...]) -> dict[str, str]:
    """The versions of everything once the controllers have nothing more to say about it."""
    for _ in range(20):
        before = place.versions(kinds)
        await asyncio.sleep(1)
        if place.versions(kinds) == before:
            return before
    raise AssertionError("the controllers write on and on")


async def test_planning_writes_nothing(place: Place) -> None:
    kinds = ("deployments", "services", "configmaps", "secrets")
    await place.carry_out(place.wish(place.deployment(paused=True)))
    before = await settled(place, kinds)
    changed = place.wish(place.deployment("registry.example/server:2"), *every_kind(place)[3:6])
    assert (await place.item(changed)).is_change
    assert place.versions(kinds) == before


async def test_an_override_is_applied_and_its_removal_takes_it_back(place: Place) -> None:
    """Server-side apply removes what we owned and leave out: a new revision is written even if nothing differs."""
    annotated = Override(
        scope=Scope(all=True),
        patches=(Patch(target=PatchTarget(kind="Deployment"), patch={"metadata": {"annotations": {"tier": "gold"}}}),),
    )
    await place.carry_out(place.wish(place.deployment(), overrides=(annotated,)))
    assert place.get("deployment", "server")["metadata"]["annotations"]["tier"] == "gold"
    item = await place.carry_out(place.wish(place.deployment()))
    assert [change.verb for change in item.changes] == [Verb.APPLY]
    assert ("metadata.annotations.tier", "gold") in [(field.path, field.before) for field in item.changes[0].fields]
    assert "tier" not in place.get("deployment", "server")["metadata"]["annotations"]


async def test_drift_is_named_by_field(place: Place) -> None:
    await place.carry_out(place.wish(place.deployment()))
    place.kubectl("scale", "deployment/server", "--replicas=5")
    item = await place.item(place.wish(place.deployment()))
    assert [(change.verb, change.fields[0].before, change.replicas) for change in item.changes] == [(Verb.SCALE, 5, 2)]


async def test_a_field_taken_by_another_manager_is_refused_by_name_and_taken_only_on_request(place: Place) -> None:
    one = place.wish(place.deployment())
    await place.carry_out(one)
    place.kubectl("set", "image", "deployment/server", "server=registry.example/server:9", "--field-manager=somebody")
    (reason,) = (await place.item(one)).refusals
    assert reason.code == "conflict"
    assert "somebody" in reason.message
    assert "image" in str(reason.field)
    item = await place.carry_out(one, force_conflicts=True)
    assert [manager for _, manager in item.changes[0].forces] == ["somebody"]
    shown = {field.path: (field.before, field.after) for field in item.changes[0].fields}
    path = "spec.template.spec.containers[name=server].image"
    assert shown[path] == ("registry.example/server:9", "registry.example/server:1")
    assert not (await place.item(one)).is_change


async def test_an_immutable_field_is_refused_before_anything_is_sent(place: Place) -> None:
    await place.carry_out(place.wish(place.deployment()))
    moved = place.deployment()
    moved["spec"]["selector"]["matchLabels"]["more"] = moved["spec"]["template"]["metadata"]["labels"]["more"] = "x"
    (reason,) = (await place.item(place.wish(moved))).refusals
    assert (reason.code, "immutable" in reason.message) == ("invalid", True)


async def test_a_field_that_does_not_exist_is_refused(place: Place) -> None:
    (reason,) = (await place.item(place.wish(place.deployment(replica=3)))).refusals
    assert "replica" in reason.message


async def test_a_missing_namespace_is_refused_and_one_in_the_manifests_is_not(place: Place) -> None:
    elsewhere = place.deployment()
    elsewhere["metadata"]["namespace"] = f"{place.namespace}-x"
    assert [reason.code for reason in (await place.item(place.wish(elsewhere))).refusals] == ["namespace-missing"]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{place.namespace}-x"}}
    assert not (await place.item(place.wish(elsewhere, namespace))).refusals


async def test_an_api_that_is_not_served_is_refused(place: Place) -> None:
    thing = place.named({"apiVersion": "serving.example/v1", "kind": "Thing"}, "t")
    (reason,) = (await place.item(place.wish(thing))).refusals
    assert (reason.code, reason.object) == ("kind-not-served", f"serving.example/Thing {place.namespace}/t")


async def test_the_cluster_tells_whether_a_kind_has_a_namespace(place: Place) -> None:
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GRPCRoute",
        "metadata": {"name": place.namespace},
        "spec": {"parentRefs": [{"name": "edge"}]},
    }
    gateway_class = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": place.namespace},
        "spec": {"controllerName": "example.com/none"},
    }
    item = await place.item(place.wish(route, gateway_class))
    assert not item.refusals
    assert {change.ref.kind: change.ref.namespace for change in item.changes} == {
        "GRPCRoute": "default",
        "GatewayClass": "",
    }


async def test_an_autoscalers_number_is_left_alone_and_a_manual_zero_is_started(place: Place) -> None:
    scaler = place.named(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "spec": {
                "minReplicas": 2,
                "maxReplicas": 9,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "server"},
            },
        },
        "server",
    )
    one = place.wish(place.deployment(), scaler)
    await place.carry_out(one)
    place.kubectl("scale", "deployment/server", "--replicas=7")
    assert not (await place.item(one)).changes
    off = place.wish(place.deployment(), scaler, want=Want.DISABLED)
    stopped = await place.carry_out(off)
    assert [change.replicas for change in stopped.changes] == [0]
    back = await place.carry_out(one)
    assert [(change.verb, change.replicas) for change in back.changes] == [(Verb.SCALE, 2)]


async def test_off_and_on_again_touches_nothing_but_the_scale(place: Place) -> None:
    one, off = place.wish(place.deployment()), place.wish(place.deployment(), want=Want.DISABLED)
    await place.carry_out(one)
    generation = place.get("deployment", "server")["metadata"]["generation"]
    await place.carry_out(off)
    assert not (await place.item(off)).is_change
    await place.carry_out(one)
    live = place.get("deployment", "server")
    assert (live["spec"]["replicas"], live["metadata"]["generation"]) == (2, generation + 2)


async def test_a_workload_that_left_the_manifests_is_still_switched_off(place: Place) -> None:
    second = place.deployment()
    second["metadata"]["name"] = "second"
    await place.carry_out(place.wish(place.deployment(), second))
    reduced = await place.carry_out(place.wish(place.deployment()))
    assert [reason.code for reason in reduced.notes] == ["not-pruned"]
    off = await place.carry_out(place.wish(place.deployment(), want=Want.DISABLED))
    assert sorted(change.ref.name for change in off.changes) == ["second", "server"]


async def test_what_left_the_manifests_is_pruned_on_request(place: Place) -> None:
    config = place.named({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}, "old")
    await place.carry_out(place.wish(place.deployment(), config))
    await place.carry_out(place.wish(place.deployment()), prune=True)
    assert "NotFound" in place.kubectl("get", "configmap", "old", check=False)
    assert not (await place.item(place.wish(place.deployment()))).is_change


class TestAdopted:
    """Workloads that somebody else deployed."""

    def deploy(self, place: Place) -> Any:
        place.kubectl("apply", "-f", "-", stdin=place.deployment())
        place.kubectl("label", "deployment/server", "team=serving")
        return place.get("deployment", "server")

    async def test_only_the_label_is_written_and_nothing_a_second_time(self, place: Place) -> None:
        before, one = self.deploy(place), place.wish(adopt={"team": "serving"})
        item = await place.carry_out(one)
        assert [change.verb for change in item.changes] == [Verb.LABEL]
        after = place.get("deployment", "server")
        assert after["metadata"]["labels"][LABEL_MODEL] == place.namespace
        assert (after["metadata"]["generation"], after["spec"]) == (before["metadata"]["generation"], before["spec"])
        assert not (await place.item(one)).is_change

    async def test_off_and_on_again_returns_to_the_number_that_ran(self, place: Place) -> None:
        self.deploy(place)
        place.kubectl("scale", "deployment/server", "--replicas=4")
        await place.carry_out(place.wish(adopt={"team": "serving"}, want=Want.DISABLED))
        assert place.get("deployment", "server")["spec"]["replicas"] == 0
        await place.carry_out(place.wish(adopt={"team": "serving"}))
        assert place.get("deployment", "server")["spec"]["replicas"] == 4

    async def test_a_selector_that_finds_nothing_is_refused(self, place: Place) -> None:
        item = await place.item(place.wish(adopt={"team": "nobody"}))
        assert [reason.code for reason in item.refusals] == ["nothing-to-adopt"]


async def test_two_models_may_share_a_namespace_manifest(place: Place) -> None:
    """Neither takes it from the other: else each apply of one would be drift of the other, for ever."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}}
    one = place.wish(place.deployment(), namespace)
    await place.carry_out(one)
    other = place.wish(place.named({"apiVersion": "v1", "kind": "ConfigMap", "data": {}}, "other"), namespace)
    await place.carry_out(other)
    assert LABEL_MODEL not in place.get("namespace", place.namespace)["metadata"]["labels"]
    assert ObjectRef("v1", "Namespace", "", place.namespace) not in [
        change.ref for change in (await place.item(one)).changes
    ]


@pytest.mark.parametrize("kind", ["Deployment", "Service"])
async def test_an_object_that_is_being_deleted_is_refused(place: Place, kind: str) -> None:
    manifests = [manifest for manifest in every_kind(place) if manifest["kind"] in ("Deployment", "Service")]
    await place.carry_out(place.wish(*manifests))
    finalizer = json.dumps({"metadata": {"finalizers": ["example.com/slow"]}})
    place.kubectl("patch", kind.lower(), "server", "--type=merge", "-p", finalizer)
    place.kubectl("delete", kind.lower(), "server", "--wait=false")
    item = await place.item(place.wish(*manifests))
    place.kubectl("patch", kind.lower(), "server", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert [reason.code for reason in item.refusals] == ["being-deleted"]
