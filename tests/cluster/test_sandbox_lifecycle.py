"""Up, down, status and repair, on real control planes of each test's own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from orchestrator import sandbox
from orchestrator.errors import SandboxError
from orchestrator.sandbox import RegionSpec, pins

ONE = [RegionSpec("no-oslo-1", "no-oslo", "NO", ("NO",))]


@pytest.fixture
def directory(tmp_path):
    """A folder for a sandbox, which is gone afterwards whatever the test did."""
    folder = tmp_path / "sandbox"
    yield folder
    sandbox.down(folder)
    assert processes_of(folder) == {}


def processes_of(folder: Path) -> dict[int, str]:
    """Every process of this machine that works in the folder, found without any record of ours."""
    found = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").resolve().is_relative_to(folder):
                found[int(entry.name)] = (entry / "comm").read_text().strip()
    return found


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", "sandbox", *arguments],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


def pids(folder: Path) -> dict[str, int | None]:
    return {part.component: part.pid for each in sandbox.status(folder).clusters for part in each.components}


def test_the_commands_from_up_to_down(directory):
    """Data on stdout, progress on stderr; everything is private; `up` again changes nothing; `down` leaves nothing."""
    fleet = directory.parent / "real.yaml"
    cluster = {
        "name": "no-1a",
        "region": "no-oslo",
        "country": "NO",
        "context": "real",
        "uid": "real",
        "serves": ["EU"],
    }
    fleet.write_text(yaml.safe_dump({"kind": "Fleet", "spec": {"clusters": [cluster], "inForce": ["x.yaml"]}}))

    up = command("up", "--dir", str(directory), "--fleet", str(fleet), "-o", "json")

    assert up.returncode == 0, up.stderr
    document = json.loads(up.stdout)
    assert document["state"] == "running"
    assert "no-1a is up" in up.stderr
    assert set(processes_of(directory).values()) == {name[:15] for name in pins.COMPONENTS}
    for pid in processes_of(directory):
        assert os.getsid(pid) == pid, "Ctrl-C at our terminal would end it"
    (written,) = yaml.safe_load((directory / "fleet.yaml").read_text())["spec"]["clusters"]
    assert written == cluster | {"context": "no-1a", "uid": document["clusters"][0]["uid"]}
    public = [path for path in directory.rglob("*") if path.stat().st_mode & 0o077 and path.name != ".lock"]
    assert [path for path in public if "etcd" not in path.parts] == []

    again = command("up", "--dir", str(directory), "-o", "json")
    assert json.loads(again.stdout) == document

    other = command("up", "--dir", str(directory), "--regions", "2", "-o", "json")
    assert (other.returncode, json.loads(other.stdout)["kind"]) == (1, "Error")

    down = command("down", "--dir", str(directory))
    assert (down.returncode, directory.exists()) == (0, False)
    assert command("down", "--dir", str(directory)).returncode == 0
    status = command("status", "--dir", str(directory))
    assert status.returncode == 1
    assert "sandbox up" in status.stderr


def test_half_dead_is_reported_and_repaired(directory):
    """Each kind of damage at once; the data and the identity stay, and what lives is left alone."""
    running = sandbox.up(directory, ONE)
    (cluster,) = running.clusters
    with cluster.api() as api:
        identity = api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
        api.create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "kept"}})
    before = pids(directory)

    cluster.kill(pins.KWOK)
    cluster.suspend(pins.SCHEDULER)
    states = {part.component: part.state for part in cluster.inspect()}
    assert states[pins.KWOK] == "dead"
    assert states[pins.SCHEDULER] == "suspended"
    assert command("status", "--dir", str(directory)).returncode == 1
    sandbox.up(directory)
    mended = pids(directory)
    untouched = (pins.ETCD, pins.APISERVER, pins.CONTROLLER_MANAGER)
    assert {name: mended[name] for name in untouched} == {name: before[name] for name in untouched}
    assert mended[pins.SCHEDULER] != before[pins.SCHEDULER]

    cluster.suspend(pins.APISERVER)
    cluster.kill(pins.ETCD)
    assert sandbox.status(directory).state == "degraded"
    sandbox.up(directory)
    assert sandbox.status(directory).state == "running"
    with cluster.api() as api:
        assert api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"] == identity
        api.get("/api/v1/namespaces/default/configmaps/kept")
    contexts = yaml.safe_load((directory / "kubeconfig").read_text())["clusters"]
    assert [each["cluster"]["server"] for each in contexts] == [cluster.server]


@pytest.mark.long
def test_two_sandboxes_live_side_by_side_and_kept_data_comes_back(directory, tmp_path):
    """Even with clusters of the same names; ending one leaves the other alone."""
    other = tmp_path / "other"
    try:
        for folder in (directory, other):
            sandbox.up(folder, ONE)
        uids = {folder: sandbox.status(folder).clusters[0].uid for folder in (directory, other)}
        assert len(set(uids.values())) == 2
        theirs = processes_of(other)

        assert sandbox.down(directory, keep=True)

        assert processes_of(directory) == {}
        assert processes_of(other) == theirs
        assert sandbox.status(directory).state == "stopped"
        assert sandbox.status(other).state == "running"
    finally:
        sandbox.down(other)
    sandbox.up(directory)
    assert sandbox.status(directory).clusters[0].uid == uids[directory]


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("etcd.starting", marks=pytest.mark.long),
        "kube-apiserver.pid",
        pytest.param("kwok.pid", marks=pytest.mark.long),
    ],
)
def test_down_after_a_killed_up_leaves_no_process(directory, moment):
    """`up` dies at each stage of its work; whatever it had started is found."""
    arguments = [sys.executable, "-m", "orchestrator", "sandbox", "up", "--dir", str(directory), "--regions", "1"]
    up = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    record = directory / "clusters" / "us-east-1" / "run" / moment
    deadline = time.monotonic() + 60
    while not record.exists() and up.poll() is None and time.monotonic() < deadline:
        time.sleep(0.0005)
    up.send_signal(signal.SIGKILL)
    assert up.wait() == -signal.SIGKILL, "up was not killed in the middle"

    down = command("down", "--dir", str(directory))

    assert down.returncode == 0, down.stderr
    assert processes_of(directory) == {}
    assert not directory.exists()


def test_up_after_a_killed_up_finishes_the_work(directory):
    arguments = [sys.executable, "-m", "orchestrator", "sandbox", "up", "--dir", str(directory), "--regions", "1"]
    up = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    record = directory / "clusters" / "us-east-1" / "run" / "kube-apiserver.pid"
    deadline = time.monotonic() + 60
    while not record.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    up.kill()
    up.wait()
    started = pids(directory)[pins.ETCD]

    sandbox.up(directory)

    assert sandbox.status(directory).state == "running"
    assert pids(directory)[pins.ETCD] == started, "what lived was not left alone"
    assert len(processes_of(directory)) == len(pins.COMPONENTS)


def test_interrupting_up_ends_it_and_leaves_the_rest_to_down(directory):
    """Ctrl-C: exit 130, soon, and `down` clears what was started."""
    arguments = [sys.executable, "-m", "orchestrator", "sandbox", "up", "--dir", str(directory), "--regions", "1"]
    up = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    record = directory / "clusters" / "us-east-1" / "run" / "kube-apiserver.pid"
    deadline = time.monotonic() + 60
    while not record.exists() and time.monotonic() < deadline:
        time.sleep(0.005)

    up.send_signal(signal.SIGINT)
    _, stderr = up.communicate(timeout=30)

    assert up.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert sandbox.down(directory)
    assert processes_of(directory) == {}


def test_what_does_not_start_is_named_with_its_last_words(directory, tmp_path, monkeypatch):
    """An API server that cannot run: the error says so and where to look; `down` clears up."""
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in (pins.APISERVER, pins.CONTROLLER_MANAGER, pins.SCHEDULER):
        (assets / name).write_text("#!/bin/sh\nprintf 'no \\033[31mlicence\\033[0m\\n' >&2\nexit 1\n")
        (assets / name).chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))

    with pytest.raises(SandboxError, match=r"no .*licence") as caught:
        sandbox.up(directory, ONE)

    assert "kube-apiserver ended" in caught.value.message
    assert "\x1b" not in caught.value.message
    assert "kube-apiserver.log" in str(caught.value.hint)
    assert sandbox.down(directory)
    assert processes_of(directory) == {}
