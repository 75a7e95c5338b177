"""Signals, and terminals and pipes that go away, as a real process gets them while it works on real clusters."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import shlex
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace, check_contract
from tests.cluster.desk import Desk, desk_of, heard, prepare

LONG = pytest.mark.long


@pytest.fixture
def desk(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, tmp_path: Path) -> Iterator[Desk]:
    with desk_of(control_planes, workspace, orchestrator, tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("verb", "number"),
    [
        pytest.param("apply", signal.SIGHUP, marks=LONG),
        pytest.param("apply", signal.SIGTERM, marks=LONG),
        ("takedown", signal.SIGINT),
        pytest.param("takedown", signal.SIGTERM, marks=LONG),
        pytest.param("follow", signal.SIGINT, marks=LONG),
        pytest.param("restore", signal.SIGINT, marks=LONG),
        pytest.param("restore", signal.SIGTERM, marks=LONG),
        pytest.param("restore", signal.SIGHUP, marks=LONG),
        pytest.param("disable", signal.SIGINT, marks=LONG),
    ],
)
def test_the_first_signal_ends_at_a_safe_point_and_names_the_command_that_goes_on(
    desk: Desk, verb: str, number: signal.Signals
) -> None:
    """130 with one document and no lock left; the command it names ends as the run would have."""
    order = prepare(desk, verb)
    with desk.start(*desk.arguments(verb, order), "-o", "json") as process:
        heard(process, "soaking")
        assert len(desk.holders()) == 3
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    done = Finished(process.returncode, stdout, stderr).expect(130)
    check_contract(done)
    assert done.json["outcome"] == "interrupted"
    assert "verified" not in {item["verdict"] for item in done.json["items"]}
    assert desk.holders() == []
    (command,) = [line.split("`")[1] for line in stderr.splitlines() if "runs resume" in line]
    going_on = shlex.split(command)[1:]
    assert "runs" in going_on
    assert done.json["run"] in going_on
    confirmed = () if verb in ("apply", "disable") else ("--confirm", desk.model)
    again = subprocess.run(
        [sys.executable, "-m", "orchestrator", *going_on, *confirmed, "-o", "json"],
        env=desk.environment, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    result = Finished(again.returncode, again.stdout, again.stderr).expect(0).json
    assert {item["verdict"] for item in result["items"]} == {"verified"}
    assert desk.holders() == []


def test_a_second_signal_ends_at_once(desk: Desk) -> None:
    """Before the safe point: nothing is said any more, and whoever goes on with it frees the locks that it left."""
    with desk.start(*desk.arguments("apply", prepare(desk, "apply")), "-o", "json") as process:
        heard(process, "soaking")
        # Both are there when it looks next: a run that is free of work ends at the first.
        process.send_signal(signal.SIGSTOP)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
            process.send_signal(number)
        stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 130, stderr
    assert stdout == ""
    done = desk.scene.orchestrator("runs", "resume", "--last", "-o", "json").expect(0)
    assert {item["verdict"] for item in done.json["items"]} == {"verified"}
    assert desk.holders() == []


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=LONG) for seed in range(2, 20))])
def test_no_lock_stays_behind_whenever_the_signal_comes(desk: Desk, seed: int) -> None:
    """After some line that the command says, and some milliseconds more; the same seed tries the same again."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    verb = ("takedown", "apply", "restore", "disable")[seed % 4]
    lines, pause = chance.randrange(0, 14), chance.uniform(0, 0.4)
    number = chance.choice((signal.SIGINT, signal.SIGTERM))
    print(f"seed {seed}: {verb}, {number.name} {pause:.3f}s after line {lines}")  # noqa: T201
    order = prepare(desk, verb)
    with desk.start(*desk.arguments(verb, order), "-o", "json") as process:
        assert process.stderr is not None
        said = [line for _, line in zip(range(lines), process.stderr, strict=False)]
        time.sleep(pause)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    done = Finished(process.returncode, stdout, "".join(said) + stderr)
    # It may have ended before the signal came.
    assert done.code in (0, 130), done
    assert "Traceback" not in done.stderr, done.stderr
    check_contract(done)
    assert desk.holders() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("arguments", [("status",), ("plan", "playbooks/on.yaml"), ("enable", "fable-5", "--all")])
def test_whatever_has_not_begun_anything_ends_at_the_first_signal(
    tmp_path: Path, arguments: tuple[str, ...], number: signal.Signals
) -> None:
    """A cluster that hangs, and a command that has yet to look at it: 130, one document, nothing to go on with."""
    with hanging_workspace(tmp_path) as (workspace, listener):
        command = [sys.executable, "-m", "orchestrator", "-C", str(workspace), "--connect-timeout", "60s"]
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ORCHESTRATOR_STATE": str(tmp_path / "state")}
        with (
            subprocess.Popen(
                [*command, *arguments, "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
            ) as process,
            listener.accept()[0],
        ):
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=90)
    done = Finished(process.returncode, stdout, stderr).expect(130)
    check_contract(done)
    assert done.json["error"]["code"] == "interrupted"
    assert "Traceback" not in stderr
    assert not (tmp_path / "state" / "runs").exists()


@contextmanager
def hanging_workspace(folder: Path) -> Iterator[tuple[Path, socket.socket]]:
    """A workspace whose only cluster takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(150)
        server = f"https://127.0.0.1:{listener.getsockname()[1]}"
        kubeconfig = {
            "apiVersion": "v1", "kind": "Config", "current-context": "one",
            "clusters": [{"name": "one", "cluster": {"server": server}}],
            "users": [{"name": "one", "user": {"token": "none"}}],
            "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        }  # fmt: skip
        cluster = {"name": "one", "region": "r", "context": "one"}
        fleet = {
            "apiVersion": "orchestrator/v1",
            "kind": "Fleet",
            "metadata": {"name": "one"},
            "spec": {"kubeconfig": "kubeconfig", "clusters": [cluster]},
        }
        workspace = TestWorkspace(folder / "workspace", "fable-5")
        workspace.write("kubeconfig", kubeconfig)
        workspace.write("fleet.yaml", fleet)
        workspace.write_model(replicas=1)
        workspace.write_playbook({"name": "everywhere", "enable": {"scope": {"all": True}}}, name="on")
        yield workspace.root, listener


@contextmanager
def on_a_terminal(desk: Desk, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A command with a controlling terminal of its own, and the other end of that."""
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with subprocess.Popen(
        desk.command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True, preexec_fn=take_terminal, env=desk.environment,  # noqa: PLW1509
    ) as process:  # fmt: skip
        os.close(theirs)
        try:
            yield process, ours
        finally:
            process.kill()
            with suppress(OSError):
                os.close(ours)


def shown(terminal: int, words: bytes) -> None:
    """Until these words were on the screen."""
    screen = b""
    while words not in screen:
        piece = os.read(terminal, 65536)
        assert piece, screen
        screen += piece


@pytest.mark.slow
def test_a_takedown_goes_on_when_its_terminal_is_closed(desk: Desk) -> None:
    """The window is gone, the process is not: it ends with 0, and its result says what was proven."""
    order = prepare(desk, "takedown")
    with on_a_terminal(desk, *desk.arguments("takedown", order)) as (process, terminal):
        shown(terminal, b"go dark in 3 clusters")
        while not desk.holders():
            time.sleep(0.05)
        os.close(terminal)
        assert process.wait(timeout=90) == 0
    result = desk.newest_result()
    assert (result["exitCode"], {item["verdict"] for item in result["items"]}) == (0, {"verified"})
    assert desk.holders() == []


@LONG
def test_an_apply_ends_at_a_safe_point_when_its_terminal_is_closed(desk: Desk) -> None:
    """As by SIGTERM: nobody is there to see how a rollout goes."""
    with on_a_terminal(desk, *desk.arguments("apply", prepare(desk, "apply"))) as (process, terminal):
        shown(terminal, b"Plan:")
        while not desk.holders():
            time.sleep(0.05)
        os.close(terminal)
        assert process.wait(timeout=90) == 130
    assert desk.newest_result()["outcome"] == "interrupted"
    assert desk.holders() == []


def closed_from_the_start() -> None:
    for descriptor in (1, 2):
        os.close(descriptor)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["read and closed", pytest.param("closed from the start", marks=LONG)])
def test_a_takedown_is_not_stopped_by_having_nobody_to_tell(desk: Desk, way: str) -> None:
    """`takedown | head -1`, or with its streams closed: the exit code is its own, and the result is kept."""
    order = prepare(desk, "takedown")
    options: dict[str, Any] = {}
    if way != "read and closed":
        options = {"preexec_fn": closed_from_the_start, "stdout": None, "stderr": None}
    with desk.start(*desk.arguments("takedown", order), "-o", "json", **options) as process:
        if way == "read and closed":
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stderr.readline()
            process.stderr.close()
            process.stdout.close()
        assert process.wait(timeout=90) == 0
    assert {item["verdict"] for item in desk.newest_result()["items"]} == {"verified"}
    assert desk.holders() == []
