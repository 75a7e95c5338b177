"""Runs credential plugins (`client.authentication.k8s.io`), each as a process of its own that cannot hang us.

A plugin never sees our terminal or stdin, never fills our memory, and dies with everything it started when its time is
up. What it prints is a secret: errors quote only the last line of its stderr, with anything like a secret taken out.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import orjson

from orchestrator.core.text import printable
from orchestrator.delivery.entries import ExecSpec, Server
from orchestrator.errors import Unauthenticated

_OUTPUT_LIMIT = 1024 * 1024
_STDERR_TAIL = 16 * 1024
_AT_ONCE = 16
_SLOT_SECONDS = 3.0
_LINGER_SECONDS = 0.5
_BURIAL_SECONDS = 2.0
# What looks like a credential in a line of stderr: JSON web tokens, bearer tokens, `password=…`, long random strings.
_SECRETS = re.compile(
    r"(?i)\beyJ[\w-]+(?:\.[\w-]*)*"
    r"|\bbearer\s+\S+"
    r"|\b[\w-]*(?:token|password|passwd|secret|api[_-]?key)[\"']?\s*[=:]\s*\S+"
    r"|[A-Za-z0-9+=_-]{40,}"
)


class ExecRunner:
    """Runs plugins, a bounded number at once."""

    def __init__(self, timeout: float, environ: Mapping[str, str]) -> None:
        self._timeout = timeout
        self._environ = dict(environ)
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def run(self, spec: ExecSpec, server: Server | None) -> dict[str, Any]:
        """The plugin's ExecCredential.

        Raises `Unauthenticated` when it is not installed, fails, takes too long, or prints something else.
        """
        if spec.interactive_mode == "Always":
            self._fail(spec, "needs a terminal, which it does not get here", hint="log in with kubectl first")
        environment = {**self._environ, **dict(spec.environment)}
        command = self._find(spec, environment)
        try:
            environment["KUBERNETES_EXEC_INFO"] = orjson.dumps(_exec_info(spec, server)).decode()
        except TypeError:
            self._fail(spec, "cannot be told its configuration: that is no JSON")
        async with self._slot():
            code, stdout, stderr = await self._execute(spec, command, environment)
        if code != 0:
            last = _last_line(stderr, spec)
            self._fail(spec, f"failed (exit code {code})" + (f": {last}" if last else ""))
        return self._parse(spec, stdout)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        # Hundreds of plugins at once would stall the machine; but one that hangs gives up its slot long before its
        # time is up, so that it does not keep other clusters waiting.
        await self._slots.acquire()
        released = False

        def release() -> None:
            nonlocal released
            if not released:
                released = True
                self._slots.release()

        timer = asyncio.get_running_loop().call_later(_SLOT_SECONDS, release)
        try:
            yield
        finally:
            timer.cancel()
            release()

    def _find(self, spec: ExecSpec, environment: Mapping[str, str]) -> str:
        found = shutil.which(spec.command, path=environment.get("PATH"))
        if found is None:
            self._fail(spec, "is not installed", hint=printable(spec.install_hint) if spec.install_hint else None)
        return found

    async def _execute(self, spec: ExecSpec, command: str, environment: dict[str, str]) -> tuple[int, bytes, bytes]:
        output = _Output()
        try:
            transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: output,
                command,
                *spec.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self._fail(spec, f"cannot be started: {getattr(error, 'strerror', None) or 'bad argument'}")
        try:
            async with asyncio.timeout(self._timeout):
                await output.complete.wait()
        except TimeoutError:
            self._fail(spec, f"gave no answer within {self._timeout:g} s")
        finally:
            _end_session(transport)
            transport.close()
            # Only a process that cannot even be killed is not gone by then; nothing more can be done about it.
            with suppress(TimeoutError):
                async with asyncio.timeout(_BURIAL_SECONDS):
                    await output.gone.wait()
        if output.flooded:
            self._fail(spec, f"printed more than {_OUTPUT_LIMIT // 1024} KiB")
        code = transport.get_returncode()
        return -1 if code is None else code, bytes(output.stdout), bytes(output.stderr)

    def _parse(self, spec: ExecSpec, stdout: bytes) -> dict[str, Any]:
        try:
            answer = orjson.loads(stdout)
        except orjson.JSONDecodeError:
            self._fail(spec, "printed no JSON")
        if not isinstance(answer, dict) or answer.get("kind") != "ExecCredential":
            self._fail(spec, "printed no ExecCredential")
        if answer.get("apiVersion") != spec.api_version:
            self._fail(spec, f"answered in another version than {spec.api_version}")
        return answer

    def _fail(self, spec: ExecSpec, problem: str, hint: str | None = None) -> NoReturn:
        raise plugin_failure(spec, problem, hint)


def plugin_failure(spec: ExecSpec, problem: str, hint: str | None = None) -> Unauthenticated:
    """The error of a plugin, named by its file name alone: arguments may be secret."""
    return Unauthenticated(f"the credential plugin {printable(Path(spec.command).name, 60)} {problem}", hint=hint)


def _exec_info(spec: ExecSpec, server: Server | None) -> dict[str, Any]:
    info: dict[str, Any] = {"interactive": False}
    if spec.provide_cluster_info and server is not None:
        info["cluster"] = {
            "server": server.url,
            "insecure-skip-tls-verify": server.insecure,
            **({"tls-server-name": server.tls_server_name} if server.tls_server_name else {}),
            **({"proxy-url": server.proxy_url} if server.proxy_url else {}),
            **({"config": server.plugin_config} if server.plugin_config is not None else {}),
        }
        if server.authorities:
            info["cluster"]["certificate-authority-data"] = base64.b64encode(server.authorities).decode()
    return {"apiVersion": spec.api_version, "kind": "ExecCredential", "spec": info}


class _Output(asyncio.SubprocessProtocol):
    """What a plugin prints: stdout up to the limit, of stderr the end, all of it read lest a full pipe stop it."""

    def __init__(self) -> None:
        self.stdout, self.stderr = bytearray(), bytearray()
        self.flooded = False
        self.complete, self.gone = asyncio.Event(), asyncio.Event()
        self._awaited: set[int | str] = {"exit", 1}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != 1:
            self.stderr = (self.stderr + data)[-_STDERR_TAIL:]
            return
        self.stdout += data
        if len(self.stdout) > _OUTPUT_LIMIT:
            self.flooded = True
            self.complete.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._tick(fd)

    def process_exited(self) -> None:
        # What it leaves behind on purpose (a browser for the login) may hold its pipes open: do not wait for that.
        asyncio.get_running_loop().call_later(_LINGER_SECONDS, self.complete.set)
        self._tick("exit")

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()

    def _tick(self, what: int | str) -> None:
        self._awaited.discard(what)
        if not self._awaited:
            self.complete.set()


def _end_session(plugin: asyncio.SubprocessTransport) -> None:
    """End a running plugin and everything it started: it leads a session, and so a process group, of its own."""
    if plugin.get_returncode() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(plugin.get_pid(), signal.SIGKILL)


def _last_line(stderr: bytes, spec: ExecSpec) -> str:
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return ""
    line = lines[-1]
    for _, value in spec.environment:
        if len(value) >= 6:
            line = line.replace(value, "[redacted]")
    return printable(_SECRETS.sub("[redacted]", line), 200)
