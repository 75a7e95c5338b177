"""Starts, recognises and ends the processes of a sandbox, and never any other.

A process writes its own record (pid, boot and start time) *before* it becomes the program, so that no crash of ours
can leave a process without a record. It counts as ours only while all three still fit: a recycled pid never does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import SandboxError

_LAUNCHER = r"""
set -eu
record=$1; home=$2; shift 2
umask 077
cd "$home"
boot=-
if [ -r /proc/self/stat ]; then
  read -r start </proc/$$/stat
  read -r boot </proc/sys/kernel/random/boot_id
else
  start=$(LC_ALL=C TZ=UTC ps -o lstart= -p $$)
fi
printf '%s\n%s\n%s\n' "$$" "$boot" "$start" >"$record.new"
mv -f "$record.new" "$record"
exec "$@"
"""
"""Only shell built-ins and `mv`: a Python launcher would cost every start 30 ms of processor time."""

_RECORD_TIMEOUT = 10.0
_KILL_TIMEOUT = 10.0
_POLL = 0.01


@dataclass(frozen=True)
class Identity:
    """One process for all time: pid, boot of the machine, start time as the system tells it."""

    pid: int
    boot: str
    started: str


@dataclass(frozen=True)
class Observed:
    """A live process: who it is, and whether it was stopped by a signal."""

    identity: Identity
    is_suspended: bool


class ProcessRecord:
    """The record of one component: a file that its process wrote about itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._intent = path.with_suffix(".starting")

    def start(self, command: Sequence[str | os.PathLike[str]], home: Path, log: Path) -> Identity:
        """Start `command` in a session of its own, output appended to `log`.

        Raises SandboxError when the process ends before it could write its record.
        """
        self.path.unlink(missing_ok=True)
        self._intent.touch(mode=0o600)
        arguments = ["/bin/sh", "-c", _LAUNCHER, "orchestrator-sandbox", str(self.path), str(home), *command]
        pid = os.posix_spawn(
            "/bin/sh",
            [os.fspath(argument) for argument in arguments],
            _environment(home),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,  # so that Ctrl-C at our terminal does not reach it
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP],
            setsigmask=[],
        )
        identity = self._wait_for(pid)
        self._intent.unlink(missing_ok=True)
        return identity

    def _wait_for(self, pid: int) -> Identity:
        deadline = time.monotonic() + _RECORD_TIMEOUT
        while time.monotonic() < deadline:
            identity = self.read()
            if identity is not None:
                return identity
            if observe(pid) is None and (identity := self.read()) is None:
                break
            time.sleep(_POLL)
        raise SandboxError(f"process {pid} ended before it wrote {self.path}", hint="is the disk full?")

    def read(self) -> Identity | None:
        """Whom the record names, alive or not; None without a (readable) record."""
        try:
            pid, boot, start = self.path.read_text().splitlines()
            return Identity(int(pid), boot, _start_time(start))
        except (OSError, ValueError, IndexError):
            return None

    def settle(self) -> None:
        """Wait for a process whose starter died before the record was written."""
        deadline = time.monotonic() + 1.0
        while self._intent.exists() and self.read() is None and time.monotonic() < deadline:
            time.sleep(_POLL)
        self._intent.unlink(missing_ok=True)

    def observe(self) -> Observed | None:
        """The live process of this record; None when it is gone or its pid belongs to another process."""
        identity = self.read()
        if identity is None:
            return None
        seen = observe(identity.pid)
        return seen if seen is not None and seen.identity == identity else None

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to exactly this process; False when it no longer lives."""
        identity = self.read()
        return identity is not None and _send(identity, number)

    def forget(self) -> None:
        """Drop the record of a process that is gone."""
        self.path.unlink(missing_ok=True)


def end(records: Iterable[ProcessRecord], grace: float) -> None:
    """End the processes of all `records`: SIGTERM, SIGKILL after `grace` seconds, until none is left.

    Raises SandboxError when one survives SIGKILL.
    """
    waiting = [record for record in records if record.observe() is not None]
    for record in waiting:
        record.send(signal.SIGTERM)
        record.send(signal.SIGCONT)  # a stopped process handles SIGTERM only once it goes on
    waiting = _wait_until_gone(waiting, grace)
    for record in waiting:
        record.send(signal.SIGKILL)
    waiting = _wait_until_gone(waiting, _KILL_TIMEOUT)
    if waiting:
        names = ", ".join(f"{record.path.stem} ({record.read()})" for record in waiting)
        raise SandboxError(
            f"these processes survived SIGKILL: {names}",
            hint="the system holds them; end them by their numbers, or restart it",
        )


def _wait_until_gone(records: list[ProcessRecord], timeout: float) -> list[ProcessRecord]:
    deadline = time.monotonic() + timeout
    while records := [record for record in records if record.observe() is not None]:
        if time.monotonic() >= deadline:
            break
        time.sleep(_POLL)
    return records


def observe(pid: int) -> Observed | None:
    """The process that has this pid now; None when there is none, or only a zombie."""
    if sys.platform == "linux":
        seen = _observe_proc(pid)
    else:
        seen = _observe_ps(pid)
    if seen is None:
        with suppress(ChildProcessError):  # reap it where it was ours: a zombie would keep the pid
            os.waitpid(pid, os.WNOHANG)
    return seen


def _observe_proc(pid: int) -> Observed | None:
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    state = line.rpartition(")")[2].split()[0]
    if state in {"Z", "X", "x"}:
        return None
    return Observed(Identity(pid, boot, _start_time(line)), is_suspended=state in {"T", "t"})


def _observe_ps(pid: int) -> Observed | None:
    answer = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)],
        capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
    )  # fmt: skip
    state, _, started = answer.stdout.strip().partition(" ")
    if not started or state.startswith("Z"):
        return None
    return Observed(Identity(pid, "-", _start_time(started)), is_suspended=state.startswith("T"))


def _start_time(text: str) -> str:
    """Field 22 of a line of /proc/PID/stat, in ticks since boot; anything else as `ps` printed it."""
    if ")" in text:
        return text.rpartition(")")[2].split()[19]
    return " ".join(text.split())


def _send(identity: Identity, number: signal.Signals) -> bool:
    try:
        if not hasattr(os, "pidfd_open"):
            return _send_by_pid(identity, number)
        handle = os.pidfd_open(identity.pid)
    except OSError:
        return False
    try:
        # The handle keeps meaning this very process, so what is checked now is what is signalled.
        if not _fits(identity):
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _send_by_pid(identity: Identity, number: signal.Signals) -> bool:
    if not _fits(identity):
        return False
    os.kill(identity.pid, number)
    return True


def _fits(identity: Identity) -> bool:
    seen = observe(identity.pid)
    return seen is not None and seen.identity == identity


def _environment(home: Path) -> Mapping[str, str]:
    # No proxies, no KUBECONFIG, no ~/.kwok/kwok.yaml of the user: a control plane is what its flags say.
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "TMPDIR": tempfile.gettempdir(),
        "GOGC": "200",  # a tenth less processor time while everything starts at once, for some memory
    }
