"""Real control planes for the cluster tests: started once for the whole run, a fresh namespace for each test."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from orchestrator import sandbox

KUBECTL = str(Path(sys.executable).with_name("kubectl"))


@dataclass(frozen=True)
class ControlPlanes:
    """Three real control planes that every test shares."""

    directory: Path
    kubeconfig: Path
    fleet_file: Path
    clusters: list[str]

    def kubectl(self, cluster: str, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """What kubectl prints for one cluster; an independent client, so that we never judge ourselves by ourselves."""
        command = [KUBECTL, "--kubeconfig", str(self.kubeconfig), "--context", cluster, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout if done.returncode == 0 else done.stderr


@pytest.fixture(scope="session")
def control_planes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlanes]:
    directory = tmp_path_factory.mktemp("control-planes") / "sandbox"
    sandbox.up(directory, 3, lambda line: None)
    fleet_file = directory / "fleet.yaml"
    fleet = yaml.safe_load(fleet_file.read_text())
    try:
        yield ControlPlanes(
            directory=directory,
            kubeconfig=directory / "kubeconfig",
            fleet_file=fleet_file,
            clusters=[cluster["name"] for cluster in fleet["spec"]["clusters"]],
        )
    finally:
        sandbox.down(directory)


@pytest.fixture
def namespace(control_planes: ControlPlanes) -> Iterator[str]:
    """A fresh namespace on every control plane, deleted (without waiting) afterwards."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    for cluster in control_planes.clusters:
        control_planes.kubectl(cluster, "create", "namespace", name)
    yield name
    for cluster in control_planes.clusters:
        control_planes.kubectl(cluster, "delete", "namespace", name, "--wait=false", check=False)


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


Run = Callable[..., Finished]


@pytest.fixture
def orchestrator(control_planes: ControlPlanes, tmp_path: Path) -> Run:
    """Runs the real command line as its user would, with a state folder of the test's own."""

    def run(*arguments: str, workspace: Path | None = None, env: dict[str, str] | None = None) -> Finished:
        place = ["-C", str(workspace)] if workspace else []
        environment = {
            "PATH": str(Path(sys.executable).parent) + ":/usr/bin:/bin",
            "HOME": str(tmp_path),
            "ORCHESTRATOR_STATE": str(tmp_path / "state"),
            "KUBECONFIG": str(control_planes.kubeconfig),
            "NO_COLOR": "1",
            "COLUMNS": "160",
            **(env or {}),
        }
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", *place, *arguments],
            capture_output=True,
            text=True,
            timeout=180,
            env=environment,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    return run
