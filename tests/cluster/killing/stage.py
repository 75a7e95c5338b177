"""One run that is killed: a model, namespace, workspace and home of its own on the shared control planes."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace, command_line
from tests.cluster.killing.livestate import JsonObject, read_state
from tests.cluster.killing.points import Point

ROOT = Path(__file__).parents[3]
_RECORDS = ("-n", "orchestrator-system", "--wait=false")


@dataclass(frozen=True)
class Stage:
    """One run of a story: a model, namespace, workspace and home of its own."""

    planes: ControlPlanes
    workspace: TestWorkspace
    home: Path
    clusters: list[str]
    _run: Run = field(repr=False)

    @classmethod
    def build(cls, planes: ControlPlanes, folder: Path, clusters: list[str]) -> Stage:
        """A stage over some of the clusters."""
        namespace = f"k-{uuid.uuid4().hex[:8]}"
        home = folder / namespace
        root = home / "workspace"
        root.mkdir(parents=True)
        fleet = yaml.safe_load(planes.fleet_file.read_text())
        fleet["spec"]["kubeconfig"] = str(planes.kubeconfig)
        fleet["spec"]["clusters"] = [one for one in fleet["spec"]["clusters"] if one["name"] in clusters]
        (root / "fleet.yaml").write_text(yaml.safe_dump(fleet, sort_keys=False))
        for cluster in clusters:
            planes.kubectl(cluster, "create", "namespace", namespace)
        return cls(planes, TestWorkspace(root, namespace), home, clusters, command_line(planes, home))

    @property
    def namespace(self) -> str:
        """The namespace, which is the model's name as well."""
        return self.workspace.namespace

    @property
    def journal(self) -> Path:
        """The journal of the only run that was made since `forget_runs`."""
        (found,) = (self.home / "state" / "runs").glob("*/journal.jsonl")
        return found

    def forget_runs(self) -> None:
        """Put aside what the runs before left in the state folder."""
        runs = self.home / "state" / "runs"
        if runs.exists():
            runs.rename(self.home / f"runs-{uuid.uuid4().hex[:8]}")

    def orchestrator(self, *arguments: str, **options: Any) -> Finished:
        """The real command line in this workspace."""
        return self._run(*arguments, workspace=self.workspace.root, **options)

    def die(self, point: Point, *arguments: str) -> int:
        """The same, killed at this point; the id of its process. Fails when the point was never reached."""
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.home),
            "ORCHESTRATOR_STATE": str(self.home / "state"),
            "PYTHONPATH": str(ROOT),
            "KILL_POINT": str(point),
            "KILL_NAMESPACE": self.namespace,
        }
        place = ("-C", str(self.workspace.root))
        command = [sys.executable, "-m", "tests.cluster.killing.dying", *place, *arguments]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        ) as process:
            try:
                stdout, stderr = process.communicate(timeout=180)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert process.returncode == -signal.SIGKILL, (
            f"not killed {point}: it exited with {process.returncode}\n{stdout}\n{stderr}"
        )
        return process.pid

    def state(self) -> dict[str, dict[str, JsonObject]]:
        """Everything there is of this stage, by cluster."""
        return {cluster: read_state(self.planes, cluster, self.namespace) for cluster in self.clusters}

    def clean_up(self) -> None:
        """No guard, no record and no pod outlives the stage."""
        label = f"orchestrator.dev/model={self.namespace}"
        ours = "validatingadmissionpolicybindings,validatingadmissionpolicies,configmaps,secrets,leases"
        for cluster in self.clusters:
            self.planes.kubectl(cluster, "delete", ours, "-l", label, *_RECORDS, check=False)
            self.planes.kubectl(cluster, "delete", "namespace", self.namespace, "--wait=false", check=False)
