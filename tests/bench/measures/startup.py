"""How long a process takes before it is of any use: `--help`, and the first request of `status`."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import time
from pathlib import Path

import yaml

from orchestrator.sandbox.certificates import Authority
from tests.bench.figures import Figure, Wrong
from tests.bench.setting import PYTHON, Setting

ORCHESTRATOR = str(Path(PYTHON).with_name("orchestrator"))


async def measure(setting: Setting) -> list[Figure]:
    """Process start to process end for `--help`; process start to the first byte of a request for `status`."""
    helps = [await asyncio.to_thread(_help, setting) for _ in range(setting.rounds)]
    firsts = [await _first_request(setting, number) for number in range(setting.rounds)]
    return [
        Figure(measure="startup", name="--help", unit="ms", bar=150.0, rounds=tuple(one * 1000 for one in helps)),
        Figure(
            measure="startup", name="first request of status", unit="ms", bar=600.0,
            rounds=tuple(one * 1000 for one in firsts),
        ),
    ]  # fmt: skip


def _help(setting: Setting) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        [ORCHESTRATOR, "--help"], capture_output=True, text=True, env=setting.environment(), timeout=60, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode or "Usage: orchestrator" not in done.stdout:
        raise Wrong(f"--help ended with {done.returncode}: {done.stderr[-500:]}")
    return seconds


async def _first_request(setting: Setting, number: int) -> float:
    """A TLS server of our own takes the time at which the first decrypted byte arrives, and closes."""
    folder = setting.folder / f"first-{number}"
    authority = Authority(_made(folder / "pki"))
    pair = authority.server("server", ("localhost",), ("127.0.0.1",))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    arrived: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.read(4)) == b"GET " and not arrived.done():
            arrived.set_result(time.perf_counter())
        writer.close()

    listening = socket.create_server(("127.0.0.1", 0))
    async with await asyncio.start_server(take, sock=listening, ssl=context):
        _workspace(folder, listening.getsockname()[1], authority.certificate)
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            ORCHESTRATOR, "-C", str(folder), "status", env=setting.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            return await asyncio.wait_for(arrived, 60.0) - began
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _workspace(folder: Path, port: int, authority: Path) -> None:
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority)}
    kubeconfig = {
        "apiVersion": "v1", "kind": "Config", "current-context": "one",
        "clusters": [{"name": "one", "cluster": cluster}],
        "users": [{"name": "one", "user": {"token": "of-no-use"}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
    }  # fmt: skip
    spec = {"kubeconfig": "kubeconfig", "clusters": [{"name": "one", "region": "one", "context": "one"}]}
    fleet = {"apiVersion": "orchestrator/v1", "kind": "Fleet", "metadata": {"name": "one"}, "spec": spec}
    for name, document in (("kubeconfig", kubeconfig), ("fleet.yaml", fleet)):
        (folder / name).write_text(yaml.safe_dump(document))
        (folder / name).chmod(0o600)
