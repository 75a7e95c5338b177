"""Documents that are wrong or hostile: exit 2, the file and the line, what was expected; nothing is sent to anyone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import Finished, Run

MODEL = """\
apiVersion: orchestrator/v1
kind: Model
metadata: {name: fable-5}
spec:
  manifests: [objects.yaml]
  replicas: 2
"""
OBJECTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: server, namespace: fable}
spec:
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server}}
    spec: {containers: [{name: server, image: "registry.example/server:1"}]}
"""
PLAYBOOK = """\
apiVersion: orchestrator/v1
kind: Playbook
metadata: {name: rollout}
spec:
  models: [fable-5]
  steps:
    - name: on
      enable: {scope: {all: true}}
"""
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
HUGE = PLAYBOOK + "".join(f"# {number:0100d}\n" for number in range(100_000))
ROLLOUT, MODEL_FILE, OBJECTS_FILE = (
    "playbooks/rollout.yaml",
    "manifests/fable-5/model.yaml",
    "manifests/fable-5/objects.yaml",
)

Case = tuple[str, str, int | None, str]
"""File, its content, the line that is told, and what the message must hold."""

WRONG: dict[str, Case] = {
    "unknown field": (ROLLOUT, PLAYBOOK.replace("enable:", "enabel:"), 8, "unknown field enabel"),
    "unknown model": (ROLLOUT, PLAYBOOK.replace("fable-5", "fable-6"), 5, "fable-6"),
    "unknown region": (ROLLOUT, PLAYBOOK.replace("all: true", "regions: [mars]"), 8, "mars"),
    "unknown country group": (ROLLOUT, PLAYBOOK.replace("all: true", "in: [EUU]"), 8, "EUU"),
    "empty scope": (ROLLOUT, PLAYBOOK.replace("all: true", "in: [BR]"), 8, "no cluster"),
    "scope without content": (ROLLOUT, PLAYBOOK.replace("all: true", ""), 8, "no cluster"),
    "duplicate key": (ROLLOUT, PLAYBOOK.replace("  steps:", "  models: [other]\n  steps:"), 6, "models"),
    "neither on nor off": (
        ROLLOUT,
        PLAYBOOK.replace("      enable: {scope: {all: true}}\n", ""),
        7,
        "either enable or disable",
    ),
    "wrong duration": (ROLLOUT, PLAYBOOK + "      soak: soon\n", 9, "duration"),
    "unknown check": (ROLLOUT, PLAYBOOK + "      checks: [{htpp: {url: 'http://x.example'}}]\n", 9, "no check"),
    "newer version": (ROLLOUT, PLAYBOOK.replace("orchestrator/v1", "orchestrator/v9"), 1, "expected orchestrator/v1"),
    "not YAML": (ROLLOUT, PLAYBOOK.replace("[fable-5]", "[fable-5"), 6, "not YAML"),
    "two documents": (ROLLOUT, PLAYBOOK + "---\n" + PLAYBOOK, 10, "second"),
    "not a number": (MODEL_FILE, MODEL.replace("replicas: 2", "replicas: two"), 6, "replicas"),
    "negative": (MODEL_FILE, MODEL.replace("replicas: 2", "replicas: -1"), 6, "replicas"),
    "a boolean for a number": (MODEL_FILE, MODEL.replace("replicas: 2", "replicas: true"), 6, "replicas"),
    "missing manifest": (MODEL_FILE, MODEL.replace("objects", "nothing"), 5, "nothing.yaml"),
    "path outside": (MODEL_FILE, MODEL.replace("objects.yaml", "../../../secret.yaml"), 5, "leaves the workspace"),
    "absolute path": (MODEL_FILE, MODEL.replace("objects.yaml", "/etc/passwd"), 5, "path"),
    "manifest without kind": (OBJECTS_FILE, OBJECTS.replace("kind: Deployment\n", ""), 1, "kind"),
    "10 MB": (ROLLOUT, HUGE, None, "larger than"),
    "alias bomb": (ROLLOUT, BOMB, None, "alias"),
    "alias bomb in a manifest": (OBJECTS_FILE, BOMB, None, "alias"),
    "python tag": (ROLLOUT, PLAYBOOK.replace("rollout}", "!!python/object/apply:os.system ['touch pwned']}"), 3, "tag"),
    "python tag in a manifest": (OBJECTS_FILE, OBJECTS + "x: !!python/name:os.system ''\n", 9, "tag"),
    "deep nesting": (ROLLOUT, "[" * 5000, 1, "nested"),
}


class Door:
    """Where every context leads: whoever knocks is counted."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.knocks = 0
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            self.knocks += 1
            visitor.close()

    def close(self) -> None:
        # A blocked accept() does not notice close() alone.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def door() -> Iterator[Door]:
    opened = Door()
    yield opened
    opened.close()


@pytest.fixture
def root(tmp_path: Path, door: Door) -> Path:
    """A workspace that is right, over a fleet whose one cluster is the door."""
    root = tmp_path / "workspace"
    server = {"server": f"http://127.0.0.1:{door.port}"}
    kubeconfig: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "eu-west-1", "cluster": server}],
        "users": [{"name": "eu-west-1", "user": {"token": "unused"}}],
        "contexts": [{"name": "eu-west-1", "context": {"cluster": "eu-west-1", "user": "eu-west-1"}}],
    }
    fleet = {
        "apiVersion": "orchestrator/v1",
        "kind": "Fleet",
        "metadata": {"name": "doors"},
        "spec": {
            "kubeconfig": "kubeconfig",
            "clusters": [{"name": "eu-west-1", "region": "eu-west", "country": "IE", "serves": ["EU"]}],
        },
    }
    for path, text in {
        "kubeconfig": yaml.safe_dump(kubeconfig),
        "fleet.yaml": yaml.safe_dump(fleet),
        MODEL_FILE: MODEL,
        OBJECTS_FILE: OBJECTS,
        ROLLOUT: PLAYBOOK,
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (tmp_path / "secret.yaml").write_text("password: hunter2\n")
    return root


def refused(done: Finished) -> Any:
    """The error of a document that was refused."""
    document = done.expect(2).json
    assert (document["kind"], document["exitCode"]) == ("Error", 2)
    return document["error"]


def test_the_right_documents_do_knock(root: Path, door: Door, orchestrator: Run) -> None:
    """Else the silence that the other tests observe would mean nothing."""
    orchestrator("apply", ROLLOUT, "-o", "json", workspace=root).expect(3)
    assert door.knocks


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_document_is_refused_at_its_line_and_nothing_is_sent(
    root: Path, door: Door, orchestrator: Run, case: str
) -> None:
    file, text, line, words = WRONG[case]
    (root / file).write_text(text)
    error = refused(orchestrator("apply", ROLLOUT, "-o", "json", workspace=root))
    assert error["file"].endswith(file), error
    assert words in error["message"], error
    if line is not None:
        assert error["line"] == line, error
    assert door.knocks == 0
    assert not list(root.rglob("pwned"))


def test_people_are_told_file_line_and_the_next_step(root: Path, door: Door, orchestrator: Run) -> None:
    (root / ROLLOUT).write_text(PLAYBOOK.replace("enable:", "enabel:"))
    done = orchestrator("plan", ROLLOUT, workspace=root).expect(2)
    assert done.stdout == ""
    assert f"error: {ROLLOUT}:8: unknown field enabel" in done.stderr
    assert "did you mean enable?" in done.stderr
    assert door.knocks == 0


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("apply", "../secret.yaml"),
        ("apply", "playbooks/absent.yaml"),
        ("apply", "manifests/fable-5/model.yaml"),
        ("plan", "/etc/passwd"),
        ("verify", "../secret.yaml"),
    ],
)
def test_a_playbook_that_is_none_is_refused(root: Path, door: Door, orchestrator: Run, command: str, path: str) -> None:
    """And a file outside the workspace is not quoted."""
    error = refused(orchestrator(command, path, "-o", "json", workspace=root))
    assert "hunter2" not in str(error)
    assert "root:" not in str(error)
    assert door.knocks == 0


def test_a_link_out_of_the_workspace_is_a_path_out_of_it(root: Path, door: Door, orchestrator: Run) -> None:
    (root / OBJECTS_FILE).unlink()
    (root / OBJECTS_FILE).symlink_to(root.parent / "secret.yaml")
    error = refused(orchestrator("apply", ROLLOUT, "-o", "json", workspace=root))
    assert "leaves the workspace" in error["message"]
    assert "hunter2" not in str(error)
    assert door.knocks == 0


@pytest.mark.parametrize(
    "flags",
    [
        ("enable", "fable-5"),
        ("enable", "fable-6", "--all"),
        ("enable", "fable-5", "--region", "mars"),
        ("disable", "fable-5", "--in", "XX"),
        ("enable", "fable-5", "--all", "--soak", "soon"),
        ("verify", "fable-5", "mythos-5"),
        ("aply", ROLLOUT),
        ("schema", "Playbok"),
    ],
    ids=" ".join,
)
def test_a_command_line_that_makes_no_sense_is_refused(
    root: Path, door: Door, orchestrator: Run, flags: tuple[str, ...]
) -> None:
    error = refused(orchestrator(*flags, "-o", "json", workspace=root))
    assert error["message"]
    assert door.knocks == 0
