"""`status --watch` through the real command line: what changes in a cluster is told, and nothing else."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace

_PATIENCE = 90.0


class Watch:
    """A `status --watch` that runs, and the lines that it prints."""

    def __init__(self, root: Path, model: str, state: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", "-C", str(root), "status", model, "--watch"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(root), "ORCHESTRATOR_STATE": str(state)},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._seen: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def wait_for(self, *words: str) -> str:
        """The next line with all of these words."""
        while True:
            try:
                line = self._lines.get(timeout=_PATIENCE)
            except queue.Empty:
                raise AssertionError(f"no line with {words} came: {self._seen}") from None
            self._seen.append(line)
            if all(word in line for word in words):
                return line

    def end(self) -> int:
        """Its exit code after a Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=30)
        self._reading.join(timeout=10)
        return code

    def close(self) -> None:
        """Leave nothing of it open."""
        self.process.wait(timeout=30)
        self._reading.join(timeout=10)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def watch(workspace: TestWorkspace, control_planes: ControlPlanes, tmp_path: Path) -> Iterator[Watch]:
    workspace.write_model(replicas=1)
    watching = Watch(workspace.root, workspace.model, tmp_path / "state")
    yield watching
    watching.process.kill()
    watching.close()


def test_every_change_is_told_when_it_happens(
    watch: Watch, workspace: TestWorkspace, control_planes: ControlPlanes, orchestrator: Run
) -> None:
    """By us, through the catalogue, and by others, whom nobody told us of; a region that is left alone says nothing."""
    first, second, third = control_planes.clusters
    for cluster in control_planes.clusters:
        watch.wait_for(f"in {cluster}", "disabled")
    on = orchestrator("enable", workspace.model, "--cluster", first, "-o", "json", workspace=workspace.root)
    on.expect(0)
    watch.wait_for(f"in {first}", "✔ verified, enabled, 1/1")
    control_planes.kubectl(first, "scale", "deployment/server", "--replicas=0", "-n", workspace.namespace)
    watch.wait_for(f"in {first}", "disabled, 0/0")
    assert watch.end() == 130, watch._seen
    assert not [line for line in watch._seen[3:] if second in line or third in line]


def test_one_document_is_not_what_a_watch_prints(workspace: TestWorkspace, orchestrator: Run) -> None:
    workspace.write_model(replicas=1)
    refused = orchestrator("status", "--watch", "-o", "json", workspace=workspace.root).expect(2).json
    assert "without --watch" in refused["error"]["hint"]
