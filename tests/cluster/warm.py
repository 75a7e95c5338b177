"""The command line without its start: a process that has imported everything forks for each command.

Imports are most of what a short command costs, and these tests run a thousand of them on few cores. What runs is the
program itself, in a process of its own, with an environment, a folder and files of its own. Starts as a user has them
are tested elsewhere (`tests/package/test_start.py`, `tests/ui`, and every test here that needs a signal or a terminal).
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import random
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

import orchestrator
from orchestrator import __main__ as program

Done: TypeAlias = "subprocess.CompletedProcess[str]"
FIXED_AT_START = ("PYTHON", "LC_", "LANG")
"""Beginnings of variables that an interpreter obeys when it starts, and never again."""
_MOST = 1 << 20
"""Bytes of a command with its environment."""


class WarmCommandLine:
    """The process that forks, as its tests see it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="warm-"))
        self._socket = self._folder / "socket"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.warm", str(self._socket)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=Path(__file__).parents[2],
        )
        cast(IO[bytes], self._process.stdout).readline()

    def run(
        self, arguments: list[str], environment: dict[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run one command line to its end. Raises `subprocess.TimeoutExpired` when it takes longer, and kills it."""
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as way,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            way.settimeout(timeout)
            way.connect(str(self._socket))
            asked = json.dumps({"arguments": arguments, "environment": environment, "folder": str(Path.cwd())}).encode()
            socket.send_fds(way, [asked], [out.fileno(), err.fileno()])
            pid = int(way.recv(100))
            try:
                code = int(way.recv(100))
            except TimeoutError as error:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(arguments, timeout) from error
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(arguments, code, out.read().decode(), err.read().decode())

    def close(self) -> None:
        """End the process; it ends by itself, too, when this one is gone."""
        for pipe in (self._process.stdin, self._process.stdout):
            cast(IO[bytes], pipe).close()
        self._process.wait(timeout=30)
        shutil.rmtree(self._folder, ignore_errors=True)


_started: dict[int, WarmCommandLine] = {}
_starting = threading.Lock()
"""Tests may run commands from several threads."""


def run_command(arguments: list[str], environment: dict[str, str], timeout: float) -> Done:
    """Run one command line to its end, by a fork where that makes no difference."""
    if any(name.startswith(FIXED_AT_START) for name in environment):
        return subprocess.run(
            [sys.executable, "-m", "orchestrator", *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
            check=False,
        )
    with _starting:
        if os.getpid() not in _started:
            _started[os.getpid()] = WarmCommandLine({"PATH": environment["PATH"], "HOME": "/nonexistent"})
            atexit.register(_started[os.getpid()].close)
    return _started[os.getpid()].run(arguments, environment, timeout)


def _import_everything() -> None:
    """What a command would import when it needs it; optional parts as far as they are installed."""
    for module in pkgutil.walk_packages(orchestrator.__path__, "orchestrator."):
        try:
            importlib.import_module(module.name)
        except ImportError:
            continue
    gc.collect()
    gc.freeze()


def _serve(listener: socket.socket) -> dict[str, Any] | None:
    """Fork for each command and tell how it ended; what is asked in the fork, None when nobody asks any more."""
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fd == 0:
                return None
            if key.fileobj is not listener:
                pid, way = key.data
                selector.unregister(key.fd)
                os.close(key.fd)
                _tell(way, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                way.close()
                continue
            way, _ = listener.accept()
            data, streams, _, _ = socket.recv_fds(way, _MOST, 2)
            pid = os.fork()
            if pid == 0:
                selector.close()
                listener.close()
                way.close()
                return {**json.loads(data), "streams": streams}
            for stream in streams:
                os.close(stream)
            _tell(way, pid)
            selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, way))


def _tell(way: socket.socket, number: int) -> None:
    try:
        way.send(str(number).encode())
    except OSError:  # whoever asked has stopped waiting
        return


def _become(asked: dict[str, Any]) -> None:
    """The process that `python -m orchestrator` would be by now."""
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    random.seed()
    null = os.open(os.devnull, os.O_RDONLY)
    for number, stream in enumerate((null, *asked["streams"])):
        os.dup2(stream, number)
        os.close(stream)
    sys.argv = [str(Path(program.__file__)), *asked["arguments"]]


def main() -> None:
    """Serve on a socket until stdin ends; in each fork, be the command."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(sys.argv[1])
        listener.listen(64)
        _import_everything()
        os.write(1, b"ready\n")
        asked = _serve(listener)
    if asked is not None:
        _become(asked)
        program.main()


if __name__ == "__main__":
    main()
