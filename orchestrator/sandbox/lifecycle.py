"""`up`, `down` and `status` of a sandbox, for the command line and for test fixtures alike.

All control planes are started at once. `up` starts only what is dead, so it is also the repair.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import SandboxError
from orchestrator.sandbox.binaries import Toolbox, ensure_toolbox
from orchestrator.sandbox.cluster import Cluster, ComponentStatus
from orchestrator.sandbox.kubeconfig import Access, write_kubeconfig
from orchestrator.sandbox.regions import RegionSpec, checked, default_regions, read_fleet
from orchestrator.sandbox.store import Record, Store, imitated_spec, same_clusters

DEFAULT_COUNT = 5
_START_TIMEOUT = 120.0
_START_TIMEOUT_PER_CLUSTER = 10.0
"""Seconds: many control planes share the same few processors while they start."""

Progress = Callable[[str], None]


def _silent(_: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class ClusterStatus:
    """One cluster now; `uid` is None until it was up once."""

    spec: RegionSpec
    server: str | None
    uid: str | None
    components: tuple[ComponentStatus, ...]

    @property
    def state(self) -> str:
        """`running`, `stopped`, or `degraded` when only a part of it works."""
        states = {component.state for component in self.components}
        if states == {"running"}:
            return "running"
        return "stopped" if states == {"dead"} else "degraded"


@dataclass(frozen=True)
class SandboxStatus:
    """A sandbox now."""

    directory: Path
    clusters: tuple[ClusterStatus, ...]

    @property
    def state(self) -> str:
        """`running`, `stopped`, or `degraded` when some part is not running."""
        states = {cluster.state for cluster in self.clusters}
        return states.pop() if len(states) == 1 else "degraded"


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that is up: where its two files are, and its clusters."""

    directory: Path
    kubeconfig: Path
    fleet: Path
    clusters: tuple[Cluster, ...]

    def cluster(self, name: str) -> Cluster:
        """One cluster by name. Raises KeyError."""
        return {cluster.name: cluster for cluster in self.clusters}[name]


def up(
    directory: Path,
    regions: Sequence[RegionSpec] | int | None = None,
    progress: Progress = _silent,
    *,
    fleet: Path | None = None,
) -> Sandbox:
    """Start the sandbox in `directory`, or repair it: whatever lives and is healthy stays as it is.

    `regions` is a number of default regions (five for a new sandbox) or the clusters themselves; `fleet` is a fleet
    file whose shape is taken instead. Without both, an existing sandbox keeps its shape.

    Raises UsageError for impossible regions, SandboxError when something does not start or the directory is taken.
    What was started until then stays for `down` or another `up`.
    """
    store = Store(directory)
    wanted = _wanted(regions, fleet)
    store.prepare()
    with store.locked():
        record = _agree(store, wanted)
        toolbox = ensure_toolbox(progress)
        store.write(record)
        clusters = _clusters(store, record)
        uids = _start_all(clusters, toolbox, progress)
        record = replace(record, uids=uids)
        store.write(record)
        write_kubeconfig(store.kubeconfig, [_access(cluster) for cluster in clusters])
        store.write_fleet(record)
    return Sandbox(store.directory, store.kubeconfig, store.fleet, clusters)


def down(directory: Path, *, keep: bool = False) -> bool:
    """End every process of the sandbox and, unless `keep`, remove its data; False when there is no sandbox.

    Ends processes even where the sandbox's record of itself is damaged.
    """
    store = Store(directory)
    if not store.exists():
        return False
    with store.locked():
        stopping = [Cluster(RegionSpec(path.name, ""), path, 0).stop for path in store.cluster_directories()]
        if stopping:
            with ThreadPoolExecutor(len(stopping)) as pool:
                for future in [pool.submit(stop) for stop in stopping]:
                    future.result()
        if not keep:
            store.remove()
    return True


def status(directory: Path) -> SandboxStatus:
    """What of the sandbox lives now. Raises SandboxError when there is none in `directory`."""
    store = Store(directory)
    record = store.read()
    clusters = _clusters(store, record)
    with ThreadPoolExecutor(len(clusters)) as pool:
        components = list(pool.map(Cluster.inspect, clusters))
    return SandboxStatus(
        store.directory,
        tuple(
            ClusterStatus(cluster.spec, cluster.server, record.uids.get(cluster.name), tuple(parts))
            for cluster, parts in zip(clusters, components, strict=True)
        ),
    )


def attach(directory: Path) -> Sandbox:
    """The handles of an existing sandbox, without starting anything. Raises SandboxError when there is none."""
    store = Store(directory)
    return Sandbox(store.directory, store.kubeconfig, store.fleet, _clusters(store, store.read()))


def _wanted(regions: Sequence[RegionSpec] | int | None, fleet: Path | None) -> Record | None:
    if fleet is not None:
        specs, rest = read_fleet(fleet)
        return Record(specs, imitated_spec(rest))
    if isinstance(regions, int):
        return Record(default_regions(regions))
    return None if regions is None else Record(checked(regions))


def _agree(store: Store, wanted: Record | None) -> Record:
    if not store.exists():
        return wanted or Record(default_regions(DEFAULT_COUNT))
    existing = store.read()
    if wanted is not None and not same_clusters(existing.regions, wanted.regions):
        names = ", ".join(spec.cluster for spec in existing.regions)
        raise SandboxError(
            f"the sandbox in {store.directory} has other clusters: {names}",
            hint="end it first with: orchestrator sandbox down; or choose another --dir",
        )
    return existing


def _clusters(store: Store, record: Record) -> tuple[Cluster, ...]:
    return tuple(
        Cluster(spec, store.cluster_directory(spec.cluster), number) for number, spec in enumerate(record.regions)
    )


def _start_all(clusters: Sequence[Cluster], toolbox: Toolbox, progress: Progress) -> dict[str, str]:
    """Start all at once; the uid of each. The first failure cancels the waiting for the others."""
    cancelled = threading.Event()
    timeout = _START_TIMEOUT + _START_TIMEOUT_PER_CLUSTER * len(clusters)
    started = time.monotonic()
    progress(f"starting {len(clusters)} control plane{'s' if len(clusters) > 1 else ''} …")

    def start(cluster: Cluster) -> str:
        uid = cluster.ensure(toolbox, timeout, cancelled)
        progress(f"{cluster.name} is up after {time.monotonic() - started:.1f} s")
        return uid

    with ThreadPoolExecutor(len(clusters)) as pool:
        futures = {cluster.name: pool.submit(start, cluster) for cluster in clusters}
        try:
            wait(futures.values(), return_when=FIRST_EXCEPTION)
            _raise_first_failure(list(futures.values()))
        finally:
            cancelled.set()
    return {name: future.result() for name, future in futures.items()}


def _raise_first_failure(futures: Sequence[Future[str]]) -> None:
    for future in futures:
        if future.done() and (error := future.exception()) is not None:
            raise error


def _access(cluster: Cluster) -> Access:
    server = cluster.server
    if server is None:
        raise SandboxError(
            f"cluster {cluster.name} has no API server",
            hint="`orchestrator sandbox down --dir DIR`, then `sandbox up` anew",
        )
    return Access(cluster.name, server, cluster.credentials.authority, cluster.credentials.admin)
