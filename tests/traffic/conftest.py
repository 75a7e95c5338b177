"""Two real control planes in a network namespace of their own, with pods that answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator import sandbox
from tests.traffic.data_plane import data_plane

KUBECTL = str(Path(sys.executable).with_name("kubectl"))


@dataclass(frozen=True)
class Regions:
    """A running sandbox whose pods answer requests."""

    directory: Path
    clusters: list[str]

    def kubectl(self, cluster: str, *arguments: str, stdin: str | None = None) -> str:
        command = [KUBECTL, "--kubeconfig", str(self.directory / "kubeconfig"), "--context", cluster, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def addresses(self, cluster: str, namespace: str) -> list[str]:
        """The addresses of all pods there."""
        pods = json.loads(self.kubectl(cluster, "get", "pods", "-n", namespace, "-o", "json"))["items"]
        return [pod["status"]["podIP"] for pod in pods if pod["status"].get("podIP")]

    def orchestrator(self, *arguments: str, state: Path) -> subprocess.CompletedProcess[str]:
        """The real command line, with a state folder of the test's own."""
        environment = {**os.environ, "ORCHESTRATOR_STATE": str(state), "NO_COLOR": "1"}
        return subprocess.run(
            [sys.executable, "-m", "orchestrator", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="session")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Regions]:
    directory = tmp_path_factory.mktemp("traffic") / "sandbox"
    try:
        running = sandbox.up(directory, 2, lambda line: None)
        found = Regions(directory, [cluster.name for cluster in running.clusters])
        with data_plane(found.kubectl, found.clusters):
            yield found
    finally:
        sandbox.down(directory)


@pytest.fixture
def namespace(regions: Regions) -> Iterator[str]:
    """A fresh namespace everywhere."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    for cluster in regions.clusters:
        regions.kubectl(cluster, "create", "namespace", name)
    yield name
    for cluster in regions.clusters:
        regions.kubectl(cluster, "delete", "namespace", name, "--wait=false")
