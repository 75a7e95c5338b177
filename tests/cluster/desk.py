"""One model at the desk of somebody who works on it with real processes: started, listened to, and cut short."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.orders import Scene
from tests.cluster.test_takedown_traps import clean_up

JsonObject = dict[str, Any]
SOAK = "5s"


@dataclass
class Desk:
    """A workspace with one model, and processes that work on it."""

    scene: Scene
    home: Path

    @property
    def model(self) -> str:
        return self.scene.workspace.model

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "orchestrator", "-C", str(self.scene.workspace.root), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.home), "ORCHESTRATOR_STATE": str(self.home / "state"), "TERM": "xterm"}

    @contextmanager
    def start(self, *arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """A command under way; ended with the test, whatever happens."""
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        with subprocess.Popen(self.command(*arguments), text=True, env=self.environment, **streams) as process:
            try:
                yield process
            finally:
                process.kill()

    def arguments(self, verb: str, order: str) -> list[str]:
        """The command line of a verb, with a soak where it has one."""
        named = ["--order", order, "--confirm", self.model]
        return {
            "apply": ["apply", "playbooks/on.yaml"],
            "enable": ["enable", self.model, "--all"],
            "disable": ["disable", self.model, "--all", "--soak", SOAK],
            "takedown": ["takedown", *named, "--rehearse", "--soak", SOAK],
            "follow": ["takedown", *named, "--rehearse", "--soak", SOAK, "--follow"],
            "restore": ["restore", *named, "--lift-reference", "EX-1"],
        }[verb]

    def holders(self) -> list[str]:
        """Who holds a lock on the model, in any cluster."""
        planes, name = self.scene.planes, f"lock.{self.model}"
        leases = [planes.read(cluster, "lease", name, "-n", "orchestrator-system") for cluster in planes.clusters]
        return [str(lease["spec"].get("holderIdentity")) for lease in leases if lease]

    def newest_result(self) -> JsonObject:
        """What the newest run kept as its result."""
        (newest,) = sorted((self.home / "state" / "runs").iterdir())[-1:]
        found: JsonObject = json.loads((newest / "result.json").read_text())
        return found


def heard(process: subprocess.Popen[str], words: str) -> list[str]:
    """What it says on stderr until these words."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError("".join(lines))


def prepare(desk: Desk, verb: str) -> str:
    """Whatever has to be so before this verb has something to do; the order's path."""
    waves = [{"name": "all", "scope": {"all": True}, "soak": SOAK}]
    order = desk.scene.write_order("directive", models=[desk.model], restore={"jitter": "0s", "waves": waves})
    if verb not in ("apply", "enable"):
        desk.scene.orchestrator("enable", desk.model, "--all", "-o", "json").expect(0)
    if verb == "restore":
        desk.scene.take_down(order, models=[desk.model]).expect(0)
    return order


@contextmanager
def desk_of(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, tmp_path: Path
) -> Iterator[Desk]:
    """A desk whose model is off yet; nothing of it outlives the test."""
    workspace.write_model(replicas=1)
    workspace.write_playbook({"name": "everywhere", "enable": {"scope": {"all": True}}, "soak": SOAK}, name="on")
    scene = Scene(control_planes, workspace, orchestrator)
    yield Desk(scene, tmp_path)
    clean_up(scene)
