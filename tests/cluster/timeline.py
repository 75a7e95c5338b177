"""What happened in a cluster, event by event in the order of its own store: an independent watch, without our client.

Every kind's events carry the store's revision, so that they are ordered across kinds whatever the network does, and no
clock is asked.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import yaml

from tests.cluster.conftest import ControlPlanes

JsonObject = dict[str, Any]
SYSTEM = "/api/v1/namespaces/orchestrator-system"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"


@dataclass(frozen=True, order=True)
class Seen:
    """One event of a watch."""

    revision: int
    type: str = field(compare=False)
    kind: str = field(compare=False)
    obj: JsonObject = field(compare=False)

    @property
    def name(self) -> str:
        """Name of the object."""
        return str(self.obj["metadata"]["name"])

    @property
    def labels(self) -> JsonObject:
        """Labels of the object."""
        return dict(self.obj["metadata"].get("labels") or {})


class Timeline:
    """Watches one model in one cluster until it is closed: its pods, guards, holds, lifts, restore records, locks."""

    def __init__(self, planes: ControlPlanes, cluster: str, namespace: str, model: str, folder: Path) -> None:
        self.cluster = cluster
        self._server, self._tls = _access(planes.kubeconfig, cluster, folder)
        self._events: list[Seen] = []
        self._heard = time.monotonic()
        self._is_closed = False
        own = f"?labelSelector={quote(f'orchestrator.dev/model={model}')}&"
        paths = {
            "Pod": f"/api/v1/namespaces/{namespace}/pods?",
            "Binding": f"{BINDINGS}{own}",
            "ConfigMap": f"{SYSTEM}/configmaps?",
            "Secret": f"{SYSTEM}/secrets{own}",
        }
        self._threads = [
            threading.Thread(target=self._watch, args=(kind, f"{path}watch=1"), daemon=True, name=f"{cluster} {kind}")
            for kind, path in paths.items()
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End every watch."""
        self._is_closed = True
        for thread in self._threads:
            thread.join(timeout=10)

    def events(self) -> list[Seen]:
        """Everything so far, once nothing new has come for a while."""
        while time.monotonic() - self._heard < _QUIET:
            time.sleep(0.1)
        return sorted(self._events)

    def _watch(self, kind: str, path: str) -> None:
        while not self._is_closed:
            with suppress(OSError, http.client.HTTPException, ValueError):
                for event in self._lines(path):
                    self._heard = time.monotonic()
                    self._keep(kind, event)

    def _lines(self, path: str) -> Iterator[JsonObject]:
        connection = http.client.HTTPSConnection(*self._server, context=self._tls, timeout=_SILENT)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            while not self._is_closed and (line := answer.readline()):
                yield json.loads(line)
        finally:
            connection.close()

    def _keep(self, kind: str, event: JsonObject) -> None:
        obj = event["object"]
        if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
            seen = Seen(int(obj["metadata"]["resourceVersion"]), event["type"], kind, obj)
            # A watch that was begun anew tells everything again.
            if all((one.revision, one.kind, one.name) != (seen.revision, kind, seen.name) for one in self._events):
                self._events.append(seen)


_QUIET = 0.5
_SILENT = 5.0
"""Seconds of silence after which a watch is begun anew, and sees that it is to end."""


def _access(kubeconfig: Path, context: str, folder: Path) -> tuple[tuple[str, int], ssl.SSLContext]:
    document = yaml.safe_load(kubeconfig.read_text())
    named = {part: {each["name"]: each for each in document[part]} for part in ("contexts", "clusters", "users")}
    chosen = named["contexts"][context]["context"]
    cluster, user = named["clusters"][chosen["cluster"]]["cluster"], named["users"][chosen["user"]]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    tls = ssl.create_default_context(cadata=authority)
    pair = folder / f"{context}.pem"
    pair.write_bytes(
        base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"])
    )
    pair.chmod(0o600)
    tls.load_cert_chain(pair)
    where = urlsplit(cluster["server"])
    assert where.hostname and where.port
    return (where.hostname, where.port), tls


@dataclass
class Darkness:
    """Whether what was said of a cluster stayed true: replays a timeline."""

    cluster: str
    pods: set[str] = field(default_factory=set)
    guards: dict[str, str] = field(default_factory=dict)
    """By binding's name: the order that it stands for."""
    proven: set[str] = field(default_factory=set)
    """Orders whose takedown said `verified` here, in the hold's own ledger, and that are not lifted yet."""
    lifted: set[str] = field(default_factory=set)
    ever_proven: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)

    def replay(self, events: list[Seen], model: str) -> Darkness:
        """Itself, after all these events; `broken` has each moment at which a word was not kept."""
        for seen in events:
            match seen.kind:
                case "Pod":
                    self._pod(seen)
                case "Binding":
                    self._binding(seen)
                case "ConfigMap":
                    self._record(seen, model)
                case _:
                    continue
            self._check(seen)
        return self

    def _pod(self, seen: Seen) -> None:
        ended = seen.obj.get("status", {}).get("phase") in ("Failed", "Succeeded")
        (self.pods.discard if seen.type == "DELETED" or ended else self.pods.add)(seen.name)

    def _binding(self, seen: Seen) -> None:
        if seen.type == "DELETED":
            self.guards.pop(seen.name, None)
        else:
            self.guards[seen.name] = seen.labels["orchestrator.dev/order"]

    def _record(self, seen: Seen, model: str) -> None:
        order, record = seen.labels.get("orchestrator.dev/order", ""), seen.labels.get("orchestrator.dev/record")
        if record == "lift" and seen.type != "DELETED":
            self.lifted.add(order)
            self.proven.discard(order)
        if record == "hold" and seen.labels.get("orchestrator.dev/model") == model and seen.type != "DELETED":
            ledger = json.loads(seen.obj["data"].get("ledger") or "{}")
            if ledger.get(self.cluster) == "verified" and order not in self.lifted:
                self.proven.add(order)
                self.ever_proven.add(order)

    def _check(self, seen: Seen) -> None:
        if self.proven and self.pods:
            self.broken.append(f"{seen.revision}: {sorted(self.pods)} under {sorted(self.proven)}")
        if missing := self.proven - set(self.guards.values()):
            self.broken.append(f"{seen.revision}: {seen.type} {seen.kind} {seen.name}: no guard of {sorted(missing)}")
