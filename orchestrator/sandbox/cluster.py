"""One control plane: starts it, tells which part of it is dead, and repairs exactly that.

The order of dependence is etcd, API server, everything else. etcd comes back at the same socket with the same data,
and with it the cluster's uid; a new API server takes a new port, so whatever talks to it is started anew as well.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from orchestrator.errors import SandboxError
from orchestrator.sandbox import pins
from orchestrator.sandbox.apiserver import ApiServer
from orchestrator.sandbox.binaries import Toolbox
from orchestrator.sandbox.components import Credentials, Layout, arguments
from orchestrator.sandbox.furnishing import furnish, is_furnished, kwok_stages
from orchestrator.sandbox.kubeconfig import write_component_kubeconfig
from orchestrator.sandbox.ports import free_ports
from orchestrator.sandbox.preload import accepts, keep, preload, stored_definitions
from orchestrator.sandbox.private_files import write_private
from orchestrator.sandbox.processes import ProcessRecord, end
from orchestrator.sandbox.regions import RegionSpec
from orchestrator.sandbox.waiting import Deadline, last_words

_STARTS = 3
"""How often a start is tried when somebody else takes one of its ports first."""
_GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL: an API server would wait a minute for its watches."""
_HEALTHY_WITHIN = 10.0
"""Seconds after which a live API server that is not ready counts as broken."""


@dataclass(frozen=True)
class ComponentStatus:
    """One process: `running`, `suspended`, `unready` (an API server that does not answer) or `dead`."""

    component: str
    state: str
    pid: int | None


class _PortTaken(SandboxError):
    """Somebody took a port between its choice and its use."""


class Cluster:
    """One control plane of a sandbox, in its own directory."""

    def __init__(self, spec: RegionSpec, directory: Path, number: int) -> None:
        self.spec = spec
        self.name = spec.cluster
        self.layout = Layout(directory)
        self.pod_range = f"10.{64 + number % 190}.0.0/16"
        """Different in each cluster, so that a pod's address tells where it is."""
        self._records = {name: ProcessRecord(self.layout.record(name)) for name in pins.COMPONENTS}

    @cached_property
    def credentials(self) -> Credentials:
        """The certificates of this cluster, made where they are missing."""
        return Credentials.in_directory(self.layout.pki)

    @property
    def server(self) -> str | None:
        """The URL of the API server's last start; None before the first."""
        port = self._read_port()
        return f"https://127.0.0.1:{port}" if port else None

    def api(self, timeout: float = 15.0) -> ApiServer:
        """A connection to the API server as its administrator. Raises SandboxError before the first start."""
        port = self._read_port()
        if port is None:
            raise SandboxError(
                f"cluster {self.name} was never started", hint="`orchestrator sandbox up --dir DIR` starts it"
            )
        return ApiServer(port, self.credentials.authority, self.credentials.admin, timeout)

    def inspect(self) -> list[ComponentStatus]:
        """What lives now, part by part; asks the API server whether it is ready."""
        return [self._inspect(component) for component in pins.COMPONENTS]

    def ensure(self, toolbox: Toolbox, timeout: float, cancelled: threading.Event) -> str:
        """Start or repair what is dead, until pods can be scheduled; the cluster's uid.

        Raises SandboxError naming the part that does not come up and its last words.
        """
        for directory in self.layout.directories:
            directory.mkdir(mode=0o700, exist_ok=True)
        write_private(self.layout.stages, kwok_stages(toolbox.files))
        wait = Deadline(timeout, cancelled)
        for attempt in range(1, _STARTS + 1):
            try:
                self._ensure_processes(toolbox, wait)
                break
            except _PortTaken:
                if attempt == _STARTS:
                    raise
        with self.api() as api:
            return self._furnish(api, toolbox, wait)

    def _furnish(self, api: ApiServer, toolbox: Toolbox, wait: Deadline) -> str:
        uid = furnish(api, self.spec, self.pod_range, toolbox.files)
        wait.until(
            lambda: is_furnished(api, self.spec), f"the nodes of {self.name} to become ready", self._watch(pins.KWOK)
        )
        kept = stored_definitions(toolbox.programs[pins.APISERVER])
        if kept is not None and not kept.exists():
            keep(api, kept)
        return uid

    def stop(self) -> None:
        """End every process of this cluster, etcd last. Its data stays."""
        for record in self._records.values():
            record.settle()
        self._end(pins.COMPONENTS[1:])
        self._end((pins.ETCD,))

    def kill(self, component: str) -> None:
        """End one part at once with SIGKILL, as a crash would; `up` repairs it. Raises KeyError for an unknown part."""
        record = self._records[component]
        record.send(signal.SIGKILL)
        while record.observe() is not None:
            time.sleep(0.01)

    def suspend(self, component: str) -> None:
        """Stop one part without ending it (SIGSTOP): its ports accept connections, and nothing answers."""
        self._records[component].send(signal.SIGSTOP)

    def resume(self, component: str) -> None:
        """Let a suspended part go on."""
        self._records[component].send(signal.SIGCONT)

    def _inspect(self, component: str) -> ComponentStatus:
        seen = self._records[component].observe()
        if seen is None:
            return ComponentStatus(component, "dead", None)
        state = "running"
        if seen.is_suspended:
            state = "suspended"
        elif component == pins.APISERVER and not self._is_ready(timeout=2.0):
            state = "unready"
        return ComponentStatus(component, state, seen.identity.pid)

    def _is_ready(self, timeout: float) -> bool:
        with self.api(timeout) as api:
            return api.is_ready()

    def _is_alive(self, component: str) -> bool:
        seen = self._records[component].observe()
        return seen is not None and not seen.is_suspended

    def _ensure_processes(self, toolbox: Toolbox, wait: Deadline) -> None:
        if not self._is_alive(pins.ETCD):
            self._start_etcd(toolbox, wait)
        if not self._is_alive(pins.APISERVER) or not self._becomes_ready(wait):
            self._end(pins.COMPONENTS[1:])
            (port,) = free_ports(1)
            write_private(self._port_file, str(port))
            check = self._start(pins.APISERVER, toolbox, port)
            with self.api(timeout=5.0) as api:
                wait.until(api.is_ready, f"the API server of {self.name} to become ready", check)
        for component in pins.COMPONENTS[2:]:
            if not self._is_alive(component):
                self._end((component,))
                self._start(component, toolbox, self._read_port() or 0)

    def _start_etcd(self, toolbox: Toolbox, wait: Deadline) -> None:
        self._end((pins.ETCD,))
        self.layout.socket.unlink(missing_ok=True)
        is_new = not self.layout.data.exists()
        check = self._start(pins.ETCD, toolbox, 0)
        wait.until(partial(accepts, self.layout.socket), f"etcd of {self.name} to listen", check)
        kept = stored_definitions(toolbox.programs[pins.APISERVER])
        if is_new and kept is not None and kept.exists():
            preload(self.layout.socket, kept)

    def _becomes_ready(self, wait: Deadline) -> bool:
        """A live API server may still be starting; one that hangs is replaced."""
        with self.api(timeout=2.0) as api:
            return wait.within(_HEALTHY_WITHIN, api.is_ready)

    def _start(self, component: str, toolbox: Toolbox, port: int) -> Callable[[], None]:
        check = self._watch(component)
        if component in self.credentials.components:
            write_component_kubeconfig(
                self.layout.kubeconfig(component), f"https://127.0.0.1:{port}",
                self.credentials.authority, self.credentials.components[component],
            )  # fmt: skip
        command = [
            toolbox.programs[component],
            *arguments(component, self.layout, port, self.credentials, self.pod_range),
        ]
        self._records[component].start(command, self.layout.directory, self.layout.log(component))
        return check

    def _end(self, components: Iterable[str]) -> None:
        records = [self._records[component] for component in components]
        end(records, _GRACE)
        for record in records:
            record.forget()

    def _watch(self, component: str) -> Callable[[], None]:
        """A check that raises once `component` has died, with what it said since now."""
        log = self.layout.log(component)
        offset = log.stat().st_size if log.exists() else 0

        def check() -> None:
            if self._is_alive(component):
                return
            words = last_words(log, offset)
            kind = _PortTaken if "address already in use" in words else SandboxError
            raise kind(f"cluster {self.name}: {component} ended: {words}", hint=f"see {log}")

        return check

    @property
    def _port_file(self) -> Path:
        return self.layout.directory / "port"

    def _read_port(self) -> int | None:
        try:
            return int(self._port_file.read_text())
        except (OSError, ValueError):
            return None
