"""A takedown whose guard is tampered with, cannot be proven or cannot be made; and routes that somebody writes back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.events import Event
from orchestrator.core.fleet import Fleet
from orchestrator.core.holds import read_hold
from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.core.ports import ClusterWriter
from orchestrator.core.takedown import FieldCut, RouteCut
from orchestrator.delivery import connect
from tests.cluster.conftest import ControlPlanes
from tests.cluster.execution.dark import OFF, POLICIES, Takedown, loop_of, wanted_off
from tests.cluster.execution.regions import SYSTEM, codes
from tests.cluster.grants import Administrator

_EVERYTHING_ELSE = [
    "apps",
    "autoscaling",
    "batch",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "networking.k8s.io",
    "gateway.networking.k8s.io",
    "rbac.authorization.k8s.io",
    "events.k8s.io",
    "policy",
]
_CORE = [
    "configmaps",
    "secrets",
    "services",
    "nodes",
    "namespaces",
    "endpoints",
    "events",
    "serviceaccounts",
    "replicationcontrollers",
]


def rule(groups: list[str], resources: list[str]) -> JsonObject:
    return {"apiGroups": groups, "resources": resources, "verbs": ["*"]}


@pytest.fixture
def may(
    takedown: Takedown, control_planes: ControlPlanes, fleet: Fleet, tmp_path: Path
) -> Iterator[Callable[..., object]]:
    """A writer of a service account that may do what these rules say: the real API server refuses the rest."""
    name, cluster = takedown.namespace, takedown.region.writer.cluster
    admin = Administrator(control_planes, cluster.name, name)
    account = {"kind": "ServiceAccount", "name": "limited", "namespace": name}
    metadata = {"name": f"{name}-limited"}
    group = "rbac.authorization.k8s.io"

    @asynccontextmanager
    async def connected(*rules: JsonObject, within: tuple[JsonObject, ...] = ()) -> AsyncIterator[ClusterWriter]:
        api = f"{group}/v1"
        role = {"apiVersion": api, "kind": "ClusterRole", "metadata": metadata, "rules": list(rules)}
        place = {**metadata, "namespace": name}
        admin.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "limited", "namespace": name}},
            role,
            _binding("ClusterRoleBinding", metadata, "ClusterRole", account),
            {"apiVersion": api, "kind": "Role", "metadata": place, "rules": list(within)},
            _binding("RoleBinding", place, "Role", account),
        )
        kubeconfig = admin.kubeconfig(tmp_path / "limited", admin.token(account))
        async with connect(replace(fleet, clusters=(cluster,)), kubeconfig=kubeconfig) as connection:
            yield connection.writer(cluster.name)

    yield connected
    for kind in ("clusterrolebinding", "clusterrole"):
        takedown.kubectl("delete", kind, metadata["name"], "--ignore-not-found")


def _binding(kind: str, metadata: JsonObject, role: str, subject: JsonObject) -> JsonObject:
    group = "rbac.authorization.k8s.io"
    ref = {"apiGroup": group, "kind": role, "name": metadata["name"]}
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, "roleRef": ref, "subjects": [subject]}


async def test_a_guard_that_somebody_deletes_during_the_soak_is_bound_again(takedown: Takedown) -> None:
    """Nothing that was seen without it counts: it is proven and soaked anew, and the item says what happened."""
    await takedown.region.bring_to(takedown.release)
    labels = f"orchestrator.dev/model={takedown.release.model}"
    done: list[str] = []

    def delete(event: Event) -> None:
        if event.type.value == "soaking" and not done:
            done.append(takedown.kubectl("delete", POLICIES, "-l", labels))

    takedown.on_event = delete

    item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    assert "guard-tampered" in codes(item)
    assert [event.type.value for event in takedown.events].count("soaking") >= 2
    found = takedown.region.witness.get(POLICIES, "-l", labels)
    assert found is not None and len(found["items"]) == 2


async def test_an_exempted_guard_and_a_deleted_hold_are_put_right_during_the_soak(takedown: Takedown) -> None:
    """All that we wrote is still in the policy, with one field more; and the hold is written anew, as it was."""
    await takedown.region.bring_to(takedown.release)
    labels = f"orchestrator.dev/model={takedown.release.model}"
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"], "scope": "*"}
    patch = json.dumps({"spec": {"matchConstraints": {"excludeResourceRules": [pods]}}})
    done: list[str] = []

    def meddle(event: Event) -> None:
        if event.type.value == "soaking" and not done:
            (policy,) = (takedown.region.witness.get("validatingadmissionpolicies", "-l", labels) or {})["items"]
            name = policy["metadata"]["name"]
            done.append(takedown.kubectl("patch", "validatingadmissionpolicy", name, "--type=merge", "-p", patch))
            done.append(takedown.kubectl("delete", "configmap", takedown.hold.object_name, "-n", SYSTEM))

    takedown.on_event = meddle

    item = await takedown.run()

    assert len(done) == 2, done
    assert wanted_off(item) == OFF, item.reasons
    assert {"guard-tampered", "hold-tampered"} <= set(codes(item)), item.reasons
    (policy,) = (takedown.region.witness.get("validatingadmissionpolicies", "-l", labels) or {})["items"]
    assert "excludeResourceRules" not in policy["spec"]["matchConstraints"]
    kept = read_hold(takedown.region.witness.get("configmap", takedown.hold.object_name, "-n", SYSTEM) or {})
    assert kept is not None and kept.ledger == {takedown.region.writer.cluster.name: "verified"}


async def test_a_policy_of_somebody_else_that_admits_nothing_leaves_the_guard_unproven(takedown: Takedown) -> None:
    """Who refuses everything proves nothing: the guard stays, the item says by whom, and all else happens."""
    await takedown.region.bring_to(takedown.release)
    name = f"nothing.{takedown.namespace}.example.com"
    api = "admissionregistration.k8s.io/v1"
    rules = [
        {
            "apiGroups": ["", "apps"],
            "apiVersions": ["*"],
            "operations": ["CREATE"],
            "resources": ["pods", "deployments"],
        }
    ]
    place = {"matchLabels": {"kubernetes.io/metadata.name": SYSTEM}}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": rules, "namespaceSelector": place},
        "validations": [{"expression": "false", "message": "nothing is admitted here"}],
    }
    takedown.create({"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec})
    binding = {"policyName": name, "validationActions": ["Deny"]}
    try:
        takedown.create(
            {"apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": binding}
        )
        async with loop_of(lambda: None, 1):
            item = await takedown.run()
    finally:
        takedown.kubectl("delete", POLICIES, name)

    assert (item.verdict.value, item.state.value, item.guard) == ("unverified", "disabled", "absent"), item.reasons
    assert "unprovable" in codes(item)
    assert takedown.pods() == []


async def test_without_permission_for_policies_autoscalers_are_taken_away_restorably(
    takedown: Takedown, may: Callable[..., object]
) -> None:
    """403 to policies only: guard absent, never verified, with the permission named; all else happens."""
    await takedown.region.bring_to(takedown.release)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": takedown.release.model}
    autoscaler = takedown.create(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "scaler", "namespace": takedown.namespace},
            "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 4},
        }
    )
    rules = (rule(_EVERYTHING_ELSE, ["*"]), rule([""], [*_CORE, "pods"]))

    async with may(*rules) as writer:  # type: ignore[attr-defined]
        item = await takedown.run(writer)

    assert (item.verdict.value, item.state.value, item.guard) == ("unverified", "disabled", "absent"), item.reasons
    assert "guard-absent" in codes(item)
    assert any("validatingadmissionpolicies" in reason.message for reason in item.reasons if reason.code == "forbidden")
    assert takedown.pods() == []
    assert takedown.region.witness.get("horizontalpodautoscaler", "scaler", "-n", takedown.namespace) is None
    ref = ObjectRef("autoscaling/v2", "HorizontalPodAutoscaler", takedown.namespace, "scaler")
    kept = takedown.restore_records()[ref]
    assert kept.whole is not None and kept.whole["spec"] == autoscaler["spec"]


async def test_without_permission_to_look_everywhere_nothing_is_verified(
    takedown: Takedown, may: Callable[..., object]
) -> None:
    """Pods may be listed in the model's own namespace only: stopped there and watched there, and unverified."""
    await takedown.region.bring_to(takedown.release)
    rules = (rule([*_EVERYTHING_ELSE, "admissionregistration.k8s.io"], ["*"]), rule([""], _CORE))
    dry_run = rule([""], ["pods"])
    dry_run["verbs"] = ["create"]

    async with may(*rules, dry_run, within=(rule([""], ["pods"]),)) as writer:  # type: ignore[attr-defined]
        item = await takedown.run(writer)

    assert (item.verdict.value, item.guard) == ("unverified", "proven"), item.reasons
    (reason,) = [one for one in item.reasons if one.code == "forbidden" and one.field == "pods"]
    assert "list pods" in reason.message
    assert takedown.pods() == []


async def test_a_route_is_cut_and_stays_cut_whoever_writes_it_back(takedown: Takedown) -> None:
    """Its selector is taken away; a controller that puts it back every 300 ms is refused once the guard works."""
    await takedown.region.bring_to(takedown.release)
    selector = {"app": takedown.release.model}
    service = takedown.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "front", "namespace": takedown.namespace},
            "spec": {"selector": selector, "ports": [{"port": 80}]},
        }
    )
    ref = ObjectRef("v1", "Service", takedown.namespace, "front")
    dark = {"orchestrator.dev/nowhere": "true"}
    cut = FieldCut(pointer="/spec/selector", before=selector, after=dark)
    takedown.cuts = (RouteCut(ref=ref, uid=service["metadata"]["uid"], answer="5xx", fields=(cut,)),)
    back = ("patch", "service", "front", "-n", takedown.namespace, "--type=json", "-p")
    operation = f'[{{"op": "replace", "path": "/spec/selector", "value": {{"app": "{takedown.release.model}"}}}}]'

    async with loop_of(lambda: takedown.kubectl(*back, operation, check=False), 0.3):
        item = await takedown.run()

    assert wanted_off(item) == OFF, item.reasons
    live = takedown.region.witness.get("service", "front", "-n", takedown.namespace)
    assert live is not None and live["spec"]["selector"] == dark
    assert "orchestrator guard" in takedown.kubectl(*back, operation, check=False)


async def test_a_route_that_was_changed_since_the_plan_is_left_and_named(takedown: Takedown) -> None:
    """Rules are found by their place: what is neither as planned nor cut may be somebody else's, so it is residue."""
    await takedown.region.bring_to(takedown.release)
    service = takedown.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "front", "namespace": takedown.namespace},
            "spec": {"selector": {"app": "somebody-else"}, "ports": [{"port": 80}]},
        }
    )
    cut = FieldCut(pointer="/spec/selector", before={"app": takedown.release.model}, after={"no": "body"})
    ref = ObjectRef("v1", "Service", takedown.namespace, "front")
    takedown.cuts = (RouteCut(ref=ref, uid=service["metadata"]["uid"], answer="5xx", fields=(cut,)),)
    takedown.is_guarded = False

    item = await takedown.run()

    assert "route-changed" in codes(item), item.reasons
    live = takedown.region.witness.get("service", "front", "-n", takedown.namespace)
    assert live is not None and live["spec"]["selector"] == {"app": "somebody-else"}
