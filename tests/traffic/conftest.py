"""Two real control planes in a network namespace of their own, with pods that answer."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestrator import sandbox
from tests.traffic.data_plane import data_plane
from tests.traffic.gateways import Gateway, gateway

KUBECTL = str(Path(sys.executable).with_name("kubectl"))


@dataclass(frozen=True)
class Regions:
    """A running sandbox whose pods answer requests."""

    directory: Path
    proxies: dict[str, int]
    """Per cluster the local port of a `kubectl proxy`: pods answer at once, where a new kubectl each time would not."""

    @property
    def clusters(self) -> list[str]:
        return list(self.proxies)

    def kubectl(self, cluster: str, *arguments: str, stdin: str | None = None) -> str:
        command = [KUBECTL, "--kubeconfig", str(self.directory / "kubeconfig"), "--context", cluster, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def read(self, cluster: str, path: str) -> list[dict[str, Any]]:
        """The items of a list."""
        connection = http.client.HTTPConnection("127.0.0.1", self.proxies[cluster], timeout=30)
        try:
            connection.request("GET", path)
            items: list[dict[str, Any]] = json.loads(connection.getresponse().read())["items"]
        finally:
            connection.close()
        return items

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


@contextmanager
def proxy(kubeconfig: Path, cluster: str) -> Iterator[int]:
    """A `kubectl proxy` to one cluster; its port."""
    command = [KUBECTL, "--kubeconfig", str(kubeconfig), "--context", cluster, "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline().rpartition(":")[2])
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Regions]:
    directory = tmp_path_factory.mktemp("traffic") / "sandbox"
    try:
        running = sandbox.up(directory, 2, lambda line: None)
        with ExitStack() as stack:
            ports = {one.name: stack.enter_context(proxy(running.kubeconfig, one.name)) for one in running.clusters}
            found = Regions(directory, ports)
            stack.enter_context(data_plane(found.read, found.clusters))
            yield found
    finally:
        sandbox.down(directory)


@pytest.fixture(scope="session")
def edge(regions: Regions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Contour and Envoy before the first region."""
    folder = tmp_path_factory.mktemp("gateway")
    cluster = regions.clusters[0]
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(regions.kubectl(cluster, "config", "view", "--minify", "--flatten"))
    with gateway(partial(regions.kubectl, cluster), kubeconfig, folder) as running:
        yield running


@pytest.fixture
def namespace(regions: Regions) -> Iterator[str]:
    """A fresh namespace everywhere."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    for cluster in regions.clusters:
        regions.kubectl(cluster, "create", "namespace", name)
    yield name
    for cluster in regions.clusters:
        regions.kubectl(cluster, "delete", "namespace", name, "--wait=false")
