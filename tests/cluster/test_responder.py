"""Whoever answers an order: the shipped roles suffice for all of it, and what is missing is named and never proven."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace
from tests.cluster.grants import Administrator, Permission, permissions
from tests.cluster.legs import narrow
from tests.cluster.orders import Scene

JsonObject = dict[str, Any]
ROLES = ("viewer", "operator", "responder")


@dataclass(frozen=True)
class Responder:
    """A service account in one cluster, bound to the shipped roles and nothing else; its models are on."""

    scene: Scene
    admin: Administrator

    def bind(self, missing: Permission | None = None, *extra: JsonObject) -> None:
        """Bind the roles, less one permission, and wait until the authorizer has heard of all of it."""
        subject = {"kind": "ServiceAccount", "name": "responder", "namespace": self.admin.prefix}
        self.admin.grant(subject, ROLES, missing)
        if extra:
            self.admin.apply(*extra)
        kubeconfig = self.admin.kubeconfig(self.scene.workspace.root / "kubeconfig", self.admin.token(subject))
        narrow(self.scene.workspace.root, self.admin.cluster, kubeconfig)
        lacks: list[str] = []
        for _ in range(20):
            check = self.scene.orchestrator("fleet", "check", "-o", "json").json["clusters"][0]
            lacks = [one["message"] for one in check["reasons"]]
            if len(lacks) == (missing is not None) and all("," not in words for words in lacks):
                assert all(words.endswith(f"lacks: {missing}") for words in lacks), lacks
                return
            time.sleep(0.3)
        raise AssertionError(lacks)

    def switch_on(self) -> None:
        """The scene's models, switched on by the responder."""
        self.scene.write_models()
        self.scene.orchestrator("apply", "playbooks/all-on.yaml", "-o", "json").expect(0)

    def replicas(self) -> dict[str, int]:
        """What every workload of the namespace asks for."""
        kinds = "deployments,statefulsets,replicasets,replicationcontrollers"
        found = self.scene.planes.read(self.admin.cluster, kinds, "-n", self.admin.prefix)["items"]
        of_none = [one for one in found if not one["metadata"].get("ownerReferences")]
        return {f"{one['kind']}/{one['metadata']['name']}": one["spec"]["replicas"] for one in of_none}

    def suspended(self) -> set[bool]:
        """Whether the jobs of the namespace start pods."""
        found = self.scene.planes.read(self.admin.cluster, "cronjobs,jobs", "-n", self.admin.prefix)["items"]
        return {one["spec"]["suspend"] for one in found}


@pytest.fixture
def responder(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Responder]:
    admin = Administrator(control_planes, control_planes.clusters[0], workspace.namespace)
    found = Responder(Scene(control_planes, workspace, orchestrator), admin)
    yield found
    for name in found.scene.ours(admin.cluster):
        kind, _, plain = name.partition("/")
        place = () if kind.startswith("Validating") else ("-n", "orchestrator-system")
        admin.kubectl("delete", kind, plain, *place, "--ignore-not-found", "--wait=false")
    admin.withdraw()


def named(words: str) -> Permission:
    """The one permission of the shipped roles that reads so."""
    (found,) = (one for one in permissions() if str(one) == words)
    return found


def permitted(done: Finished) -> Finished:
    """Itself, when it ended well and nothing in it was refused."""
    assert "not permitted" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.expect(0)


def verdicts(document: JsonObject) -> set[tuple[str, str]]:
    return {(item["verdict"], item["guard"]) for item in document["items"]}


@pytest.mark.slow
def test_an_order_is_answered_and_lifted_with_the_three_roles(responder: Responder) -> None:
    """Rehearsed, taken down, verified anew and restored, with strays of every kind, and nothing is refused."""
    scene = responder.scene
    responder.bind()
    responder.switch_on()
    order = scene.write_order()
    responder.admin.apply(*strays(scene.scaled, responder.admin.prefix), *ways("fable", responder.admin.prefix))
    before, asked = scene.objects(responder.admin.cluster), responder.replicas()

    permitted(scene.orchestrator("drill", "--order", order, "--rehearse", "-o", "json"))
    assert scene.objects(responder.admin.cluster) == before
    assert verdicts(permitted(scene.take_down(order)).json) == {("verified", "proven")}
    off(responder)
    assert responder.suspended() == {True}
    looked = permitted(scene.orchestrator("verify", "--order", order, "--rehearse", "-o", "json")).json
    assert verdicts(looked) == {("verified", "proven")}
    permitted(scene.orchestrator("orders", "list", "-o", "json"))
    permitted(scene.restore(order))
    assert (scene.objects(responder.admin.cluster), responder.replicas()) == (before, asked)
    assert responder.suspended() == {False}

    held = scene.orchestrator("disable", scene.other, "--all", "--hold", "incident 17", "--soak", "1s", "-o", "json")
    (hold,) = permitted(held).json["items"][0]["holds"]
    permitted(scene.orchestrator("hold", "lift", hold, "--confirm", hold, "-o", "json"))
    assert scene.objects(responder.admin.cluster) == before


def test_without_policies_the_model_is_off_and_nobody_calls_it_proven(responder: Responder) -> None:
    scene, missing = responder.scene, named("create validatingadmissionpolicies.admissionregistration.k8s.io")
    responder.bind(missing)
    responder.switch_on()
    order = scene.write_order()

    drill = scene.orchestrator("drill", "--order", order, "--rehearse", "-o", "json").expect(3).json
    assert {step["step"] for step in drill["steps"] if not step["works"]} == {"guard"}
    result = scene.take_down(order).expect(3).json

    assert verdicts(result) == {("unverified", "absent")}
    names_it(result, missing)
    off(responder)
    assert "HorizontalPodAutoscaler/fable" not in scene.objects(responder.admin.cluster), "it could wake the model"


def test_without_pods_of_all_namespaces_nobody_knows_where_else_it_runs(responder: Responder) -> None:
    scene, missing = responder.scene, named("list pods")
    responder.bind(missing, *lists_pods_in(responder.admin.prefix))
    responder.switch_on()

    result = scene.take_down(scene.write_order()).expect(3).json

    assert verdicts(result) == {("unverified", "proven")}
    names_it(result, missing)
    off(responder)


def strays(model: str, namespace: str) -> list[JsonObject]:
    """A workload of every kind, and a pod, that are the model's by their label and on nobody's record."""
    mine = {"orchestrator.dev/model": model}
    containers = [{"name": "server", "image": "registry.example/server:1"}]
    metadata = {"name": "stray", "namespace": namespace, "labels": mine}

    def template(name: str, policy: str = "Always") -> JsonObject:
        spec = {"terminationGracePeriodSeconds": 1, "restartPolicy": policy, "containers": containers}
        return {"metadata": {"labels": {**mine, "run": name}}, "spec": spec}

    def workload(api: str, kind: str, **spec: Any) -> JsonObject:
        return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}

    cron, endless = {"template": template("cron", "Never")}, template("job", "Never")
    endless["metadata"]["annotations"] = {"sandbox.orchestrator.dev/fail": "never-ready"}
    selector = {"matchLabels": {"run": "set"}}
    return [
        workload("apps/v1", "ReplicaSet", replicas=1, selector=selector, template=template("set")),
        workload("apps/v1", "DaemonSet", selector={"matchLabels": {"run": "daemons"}}, template=template("daemons")),
        workload("v1", "ReplicationController", replicas=1, selector={"run": "rc"}, template=template("rc")),
        workload("batch/v1", "CronJob", schedule="0 3 1 1 *", jobTemplate={"spec": cron}),
        workload("batch/v1", "Job", template=endless),
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template("pod")["spec"]},
    ]


def ways(target: str, namespace: str) -> list[JsonObject]:
    """A Service of a workload, and routes of several kinds that lead to it alone."""
    metadata = {"name": target, "namespace": namespace}
    gateway = "gateway.networking.k8s.io/v1"
    routed = {"parentRefs": [{"name": "models"}], "rules": [{"backendRefs": [{"name": target, "port": 80}]}]}
    backend = {"service": {"name": target, "port": {"number": 80}}}
    ports = {"selector": {"app": target}, "ports": [{"port": 80}]}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": ports},
        {"apiVersion": gateway, "kind": "HTTPRoute", "metadata": metadata, "spec": routed},
        {"apiVersion": gateway, "kind": "GRPCRoute", "metadata": metadata, "spec": routed},
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata,
         "spec": {"defaultBackend": backend}},
    ]  # fmt: skip


def lists_pods_in(namespace: str) -> tuple[JsonObject, JsonObject]:
    """A Role for the pods of one namespace, and its binding."""
    api = "rbac.authorization.k8s.io"
    metadata = {"name": "pods-here", "namespace": namespace}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    subject = {"kind": "ServiceAccount", "name": "responder", "namespace": namespace}
    ref = {"apiGroup": api, "kind": "Role", "name": "pods-here"}
    head = {"apiVersion": f"{api}/v1", "metadata": metadata}
    return (
        {**head, "kind": "Role", "rules": rules},
        {**head, "kind": "RoleBinding", "roleRef": ref, "subjects": [subject]},
    )


def names_it(result: JsonObject, missing: Permission) -> None:
    """Every item says which permission was missing."""
    for item in result["items"]:
        words = [reason["message"] for reason in item["reasons"]]
        assert any(f"not permitted: {missing}" in each for each in words), words


def off(responder: Responder) -> None:
    """The order's models ask for nothing and run nothing; the other model does."""
    scene, cluster = responder.scene, responder.admin.cluster
    asked = responder.replicas()
    assert asked.pop("Deployment/saga") == 1
    assert set(asked.values()) == {0}, asked
    assert scene.pods(cluster, scene.scaled) == scene.pods(cluster, scene.sharded) == []
