"""One model in three regions, the way to the last of them through a proxy that fails: where a fault meets commands."""

from __future__ import annotations

import base64
import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace
from tests.cluster.faults.telling import Told
from tests.faults.certificates import Authority, Pair
from tests.faults.proxy import FaultProxy

JsonObject = dict[str, Any]
REPLICAS = 2
_SENT, _SETTLED, _DARK = 20, 20, 30
"""Deadlines in seconds: of sending, of becoming healthy or dark, and of a takedown as a whole."""
_JITTER, _DRILL = 30, 60
"""Seconds: before an operator's hold is lifted in a cluster, and for some thirty dry runs, one after the other."""
_ENDS_SOON = ("--progress-deadline", f"{_SETTLED}s", "--cluster-deadline", f"{_SENT}s")
_DARK_SOON = ("--cluster-deadline", f"{_DARK}s")
_OWN_DEADLINES = {
    **dict.fromkeys(("enable", "apply", "runs resume", "disable", "restore"), _SENT + _SETTLED),
    "hold lift": _SENT + _SETTLED + _JITTER,
    "drill": _DRILL,
    **dict.fromkeys(("takedown", "disable --hold"), _DARK),
}
_GUARDS = ("takedown", "disable --hold", "verify --order")
_WAITS = ("enable", "apply", "disable")
_TIMEOUTS, _SHORT_TIMEOUTS = (5, 15), (3, 5)
"""Seconds for a connection, and for an answer: by default, and for faults that last as long as one waits."""
IMPATIENT = ("--connect-timeout", f"{_SHORT_TIMEOUTS[0]}s", "--request-timeout", f"{_SHORT_TIMEOUTS[1]}s")
_ANSWERS = 3
"""Answers that may time out in a row outside of a command's own deadlines: a look, the last list, a lock given back."""


def deadline(command: str, root: tuple[str, ...]) -> float:
    """Seconds after which a command has to have ended by its flags, on a machine that has nothing else to do."""
    connect, request = _SHORT_TIMEOUTS if root == IMPATIENT else _TIMEOUTS
    return connect + _ANSWERS * request + _OWN_DEADLINES.get(command, 0)


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
    """`absent`, `on`, `off`, `dark` (under the order) or `held` (by an operator)."""
    hold: str = ""
    """Name of the operator's hold that was last placed."""
    took: float = 0.0
    """Seconds that the latest command over healthy ways took: how busy the machine is."""

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
        step = {"name": "on", "enable": {"scope": {"all": True}}, "strategy": {"progressDeadline": f"{_SETTLED}s"}}
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
            "apply": ("apply", playbook, "--take-over", "--cluster-deadline", f"{_SENT}s"),
            "disable": ("disable", self.model, "--all", "--soak", "1s", *_ENDS_SOON),
            "takedown": ("takedown", *order, *confirm, "--rehearse", "--soak", "1s", *_DARK_SOON),
            "restore": ("restore", *order, *confirm, "--lift-reference", "EX-2026-0701", *_ENDS_SOON),
            "verify --order": ("verify", *order, "--rehearse"),
            "drill": ("drill", *order, "--rehearse"),
            "orders show": ("orders", "show", self.model),
            "hold list": ("hold", "list"),
            "disable --hold": ("disable", self.model, "--all", "--hold", "incident 4711", "--soak", "1s", *_DARK_SOON),
            "hold lift": ("hold", "lift", self.hold, "--confirm", self.hold, *_ENDS_SOON),
            "fleet check": ("fleet", "check"),
            "runs resume": ("runs", "resume", "--last"),
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
        if command == "runs resume":
            # It goes on as the run was asked, and that kept only where its kubeconfig is.
            way = ()
            shutil.copyfile(kubeconfig or self.planes.kubeconfig, self._kubeconfig_of_run)
        done = self.run("-C", str(self.workspace.root), *root, *self.words(command), *way, "-o", "json", *more)
        if command == "disable --hold":
            self.hold = done.json.get("order") or self.hold
        return done

    def cut_off(self, root: tuple[str, ...]) -> None:
        """Leave a rollout behind that was killed in the ill cluster: half done, and with its locks."""
        shutil.copyfile(self.planes.kubeconfig, self._kubeconfig_of_run)
        self._kubeconfig_of_run.chmod(0o600)
        words = (*root, *self.words("apply"), "--kubeconfig", str(self._kubeconfig_of_run))
        done = subprocess.run(
            [sys.executable, "-m", "tests.cluster.cut_off", "-C", str(self.workspace.root), *words],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "ORCHESTRATOR_STATE": str(self.folder / "state"),
                "CUT_OFF": json.dumps({"type": "answered", "cluster": self.ill, "text": "Deployment"}),
            },
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, f"not cut off: {done.returncode}\n{done.stdout}\n{done.stderr}"

    @property
    def _kubeconfig_of_run(self) -> Path:
        return self.folder / "kubeconfig-of-the-run"

    def settle(self, command: str) -> Finished:
        """The same command over healthy ways: it has to end well, whatever was left behind."""
        began = time.monotonic()
        done = self.do(command, None, *(("--wait-lock", "60s") if command in _WAITS else ()))
        self.took = time.monotonic() - began
        return done

    # What is true, seen by an independent client.

    def truth(self, cluster: str, command: str, told: Told) -> str:
        """Why a cluster that a command calls well is not so; empty when it is."""
        if command == "fleet check":
            uid = self.planes.read(cluster, "namespace", "kube-system")["metadata"]["uid"]
            return "" if told.uid == uid else f"it is {uid}, and was called {told.uid}"
        if command in ("orders show", "hold list"):
            return self._why_not_recorded(cluster)
        deployment = self.planes.read(cluster, "deployment", "server", "-n", self.model)
        pods = self.planes.read(cluster, "pods", "-n", self.model)["items"]
        if command in ("disable", *_GUARDS):
            guarded = self._why_not_guarded(cluster) if command in _GUARDS else ""
            return self._why_not_off(deployment, pods) or guarded
        if command == "plan":
            return ""
        return self._why_not_on(deployment, pods) or (self._why_not_untouched(cluster) if command == "drill" else "")

    def _why_not_recorded(self, cluster: str) -> str:
        return "" if self.holds(cluster) else "no hold lies there"

    def _why_not_untouched(self, cluster: str) -> str:
        return "the drill left a hold" if self.holds(cluster) else ""

    def holds(self, cluster: str) -> list[JsonObject]:
        """Holds on the model that are recorded in a cluster."""
        records = ("configmaps", "-n", "orchestrator-system", "-l", "orchestrator.dev/record=hold")
        return [one for one in self.planes.read(cluster, *records)["items"] if self.model in one["metadata"]["name"]]

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

    def locks(self, cluster: str) -> dict[str, str]:
        """Locks on the model that somebody holds, each with its holder."""
        leases = self.planes.read(cluster, "leases", "-n", "orchestrator-system")["items"]
        held = {one["metadata"]["name"]: one["spec"].get("holderIdentity") for one in leases}
        return {name: holder for name, holder in held.items() if holder and self.model in name}

    def clear_locks(self, cluster: str) -> None:
        """What an administrator does to locks that nobody needs, so that the next command meets none."""
        leases = self.planes.read(cluster, "leases", "-n", "orchestrator-system")["items"]
        names = [one["metadata"]["name"] for one in leases if self.model in one["metadata"]["name"]]
        if names:
            self.planes.kubectl(cluster, "-n", "orchestrator-system", "delete", "lease", "--ignore-not-found", *names)
