"""What the tests of takedown and restore share: two models that an order names, one that it does not, and the order."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace

JsonObject = dict[str, Any]
_SERVER_OWN = ("resourceVersion", "generation", "managedFields")


@dataclass(frozen=True)
class Scene:
    """Models of one test in every region, switched on through the real command line."""

    planes: ControlPlanes
    workspace: TestWorkspace
    run: Run

    @property
    def scaled(self) -> str:
        """The model with an autoscaler."""
        return f"{self.workspace.namespace}-fable"

    @property
    def sharded(self) -> str:
        """The model with two Deployments and a StatefulSet."""
        return f"{self.workspace.namespace}-mythos"

    @property
    def other(self) -> str:
        """The model that no order names."""
        return f"{self.workspace.namespace}-saga"

    def write_models(self) -> None:
        """The three models, their manifests and one playbook for all of them."""
        deployment = self.workspace.deployment
        self._write(self.scaled, deployment("fable", replicas=2), _autoscaler(self.workspace.namespace, "fable"))
        self._write(
            self.sharded,
            deployment("mythos-gateway", replicas=1),
            deployment("mythos-worker", replicas=2),
            deployment("mythos-shard", kind="StatefulSet", replicas=2),
        )
        self._write(self.other, deployment("saga", replicas=1))
        self.workspace.write(
            "playbooks/all-on.yaml",
            {
                "apiVersion": "orchestrator/v1",
                "kind": "Playbook",
                "metadata": {"name": f"{self.workspace.namespace}-all-on"},
                "spec": {
                    "models": [self.scaled, self.sharded, self.other],
                    "steps": [{"name": "everywhere", "enable": {"scope": {"all": True}}}],
                },
            },
        )

    def _write(self, model: str, *manifests: JsonObject) -> None:
        self.workspace.write(f"manifests/{model}/objects.yaml", *manifests)
        self.workspace.write(
            f"manifests/{model}/model.yaml",
            {
                "apiVersion": "orchestrator/v1",
                "kind": "Model",
                "metadata": {"name": model},
                "spec": {"manifests": ["objects.yaml"]},
            },
        )

    def write_order(self, name: str = "directive", *, models: list[str] | None = None, **spec: Any) -> str:
        """An order on the first two models, for everyone; returns its path in the workspace."""
        document = {
            "apiVersion": "orchestrator/v1",
            "kind": "Order",
            "metadata": {"name": f"{self.workspace.namespace}-{name}"},
            "spec": {
                "authority": "Bureau of Examples",
                "reference": "EX-2026-0612",
                "models": models or [self.scaled, self.sharded],
                "about": {"everyone": True},
                **spec,
            },
        }
        self.workspace.write(f"playbooks/orders/{name}.yaml", document)
        return f"playbooks/orders/{name}.yaml"

    def orchestrator(self, *arguments: str, **options: Any) -> Finished:
        """The real command line in this workspace."""
        return self.run(*arguments, workspace=self.workspace.root, **options)

    def take_down(self, order: str, *arguments: str, models: list[str] | None = None) -> Finished:
        """`takedown` of the order's models, with a short soak."""
        confirmed = ",".join(models or [self.scaled, self.sharded])
        return self.orchestrator(
            "takedown", "--order", order, "--confirm", confirmed, "--rehearse", "--soak", "2s", "-o", "json", *arguments
        )

    def restore(self, order: str, *arguments: str, models: list[str] | None = None) -> Finished:
        """`restore` of the order's models."""
        confirmed = ",".join(models or [self.scaled, self.sharded])
        return self.orchestrator(
            "restore", "--order", order, "--confirm", confirmed, "--lift-reference", "EX-2026-0701", "-o", "json",
            *arguments,
        )  # fmt: skip

    def objects(self, cluster: str) -> dict[str, JsonObject]:
        """Every object of the namespace that people write, by kind and name, less what the server keeps itself."""
        kinds = "deployments,statefulsets,horizontalpodautoscalers,services,httproutes,ingresses,cronjobs"
        found = self.planes.read(cluster, kinds, "-n", self.workspace.namespace)["items"]
        return {f"{item['kind']}/{item['metadata']['name']}": _as_written(item) for item in found}

    def pods(self, cluster: str, model: str) -> list[JsonObject]:
        """The model's pods in any phase."""
        labels = f"orchestrator.dev/model={model}"
        found: list[JsonObject] = self.planes.read(cluster, "pods", "-A", "-l", labels)["items"]
        return found

    def ours(self, cluster: str) -> set[str]:
        """What is left of us for these models: guards, holds, locks, restore records, lifts, catalogue entries."""
        namespaced = self.planes.read(
            cluster, "configmaps,secrets,leases", "-n", "orchestrator-system", "-l", "orchestrator.dev/record"
        )["items"]
        policies = "validatingadmissionpolicies,validatingadmissionpolicybindings"
        wide = self.planes.read(cluster, policies, "-l", "orchestrator.dev/order")["items"]
        names = (f"{item['kind']}/{item['metadata']['name']}" for item in (*namespaced, *wide))
        return {name for name in names if self.workspace.namespace in name or "/lift." in name}


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return as soon as it holds; fail when it does not within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.1)


def _autoscaler(namespace: str, target: str) -> JsonObject:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": target, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "minReplicas": 2,
            "maxReplicas": 4,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                }
            ],
        },
    }


def _as_written(obj: JsonObject) -> JsonObject:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SERVER_OWN}
    notes = {
        key: value
        for key, value in metadata.get("annotations", {}).items()
        if key != "deployment.kubernetes.io/revision"
    }
    return {
        **{key: value for key, value in obj.items() if key != "status"},
        "metadata": {**metadata, "annotations": notes},
    }
