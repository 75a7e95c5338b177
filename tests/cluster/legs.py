"""What people do with the tool, leg by leg: together they use every permission that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import everything as kinds
from tests.cluster.conftest import Finished, Run, TestWorkspace
from tests.cluster.grants import OURS, Administrator

VERSION = "orchestrator/v1"
EVERYWHERE = {"scope": {"all": True}}


@dataclass(frozen=True)
class Stage:
    """One restricted user's workspace, and the administrator who sets things up around it."""

    admin: Administrator
    workspace: TestWorkspace
    orchestrator: Run
    country: str

    @property
    def name(self) -> str:
        """What models and namespaces of this stage start with."""
        return self.workspace.namespace

    def run(self, *arguments: str) -> Finished:
        """The tool as the restricted user."""
        return self.orchestrator(*arguments, "-o", "json", workspace=self.workspace.root)

    def model(self, suffix: str, *manifests: dict[str, Any], **spec: Any) -> str:
        """Write a model; returns its name."""
        name = f"{self.name}-{suffix}"
        folder = f"manifests/{name}"
        if manifests:
            self.workspace.write(f"{folder}/objects.yaml", *manifests)
            spec["manifests"] = ["."]
        document = {"apiVersion": VERSION, "kind": "Model", "metadata": {"name": name}, "spec": spec}
        self.workspace.write(f"{folder}/model.yaml", document)
        return name

    def playbook(self, model: str, enable: dict[str, Any], *, deadline: str = "20s", **spec: Any) -> str:
        """Write a playbook with one step; returns its path."""
        step = {"name": "on", "enable": enable, "strategy": {"progressDeadline": deadline}}
        document = {
            "apiVersion": VERSION,
            "kind": "Playbook",
            "metadata": {"name": model},
            "spec": {"models": [model], "steps": [step], **spec},
        }
        return str(self.workspace.write(f"playbooks/{model}.yaml", document).relative_to(self.workspace.root))


@dataclass(frozen=True)
class Leg:
    """One command, and how it ends for somebody who may do it."""

    name: str
    prepare: Callable[[Stage], tuple[str, ...]]
    code: int = 0


def _enable(stage: Stage) -> tuple[str, ...]:
    model = stage.model("all", *kinds.everything(f"{stage.name}-all"), replicas=2, health=kinds.INERT)
    return "apply", stage.playbook(model, {"scope": {"in": [stage.country]}})


def _crash(stage: Stage) -> tuple[str, ...]:
    """A first deployment whose pods crash, so that everything it made is deleted again."""
    manifests = kinds.everything(f"{stage.name}-bad")
    (server,) = (one for one in manifests if one["kind"] == "Deployment")
    server["spec"]["template"]["metadata"]["annotations"] = {"sandbox.orchestrator.dev/fail": "crash-loop"}
    model = stage.model("bad", *manifests, replicas=1, health=kinds.INERT)
    return "apply", stage.playbook(model, EVERYWHERE, onFailure="rollback-run")


def _status(suffix: str) -> Callable[[Stage], tuple[str, ...]]:
    return lambda stage: ("status", f"{stage.name}-{suffix}")


def _verify(stage: Stage) -> tuple[str, ...]:
    return "verify", f"playbooks/{stage.name}-all.yaml"


def _prune(stage: Stage) -> tuple[str, ...]:
    left = [one for one in kinds.everything(f"{stage.name}-all") if one["kind"] != "PodDisruptionBudget"]
    model = stage.model("all", *left, replicas=2, health=kinds.INERT)
    return "apply", f"playbooks/{model}.yaml", "--prune"


def _roll_back(stage: Stage) -> tuple[str, ...]:
    """A later revision that fails: what was applied before comes back from the cluster's own record."""
    manifests = kinds.without(kinds.everything(f"{stage.name}-all"), "PodDisruptionBudget")
    (server,) = (one for one in manifests if one["kind"] == "Deployment")
    server["spec"]["template"]["metadata"]["annotations"] = {"sandbox.orchestrator.dev/fail": "image-not-found"}
    model = stage.model("all", *manifests, replicas=2, health=kinds.INERT)
    return "apply", stage.playbook(model, {"scope": {"in": [stage.country]}}, onFailure="rollback-run")


def _locked(stage: Stage) -> tuple[str, ...]:
    """Somebody else holds the lock: the tool says who."""
    model = f"{stage.name}-all"
    spec = {"holderIdentity": "somebody@else", "leaseDurationSeconds": 3601}
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": f"lock.{model}", "namespace": OURS},
        "spec": spec,
    }
    stage.admin.apply(lease)
    return "disable", model, "--all"


def _disable(stage: Stage) -> tuple[str, ...]:
    stage.admin.kubectl("delete", "lease", f"lock.{stage.name}-all", "-n", OURS, "--ignore-not-found")
    return "disable", f"{stage.name}-all", "--all"


def _adopt(stage: Stage) -> tuple[str, ...]:
    labels = {"team": stage.name}
    theirs = [kinds.workload(kind, f"theirs-{kind.lower()}", stage.name) for kind in ("Deployment", "StatefulSet")]
    for manifest in theirs:
        manifest["metadata"]["labels"] = labels
    stage.admin.apply(*theirs)
    stage.admin.kubectl("rollout", "status", "-n", stage.name, "deployment/theirs-deployment", "--timeout=30s")
    return "enable", stage.model("theirs", adopt={"selector": labels}), "--all"


def _disable_under_gitops(stage: Stage) -> tuple[str, ...]:
    workloads, owners = kinds.owned_by_gitops(stage.name)
    stage.admin.apply(*workloads, *owners)
    return "disable", stage.model("gitops", *workloads), "--all"


def _unschedulable(stage: Stage) -> tuple[str, ...]:
    """No node could ever take it, which the nodes tell at once."""
    manifest = kinds.workload("Deployment", "huge", stage.name, requests={"cpu": "1000"})
    return "apply", stage.playbook(stage.model("huge", manifest, replicas=1), EVERYWHERE)


def _wait_for_a_node(stage: Stage) -> tuple[str, ...]:
    """No node takes it now, and one that is added may: the nodes are watched until the time is up."""
    manifest = kinds.workload("Deployment", "picky", stage.name)
    manifest["spec"]["template"]["spec"]["nodeSelector"] = {"rack": "none"}
    model = stage.model("picky", manifest, replicas=1)
    return "apply", stage.playbook(model, EVERYWHERE, deadline="4s")


LEGS = (
    Leg("enable", _enable),
    Leg("crash", _crash, code=1),
    Leg("status", _status("all")),
    Leg("verify", _verify),
    Leg("prune", _prune),
    Leg("roll back", _roll_back, code=1),
    Leg("locked", _locked, code=4),
    Leg("disable", _disable),
    Leg("adopt", _adopt),
    Leg("disable under GitOps", _disable_under_gitops),
    Leg("unschedulable", _unschedulable, code=1),
    Leg("wait for a node", _wait_for_a_node, code=1),
)


LOOKING = (
    Leg("status", _status("all")),
    Leg("verify", _verify),
    Leg("status of what is off", _status("gitops")),
    Leg("status of what no node takes", _status("huge"), code=1),
)
"""What a viewer does, once the legs of `SHOWN` were walked by somebody else."""


def _enable_twice(stage: Stage) -> tuple[str, ...]:
    """Two objects of each kind: only then are they listed."""
    first, second = (kinds.everything(f"{stage.name}-all", name) for name in ("server", "second"))
    model = stage.model("all", *first, *second[1:], health=kinds.INERT)
    return "apply", stage.playbook(model, EVERYWHERE)


SHOWN = (
    Leg("enable", _enable_twice),
    Leg("disable under GitOps", _disable_under_gitops),
    Leg("unschedulable", _unschedulable, code=1),
)


def walk(stage: Stage, legs: tuple[Leg, ...] = LEGS) -> Iterator[tuple[Leg, Finished]]:
    """Every leg in turn, and how it ended."""
    for leg in legs:
        yield leg, stage.run(*leg.prepare(stage))


def narrow(workspace: Path, cluster: str, kubeconfig: Path) -> str:
    """Leave one cluster in the fleet, reached through another kubeconfig; returns its country."""
    path = workspace / "fleet.yaml"
    fleet = yaml.safe_load(path.read_text())
    fleet["spec"]["clusters"] = [one for one in fleet["spec"]["clusters"] if one["name"] == cluster]
    fleet["spec"]["kubeconfig"] = str(kubeconfig)
    path.write_text(yaml.safe_dump(fleet, sort_keys=False))
    return str(fleet["spec"]["clusters"][0]["country"])
