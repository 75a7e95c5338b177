"""Many real control planes on one small machine: they share one etcd, and no scheduler runs.

Each has its own API server, controller manager, certificates, nodes and uid, as in `orchestrator.sandbox`, whose parts
these are. What a sandbox has and these have not: an etcd each (they use one, each under its own prefix), and a
scheduler (pods name their node).
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator import sandbox
from orchestrator.sandbox import pins, preload, processes
from orchestrator.sandbox.apiserver import ApiServer
from orchestrator.sandbox.binaries import Toolbox, ensure_toolbox
from orchestrator.sandbox.components import Argument, Credentials, Layout, arguments
from orchestrator.sandbox.furnishing import furnish, is_furnished, kwok_stages
from orchestrator.sandbox.kubeconfig import Access, write_component_kubeconfig, write_kubeconfig
from orchestrator.sandbox.ports import free_ports
from orchestrator.sandbox.private_files import write_private
from orchestrator.sandbox.processes import ProcessRecord
from orchestrator.sandbox.regions import RegionSpec
from orchestrator.sandbox.waiting import Deadline, last_words
from tests.bench.setting import Setting

_NAME = "bench"
"""Of every cluster's nodes: the same everywhere, so that one manifest can name a node of each."""
_AT_ONCE = 8
"""API servers that start at the same time: more of them only wait for each other."""
_SECONDS = 900.0
_AUDITED = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, users: [sandbox-admin]}
  - {level: None}
"""
"""Requests of people, once each (a watch twice: when it is answered and when it ends); none of the cluster's own."""
_NICENESS = 15
"""Of every process of a control plane, see `yield_processors`."""


@dataclass(frozen=True, slots=True)
class Planes:
    """Control planes that run: what every client of them needs."""

    kubeconfig: Path
    uids: dict[str, str]
    """The uid of each cluster, by its context's name."""
    node: str
    """The node that pods name: no scheduler finds one for them."""
    folder: Path

    def audited(self, name: str) -> Path:
        """Where a cluster's API server writes a line for every request of people: an independent count."""
        return self.folder / name / "audit.log"

    @property
    def names(self) -> list[str]:
        """The contexts, which are the clusters' names."""
        return list(self.uids)


@asynccontextmanager
async def started(
    folder: Path, count: int, say: Callable[[str], None], *, yielding: bool = True
) -> AsyncIterator[Planes]:
    """`count` control planes in `folder`, ended at the end. Raises SandboxError when one does not come up.

    `yielding` says whether they leave the processors to whoever wants them: not beside others that do not.
    """
    fleet = _Fleet(folder, count, say, yielding=yielding)
    try:
        yield await asyncio.to_thread(fleet.start)
    finally:
        await asyncio.to_thread(fleet.end)


@asynccontextmanager
async def few_planes(setting: Setting, most: int, name: str) -> AsyncIterator[Setting]:
    """The control planes of everybody where they are few, else a few of its own, for as long as one is inside."""
    if setting.clusters <= most:
        yield setting
        return
    async with started(setting.folder / name, most, setting.say) as planes:

        async def own() -> Planes:
            return planes

        yield replace(setting, clusters=most, planes=own)


class _Fleet:
    def __init__(self, folder: Path, count: int, say: Callable[[str], None], *, yielding: bool) -> None:
        self._folder, self._say, self._yielding = folder, say, yielding
        self._cancelled = threading.Event()
        self._wait = Deadline(_SECONDS, self._cancelled)
        self._store = Layout(folder / "etcd")
        self._planes = [Layout(folder / f"cluster-{number:02}") for number in range(1, count + 1)]
        self._records: list[ProcessRecord] = []

    def start(self) -> Planes:
        """Start everything and wait until pods would run."""
        self._folder.mkdir(parents=True, exist_ok=True)
        toolbox, began = ensure_toolbox(self._say), time.monotonic()
        kept = self._definitions(toolbox)
        url = self._start_store(toolbox)
        self._say(f"starting {len(self._planes)} control planes …")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            try:
                uids = list(pool.map(lambda layout: self._start_plane(layout, toolbox, url, kept), self._planes))
            except BaseException:
                self._cancelled.set()
                raise
        accesses = [self._access(layout) for layout in self._planes]
        write_kubeconfig(self._folder / "kubeconfig", accesses)
        self._say(f"{len(uids)} control planes are up after {time.monotonic() - began:.0f} s")
        names = [access.name for access in accesses]
        uids_by_name = dict(zip(names, uids, strict=True))
        return Planes(self._folder / "kubeconfig", uids_by_name, f"{_NAME}-node-a", self._folder)

    def end(self) -> None:
        """End every process that was started, etcd last."""
        self._cancelled.set()
        processes.end(self._records[1:], grace=3.0)
        processes.end(self._records[:1], grace=3.0)

    def _definitions(self, toolbox: Toolbox) -> Path | None:
        """The Gateway API as an API server stored it; an ordinary sandbox keeps it, where none did so far."""
        kept = preload.stored_definitions(toolbox.programs[pins.APISERVER])
        if kept is not None and not kept.exists():
            sandbox.up(self._folder / "first", 1, self._say)
            sandbox.down(self._folder / "first")
        return kept if kept is not None and kept.exists() else None

    def _start_store(self, toolbox: Toolbox) -> str:
        (port,) = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        given = arguments(pins.ETCD, self._store, 0, self._credentials(self._store), "")
        listen = [f"{one},{url}" if "client-urls=" in str(one) else one for one in given]
        check = self._run(pins.ETCD, self._store, toolbox, listen)
        self._wait.until(lambda: preload.accepts(self._store.socket), "etcd to listen", check)
        return url

    def _start_plane(self, layout: Layout, toolbox: Toolbox, store: str, kept: Path | None) -> str:
        credentials, pods = self._credentials(layout), f"10.{64 + self._planes.index(layout)}.0.0/16"
        if kept is not None:
            preload.preload(self._store.socket, kept, f"/{layout.directory.name}")
        (port,) = free_ports(1)
        check = self._start_server(layout, toolbox, store, port)
        spec = RegionSpec(_NAME, layout.directory.name)
        with ApiServer(port, credentials.authority, credentials.admin) as api:
            self._wait.until(api.is_ready, f"the API server of {layout.directory.name}", check)
            for component in (pins.CONTROLLER_MANAGER, pins.KWOK):
                write_component_kubeconfig(
                    layout.kubeconfig(component), f"https://127.0.0.1:{port}",
                    credentials.authority, credentials.components[component],
                )  # fmt: skip
                write_private(layout.stages, kwok_stages(toolbox.files))
                check = self._run(component, layout, toolbox, self._arguments(component, layout, port, pods))
            uid = furnish(api, spec, pods, toolbox.files)
            self._wait.until(lambda: is_furnished(api, spec), f"the nodes of {layout.directory.name}", check)
        return uid

    def _start_server(self, layout: Layout, toolbox: Toolbox, store: str, port: int) -> Callable[[], None]:
        folder = layout.directory
        write_private(folder / "port", str(port))
        write_private(folder / "audit.yaml", _AUDITED)
        shared = [
            f"--etcd-servers={store}", f"--etcd-prefix=/{folder.name}",
            f"--audit-policy-file={folder / 'audit.yaml'}", f"--audit-log-path={folder / 'audit.log'}",
        ]  # fmt: skip
        given = self._arguments(pins.APISERVER, layout, port, "")
        others = [one for one in given if not str(one).startswith("--etcd-servers")]
        return self._run(pins.APISERVER, layout, toolbox, [*shared, *others])

    def _arguments(self, component: str, layout: Layout, port: int, pods: str) -> list[Argument]:
        return list(arguments(component, layout, port, self._credentials(layout), pods))

    def _credentials(self, layout: Layout) -> Credentials:
        for directory in layout.directories:
            directory.mkdir(mode=0o700, exist_ok=True)
        return Credentials.in_directory(layout.pki)

    def _access(self, layout: Layout) -> Access:
        credentials, port = self._credentials(layout), (layout.directory / "port").read_text()
        return Access(layout.directory.name, f"https://127.0.0.1:{port}", credentials.authority, credentials.admin)

    def _run(self, component: str, layout: Layout, toolbox: Toolbox, given: Sequence[Argument]) -> Callable[[], None]:
        record, log = ProcessRecord(layout.record(component)), layout.log(component)
        started_as = record.start([toolbox.programs[component], *given], layout.directory, log)
        self._records.append(record)
        if self._yielding:
            yield_processors(started_as.pid)

        def check() -> None:
            if record.observe() is None:
                raise sandbox.ApiServerError(f"{component} of {layout.directory.name} ended: {last_words(log)}")

        return check


def yield_processors(pid: int) -> None:
    """Let a process have only what processors nobody else wants.

    Control planes stand on machines of their own, where they take no processor from whoever asks them. Here dozens of
    them would leave a client a tenth of one, and what it waits for then is this machine.
    """
    with suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
    # Linux weighs sessions first, where it groups processes by them, and niceness only within one: sched(7).
    group = Path(f"/proc/{pid}/autogroup")
    while group.exists():
        try:
            group.write_text(str(_NICENESS))
        except BlockingIOError:
            # Whoever is not root may say so ten times a second.
            time.sleep(0.1)
        except ProcessLookupError:
            return
        else:
            return
