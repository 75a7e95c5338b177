"""A sandbox's directory: its record of itself, its lock, and the two files that others read.

A directory without `sandbox.json` is not a sandbox: nothing in it is ever overwritten or removed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import yaml

from orchestrator.errors import SandboxError
from orchestrator.sandbox.private_files import write_private
from orchestrator.sandbox.regions import RegionSpec, checked, from_record, to_record

API_VERSION = "orchestrator/v1"
_LOCK_TIMEOUT = 60.0
_VERIFIES = {"location": True, "audience": False, "nationality": False}


@dataclass(frozen=True)
class Record:
    """What `sandbox.json` says: the clusters, their uids once known, and the rest of an imitated fleet's spec."""

    regions: tuple[RegionSpec, ...]
    fleet_spec: Mapping[str, Any] = field(default_factory=dict)
    uids: Mapping[str, str] = field(default_factory=dict)


class Store:
    """The files of one sandbox."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.kubeconfig = self.directory / "kubeconfig"
        self.fleet = self.directory / "fleet.yaml"
        self._clusters = self.directory / "clusters"
        self._record = self.directory / "sandbox.json"
        self._lock = self.directory / ".lock"

    def cluster_directory(self, name: str) -> Path:
        """Where one cluster lives; its name was checked."""
        return self._clusters / name

    def cluster_directories(self) -> list[Path]:
        """Every cluster's directory that exists, recorded or not."""
        return sorted(path for path in self._clusters.glob("*") if path.is_dir())

    def exists(self) -> bool:
        """Is there a sandbox in this directory?"""
        return self._record.is_file()

    def prepare(self) -> None:
        """Make the directory. Raises SandboxError when it holds something that is not a sandbox's."""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SandboxError(
                f"{self.directory} cannot be made: {error.strerror}", hint="name a folder that can be made: --dir DIR"
            ) from error
        taken = [path.name for path in (self.kubeconfig, self.fleet, self._clusters) if path.exists()]
        if taken and not self.exists():
            raise SandboxError(
                f"{self.directory} is not a sandbox, but already holds {', '.join(taken)}",
                hint="choose another directory with --dir",
            )

    def read(self) -> Record:
        """The sandbox's record of itself. Raises SandboxError when there is none or it is damaged."""
        try:
            document = json.loads(self._record.read_text())
            if document["apiVersion"] != API_VERSION:
                raise SandboxError(
                    f"{self._record} was written by another version: {document['apiVersion']!r}",
                    hint="`sandbox down` with the version that made it, or another --dir",
                )
            regions = checked([from_record(entry) for entry in document["clusters"]])
            return Record(regions, document["fleetSpec"], document["uids"])
        except FileNotFoundError as error:
            raise SandboxError(
                f"there is no sandbox in {self.directory}", hint="start one with: orchestrator sandbox up"
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SandboxError(
                f"{self._record} is damaged: {error!r}", hint="clear it with: orchestrator sandbox down"
            ) from error

    def write(self, record: Record) -> None:
        """Record the sandbox; done before anything is started, so that `down` always finds it."""
        document = {
            "apiVersion": API_VERSION,
            "kind": "Sandbox",
            "clusters": [to_record(spec) for spec in record.regions],
            "fleetSpec": dict(record.fleet_spec),
            "uids": dict(record.uids),
        }
        self._clusters.mkdir(mode=0o700, exist_ok=True)
        write_private(self._record, json.dumps(document, indent=2, default=str))

    def write_fleet(self, record: Record) -> None:
        """Write `fleet.yaml` once; from then on it is the user's to edit, as contexts and uids never change."""
        if self.fleet.exists():
            return
        clusters = [_fleet_entry(spec, record.uids[spec.cluster]) for spec in record.regions]
        spec = {"kubeconfig": self.kubeconfig.name, "clusters": clusters, "verifies": _VERIFIES}
        document = {
            "apiVersion": API_VERSION,
            "kind": "Fleet",
            "metadata": {"name": "sandbox"},
            "spec": spec | dict(record.fleet_spec),
        }
        write_private(self.fleet, yaml.safe_dump(document, sort_keys=False))

    def remove(self) -> None:
        """Remove what belongs to the sandbox, and the directory when nothing else is in it."""
        if self._clusters.is_dir():
            shutil.rmtree(self._clusters)
        for path in (self.kubeconfig, self.fleet, self._record, self._lock):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self.directory.rmdir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no two commands change one sandbox. Raises SandboxError after a minute of waiting."""
        deadline = time.monotonic() + _LOCK_TIMEOUT
        while (handle := self._try_lock()) is None:
            if time.monotonic() >= deadline:
                raise SandboxError(
                    f"another command is busy with the sandbox in {self.directory}",
                    hint="wait until it has ended, or name another --dir",
                )
            time.sleep(0.1)
        with handle:
            yield

    def _try_lock(self) -> TextIO | None:
        handle = self._lock.open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # `down` may have removed the file between our open and our lock: then it locks nothing.
            if os.fstat(handle.fileno()).st_nlink > 0:
                return handle
        except BlockingIOError:
            pass
        handle.close()
        return None


def imitated_spec(rest: Mapping[str, Any]) -> dict[str, Any]:
    """What of a real fleet's spec makes sense in a sandbox: not its orders, whose files lie elsewhere."""
    return {key: value for key, value in rest.items() if key not in {"inForce", "kubeconfig", "clusters"}}


def _fleet_entry(spec: RegionSpec, uid: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": spec.cluster, "region": spec.region}
    if spec.country:
        entry["country"] = spec.country
    if spec.serves is not None:
        entry["serves"] = list(spec.serves)
    entry |= {"context": spec.cluster, "uid": uid}
    if spec.labels:
        entry["labels"] = dict(spec.labels)
    return entry | dict(spec.details)


def same_clusters(left: Sequence[RegionSpec], right: Sequence[RegionSpec]) -> bool:
    """Do both mean the same clusters, in any order?"""
    return sorted(map(repr, left)) == sorted(map(repr, right))
