"""No secret is ever told: every byte of output, run folders, evidence and our own records is searched for planted ones.

The commands are real, and so are the control planes; some clusters cannot be used, and one command crashes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.canaries import Canaries, add_broken, is_private, manifests, write_kubeconfig
from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace
from tests.cluster.orders import Scene
from tests.cluster.test_takedown_records import keys
from tests.cluster.test_takedown_traps import clean_up

CRASHING = """
import sys
from orchestrator.cli.app import run
from orchestrator.delivery.client import KubernetesCluster

async def apply(self, manifest, **options):
    raise RuntimeError("a defect, while everything is in hand")

KubernetesCluster.apply = KubernetesCluster.create = KubernetesCluster.patch = apply
sys.exit(run(sys.argv[1:]))
"""


@dataclass
class Stage:
    """The scene, what was planted, and everything that was said."""

    scene: Scene
    canaries: Canaries
    home: Path
    environment: dict[str, str]
    said: list[tuple[str, bytes]] = field(default_factory=list)

    def run(self, *arguments: str) -> Finished:
        """One command; what it says is kept for the search."""
        done = self.scene.orchestrator(*arguments, env=self.environment)
        self.said.append((" ".join(arguments), (done.stdout + done.stderr).encode()))
        return done

    def crash(self, *arguments: str) -> Finished:
        """One command in a process whose every write ends in a traceback."""
        place = ["-C", str(self.scene.workspace.root)]
        environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(self.home)}
        environment |= {"ORCHESTRATOR_STATE": str(self.home / "state"), **self.environment}
        command = [sys.executable, "-c", CRASHING, *place, *arguments]
        done = subprocess.run(command, capture_output=True, timeout=180, env=environment, check=False)
        self.said.append(("crash", done.stdout + done.stderr))
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def stage(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, tmp_path: Path
) -> Iterator[Stage]:
    canaries = Canaries()
    outside = tmp_path / "outside"
    outside.mkdir()
    kubeconfig = write_kubeconfig(control_planes, canaries, outside)
    add_broken(workspace)
    scene = Scene(control_planes, workspace, orchestrator)
    environment = {"KUBECONFIG": str(kubeconfig), "HTTPS_TOKEN": canaries.plant("environment")}
    environment["HTTPS_PROXY"] = f"http://user:{canaries.plant('proxy of the environment')}@127.0.0.1:1"
    yield Stage(scene, canaries, tmp_path, environment)
    clean_up(scene)


def write_model(stage: Stage, generation: int, *, probes: tuple[str, ...] = ()) -> None:
    stage.scene.workspace.write_model(
        *manifests(stage.scene.workspace, stage.canaries, generation),
        replicas=1,
        probes=[{"url": url, "from": "workstation", "path": "/v1/models"} for url in probes],
        match={"images": [f"registry.example/{stage.scene.workspace.model}"]},
    )


def perform(stage: Stage) -> list[str]:
    """Planned, switched on, changed, crashed and taken down; the identities of the runs."""
    workspace, model = stage.scene.workspace, stage.scene.workspace.model
    write_model(stage, 1)
    playbook = workspace.write_playbook({"name": "on", "enable": {"scope": {"all": True}}})
    stage.run("plan", playbook, "--save", str(stage.home / "saved.plan"))
    stage.run("plan", playbook, "-o", "json")
    runs = [stage.run("enable", model, "--all", "-o", "json").expect(3).json["run"]]
    write_model(stage, 2)
    crash = stage.crash("apply", playbook)
    assert "a defect" in crash.stderr, crash.stderr
    write_model(stage, 3, probes=(f"http://user:{stage.canaries.plant('password of a probe')}@127.0.0.1:1/",))
    stage.run("verify", model, "--expect", "enabled").expect(2)
    write_model(stage, 2)
    order = stage.scene.write_order(models=[model])
    confirmed = ("--confirm", model, "--soak", "1s", "--cluster-deadline", "60s")
    taken = stage.run("takedown", "--order", order, "--rehearse", *confirmed, "-o", "json").expect(3)
    return [*runs, taken.json["run"]]


def perform_the_rest(stage: Stage) -> list[str]:
    """What else there is to see and to do, before and after it comes back."""
    model = stage.scene.workspace.model
    stage.run("fleet", "check").expect(3)
    playbook = f"playbooks/{model}-rollout.yaml"
    order = "playbooks/orders/directive.yaml"
    stage.run("status", "-o", "yaml")
    stage.run("status")
    stage.run("hold", "list")
    stage.run("orders", "show", order)
    stage.run("plan", "--order", order, "--rehearse")
    lifted = ("--lift-reference", "EX-1", "--confirm", model, "--cluster-deadline", "60s")
    runs = [stage.run("restore", "--order", order, *lifted, "-o", "json").json["run"]]
    write_model(stage, 3, probes=("http://127.0.0.1:1/",))
    stage.run("verify", model, "--expect", "enabled").expect(3)
    for form in ("table", "yaml"):
        stage.run("plan", playbook, "-o", form)
    write_model(stage, 4)
    runs.append(stage.run("apply", playbook, "-o", "json").expect(3).json["run"])
    for run in runs:
        stage.run("runs", "show", run)
    return runs


def refuse_a_secret(stage: Stage) -> None:
    """What the API server refuses is told, but not what it quotes."""
    workspace = stage.scene.workspace
    broken = manifests(workspace, stage.canaries, 5)
    broken[1]["data"]["key"] = f"%{stage.canaries.plant('Secret that is no base64')}"
    broken[1]["type"] = "kubernetes.io/dockerconfigjson"
    workspace.write_model(*broken, replicas=1)
    stage.run("enable", workspace.model, "--cluster", stage.scene.planes.clusters[1], "-o", "json")


def records(planes: ControlPlanes, cluster: str) -> bytes:
    """Everything of ours in a cluster that is no Secret, and every event."""
    ours: list[Any] = [
        planes.read(cluster, "configmaps,leases", "-n", "orchestrator-system"),
        planes.read(cluster, "validatingadmissionpolicies,validatingadmissionpolicybindings"),
        planes.read(cluster, "events", "-A"),
    ]
    return json.dumps(ours).encode()


def check_nothing_seen(stage: Stage, runs: list[str]) -> None:
    private, _ = keys(stage.home)
    for run in runs:
        file = stage.scene.workspace.root / f"{run}.jsonl"
        stage.run("evidence", "export", run, "--key", str(private), "--save", str(file))
        assert is_private(file)
        stage.said.append((file.name, file.read_bytes()))
    for cluster in stage.scene.planes.clusters:
        stage.said.append((f"records of {cluster}", records(stage.scene.planes, cluster)))
    state = list((stage.home / "state").rglob("*"))
    stage.said += [(str(path), path.read_bytes()) for path in state if path.is_file()]

    assert sum("journal.jsonl" in name for name, _ in stage.said) >= len(runs)
    assert [str(path) for path in state if not is_private(path)] == []
    assert is_private(stage.home / "saved.plan")
    # The search is no use unless it finds what there is: a saved plan is what will be applied, Secrets included.
    saved = stage.canaries.found_in((stage.home / "saved.plan").read_bytes())
    assert {"variable 1", "argument 1", "Secret data 1"} <= set(saved)
    found = {f"{canary} in {name}" for name, content in stage.said for canary in stage.canaries.found_in(content)}
    assert sorted(found) == []


@pytest.mark.slow
def test_no_planted_secret_is_ever_seen_again(stage: Stage) -> None:
    """A bad day's commands: some clusters cannot be used, and one command ends in a traceback."""
    check_nothing_seen(stage, perform(stage))


@pytest.mark.long
def test_no_planted_secret_is_seen_by_any_command_before_or_after(stage: Stage) -> None:
    """Every way of looking, the way back, and what the API server itself refuses and quotes."""
    runs = perform(stage)
    runs += perform_the_rest(stage)
    refuse_a_secret(stage)
    check_nothing_seen(stage, runs)
