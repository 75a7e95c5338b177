"""Credential plugins are real processes here: those that work, and those that hang, flood, lie or are missing."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from orchestrator.delivery.entries import ExecSpec, Server
from orchestrator.delivery.exec_plugin import ExecRunner
from orchestrator.errors import Unauthenticated

V1 = "client.authentication.k8s.io/v1"
ANSWER = {"apiVersion": V1, "kind": "ExecCredential", "status": {"token": "t0ken"}}
Write = Callable[[str], Path]


@pytest.fixture
def script(tmp_path: Path) -> Write:
    """Makes an executable shell script."""

    def write(body: str) -> Path:
        path = tmp_path / "plugin"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    return write


def printing(answer: Any) -> str:
    return f"cat <<'EOF'\n{json.dumps(answer)}\nEOF"


async def run(path: Path | str, *, seconds: float = 10, server: Server | None = None, **spec: Any) -> dict[str, Any]:
    runner = ExecRunner(seconds, {"PATH": os.environ["PATH"], "HOME": "/nowhere"})
    return await runner.run(ExecSpec(command=str(path), api_version=V1, **spec), server)


async def failure(path: Path | str, **more: Any) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        await run(path, **more)
    assert caught.value.code == "unauthenticated"
    return caught.value


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        # A zombie waits for whoever inherited it to look.
        return " Z " not in Path(f"/proc/{pid}/stat").read_text() if Path(f"/proc/{pid}").exists() else False
    return False


async def test_answer_arguments_and_environment(script: Write) -> None:
    """It gets its arguments and environment, ours as well, and its answer comes back."""
    path = script('[ "$1 $2 $A $HOME" = "get token b /nowhere" ] || exit 9\n' + printing(ANSWER))
    assert await run(path, arguments=("get", "token"), environment=(("A", "b"),)) == ANSWER


async def are_gone(*pids: int) -> bool:
    """Whether they end; a child of a killed process is not waited for by us, and a busy machine takes its time."""
    async with asyncio.timeout(20):
        while any(map(is_alive, pids)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return True


async def test_stdin_is_empty_and_there_is_no_terminal(script: Write) -> None:
    """A plugin that asks for a password gets the end of its input, not our terminal."""
    path = script("read line && exit 9\n(: </dev/tty) 2>/dev/null && exit 8\n" + printing(ANSWER))
    assert await run(path) == ANSWER


async def test_exec_info(script: Write) -> None:
    """KUBERNETES_EXEC_INFO says what the protocol asks for; the cluster only where the kubeconfig wants it."""
    head = json.dumps({"apiVersion": V1, "kind": "ExecCredential"})[:-1]
    path = script(f"printf '%s, \"status\": %s}}' '{head}' \"$KUBERNETES_EXEC_INFO\"")
    server = Server(url="https://one.example", authorities=b"PEM", tls_server_name="name", plugin_config={"a": 1})
    bare = (await run(path, server=server))["status"]
    full = (await run(path, server=server, provide_cluster_info=True))["status"]
    assert bare == {"apiVersion": V1, "kind": "ExecCredential", "spec": {"interactive": False}}
    assert full["spec"]["cluster"] == {
        "server": "https://one.example",
        "insecure-skip-tls-verify": False,
        "tls-server-name": "name",
        "config": {"a": 1},
        "certificate-authority-data": "UEVN",
    }


async def test_failure_tells_the_last_line_without_secrets(script: Write) -> None:
    """Exit code and last line of stderr are told; tokens, passwords and control characters are not."""
    secret = "AKIA" + "x1Y2" * 12
    lines = f"first line\nerror: token=abc123 Bearer zzz eyJhbGciOi.eyJzdWIi.sig {secret} $P \x1b[31mred"
    path = script(f"cat >&2 <<EOF\n{lines}\nEOF\nexit 3")
    error = await failure(path, environment=(("P", "my-pa55word"),), arguments=("--secret-argument",))
    for hidden in ("abc123", "zzz", "eyJ", secret, "my-pa55word", "\x1b", "first line", "--secret-argument"):
        assert hidden not in str(error)
    assert "exit code 3" in error.message
    assert "error:" in error.message


async def test_hanging_plugin_dies_with_its_children(script: Write, tmp_path: Path) -> None:
    """After its time it is an error, and neither it nor what it started is left."""
    path = script(f"sleep 1000 &\necho $! $$ > {tmp_path}/pids\nwait")
    began = time.monotonic()
    error = await failure(path, seconds=1)
    assert "within 1 s" in error.message
    assert time.monotonic() - began < 6
    assert await are_gone(*map(int, (tmp_path / "pids").read_text().split()))


async def test_cancelling_ends_the_plugin(script: Write, tmp_path: Path) -> None:
    """A caller that gives up leaves no process."""
    path = script(f"echo $$ > {tmp_path}/pid\nexec sleep 1000")
    task = asyncio.create_task(run(path))
    async with asyncio.timeout(10):
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await are_gone(int((tmp_path / "pid").read_text()))


async def test_child_that_keeps_the_pipe_open_does_not_keep_us(script: Write) -> None:
    """A browser left open for the login holds our pipes; the answer counts all the same, at once."""
    path = script(printing(ANSWER) + "\nsetsid sleep 5 &")
    began = time.monotonic()
    assert await run(path) == ANSWER
    assert time.monotonic() - began < 4


async def test_huge_stderr(script: Write) -> None:
    """Megabytes on stderr neither block the plugin nor fill our memory."""
    path = script("head -c 20000000 /dev/zero | tr '\\0' 'e' >&2\n" + printing(ANSWER))
    assert await run(path) == ANSWER


async def test_flood_on_stdout(script: Write) -> None:
    """Output without end is cut off and is an error, long before the time-out."""
    began = time.monotonic()
    error = await failure(script("yes"), seconds=30)
    assert "more than 1024 KiB" in error.message
    assert time.monotonic() - began < 15


async def test_missing_command() -> None:
    """The install hint of the kubeconfig is the hint, made harmless."""
    error = await failure("no-such-login-command", install_hint="brew install\x1b[31m it")
    assert "no-such-login-command is not installed" in error.message
    assert error.hint is not None
    assert "\x1b" not in error.hint


@pytest.mark.parametrize(
    "answer",
    ["", "no JSON", [], {"kind": "Status"}, {**ANSWER, "apiVersion": "client.authentication.k8s.io/v1beta1"}],
    ids=["nothing", "text", "list", "another kind", "another version"],
)
async def test_answer_that_is_none(script: Write, answer: Any) -> None:
    """What is no ExecCredential of the agreed version is an error, and none of it is told."""
    path = script(f"echo '{answer}'" if isinstance(answer, str) else printing(answer))
    assert "printed" in (error := await failure(path)).message or "another version" in error.message


async def test_interactive_plugin(script: Write) -> None:
    """A plugin that insists on a terminal is told so, with what to do."""
    error = await failure(script(printing(ANSWER)), interactive_mode="Always")
    assert error.hint is not None


async def test_not_executable(tmp_path: Path) -> None:
    path = tmp_path / "plugin"
    path.write_text("text")
    await failure(path)


async def test_hanging_plugins_let_others_run(script: Write) -> None:
    """Plugins that hang give their slots up: one more still gets its turn."""
    path = script('[ "$1" = hang ] && exec sleep 1000\n' + printing(ANSWER))
    runner = ExecRunner(60, {"PATH": os.environ["PATH"]})
    hanging = [
        asyncio.create_task(runner.run(ExecSpec(command=str(path), arguments=("hang",), api_version=V1), None))
        for _ in range(16)
    ]
    await asyncio.sleep(0.1)
    async with asyncio.timeout(20):
        assert await runner.run(ExecSpec(command=str(path), api_version=V1), None) == ANSWER
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


@pytest.mark.parametrize("value", [b"binary", {1: "number as key"}, 2**70, "\ud800"], ids=str)
async def test_a_configuration_that_is_no_json_is_the_plugins_error(script: Write, value: Any) -> None:
    """YAML knows more than JSON does, and the file is not ours."""
    server = Server(url="https://one.example", plugin_config=value)
    error = await failure(script(printing(ANSWER)), server=server, provide_cluster_info=True)
    assert "no JSON" in error.message
