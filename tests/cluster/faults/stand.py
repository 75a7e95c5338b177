"""One model in three regions, the way to the last of them through a proxy that fails: where a fault meets commands."""

from __future__ import annotations

import base64
import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace
from tests.faults.certificates import Authority, Pair
from tests.faults.proxy import FaultProxy

JsonObject = dict[str, Any]
REPLICAS = 2
_ENDS_SOON = ("--progress-deadline", "20s", "--cluster-deadline", "20s")
IMPATIENT = ("--connect-timeout", "3s", "--request-timeout", "5s")
"""For faults that last as long as one waits."""


@dataclass
class Stand:
    """A model named after its namespace; `ill` is the cluster behind the proxy."""

    planes: ControlPlanes
    workspace: TestWorkspace
    run: Run
    proxy: FaultProxy
    authority: Authority
    folder: Path
    open_proxy: Callable[[Pair], AbstractContextManager[FaultProxy]]
    """A further proxy before the same cluster, which presents another certificate."""
    image: int = 1
    state: str = "absent"
    """`absent`, `on`, `off` or `dark`."""

    @property
    def model(self) -> str:
        """The model, and its namespace."""
        return self.workspace.model

    @property
    def ill(self) -> str:
        """The cluster behind the proxy."""
        return self.planes.clusters[-1]

    @property
    def well(self) -> list[str]:
        """The clusters that are reached directly."""
        return self.planes.clusters[:-1]

    def write(self) -> None:
        """The workspace: the model, a playbook and an order."""
        labels = {"app": "server"}
        self.workspace.write_model(
            self.workspace.deployment(image=f"registry.example/server:{self.image}", pod_labels=labels),
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "server", "namespace": self.model},
                "spec": {"selector": labels, "ports": [{"port": 80}]},
            },
            replicas=REPLICAS,
        )
        step = {"name": "on", "enable": {"scope": {"all": True}}, "strategy": {"progressDeadline": "20s"}}
        self.workspace.write_playbook(step)
        order = {
            "authority": "Bureau of Examples",
            "reference": "EX-2026-0612",
            "models": [self.model],
            "about": {"everyone": True},
            "restore": {"jitter": "0s"},
        }
        self.workspace.write(
            "playbooks/orders/order.yaml",
            {"apiVersion": "orchestrator/v1", "kind": "Order", "metadata": {"name": self.model}, "spec": order},
        )

    def words(self, command: str) -> tuple[str, ...]:
        """The command line of a command, without where it looks."""
        playbook, order = f"playbooks/{self.model}-rollout.yaml", ("--order", "playbooks/orders/order.yaml")
        confirm = ("--confirm", self.model)
        return {
            "status": ("status", self.model),
            "plan": ("plan", playbook, "--exit-code"),
            "verify": ("verify", self.model, "--expect", "enabled"),
            "enable": ("enable", self.model, "--all", *_ENDS_SOON),
            "apply": ("apply", playbook, "--take-over", "--cluster-deadline", "20s"),
            "disable": ("disable", self.model, "--all", "--soak", "1s", *_ENDS_SOON),
            "takedown": ("takedown", *order, *confirm, "--rehearse", "--soak", "1s", "--cluster-deadline", "30s"),
            "restore": ("restore", *order, *confirm, "--lift-reference", "EX-2026-0701", *_ENDS_SOON),
        }[command]  # fmt: skip

    def kubeconfig(self, server: JsonObject | None = None, user: JsonObject | None = None) -> Path:
        """A kubeconfig whose last context leads through the proxy, but for what a fault sets otherwise."""
        document = copy.deepcopy(yaml.safe_load(self.planes.kubeconfig.read_text()))
        context = next(one["context"] for one in document["contexts"] if one["name"] == self.ill)
        trusted = base64.b64encode(self.authority.pem).decode()
        for one in document["clusters"]:
            if one["name"] == context["cluster"]:
                one["cluster"] = {"server": self.proxy.url, "certificate-authority-data": trusted, **(server or {})}
        document["users"].append({"name": "through-the-proxy", "user": user or {"token": "token-1"}})
        context["user"] = "through-the-proxy"
        path = self.folder / f"kubeconfig-{time.monotonic_ns()}"
        path.write_text(yaml.safe_dump(document))
        path.chmod(0o600)
        return path

    def do(self, command: str, kubeconfig: Path | None = None, *more: str, root: tuple[str, ...] = ()) -> Finished:
        """Run a command to its end, through the proxy when a kubeconfig that leads there is given."""
        way = ("--kubeconfig", str(kubeconfig)) if kubeconfig else ()
        place = ("-C", str(self.workspace.root))
        return self.run(*place, *root, *self.words(command), *way, "-o", "json", *more)

    def settle(self, command: str) -> Finished:
        """The same command over healthy ways: it has to end well, whatever was left behind."""
        waiting = () if command in ("takedown", "restore") else ("--wait-lock", "60s")
        return self.do(command, None, *waiting)

    # What is true, seen by an independent client.

    def truth(self, cluster: str, command: str) -> str:
        """Why what a command calls verified is not so; empty when it is."""
        deployment = self.planes.read(cluster, "deployment", "server", "-n", self.model)
        pods = self.planes.read(cluster, "pods", "-n", self.model)["items"]
        if command in ("disable", "takedown"):
            guarded = self._why_not_guarded(cluster) if command == "takedown" else ""
            return self._why_not_off(deployment, pods) or guarded
        return self._why_not_on(deployment, pods)

    def _why_not_on(self, deployment: JsonObject | None, pods: list[JsonObject]) -> str:
        if deployment is None:
            return "there is no Deployment"
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        running = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        images = {pod["spec"]["containers"][0]["image"] for pod in running}
        ready = deployment.get("status", {}).get("readyReplicas", 0)
        wanted = f"registry.example/server:{self.image}"
        if (image, images, ready, len(running)) != (wanted, {wanted}, REPLICAS, REPLICAS):
            return f"{ready} of {len(running)} pods ready, image {image}, wanted {wanted}"
        return ""

    def _why_not_off(self, deployment: JsonObject | None, pods: list[JsonObject]) -> str:
        if pods:
            return f"{len(pods)} pods are there"
        replicas = deployment["spec"]["replicas"] if deployment else 0
        return f"{replicas} replicas are asked for" if replicas else ""

    def _why_not_guarded(self, cluster: str) -> str:
        done = self.planes.kubectl(
            cluster, "-n", self.model, "scale", "deployment", "server", "--replicas=1", "--dry-run=server", check=False
        )
        return "" if "denied" in done or "ValidatingAdmissionPolicy" in done else f"no guard: {done.strip()}"

    def locks(self, cluster: str) -> list[str]:
        """Locks on the model that somebody holds."""
        leases = self.planes.read(cluster, "leases", "-n", "orchestrator-system")["items"]
        held = (one["metadata"]["name"] for one in leases if one["spec"].get("holderIdentity"))
        return [name for name in held if self.model in name]
