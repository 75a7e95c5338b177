"""A kubeconfig and a fleet for servers of the tests."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import yaml

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.delivery import FleetConnection, Timeouts, connect


class Connect(Protocol):
    """Connects to servers on loopback, by port."""

    def __call__(
        self,
        *ports: int,
        timeouts: Timeouts = ...,
        user: Mapping[str, Any] | None = None,
        server: Mapping[str, Any] | None = None,
        uid: str | None = None,
        absent: Sequence[str] = (),
        servers: Sequence[Mapping[str, Any]] = (),
    ) -> AbstractAsyncContextManager[FleetConnection]: ...


def connecting(
    directory: Path,
    authority: bytes,
    ports: Sequence[int],
    *,
    timeouts: Timeouts,
    user: Mapping[str, Any] | None = None,
    server: Mapping[str, Any] | None = None,
    uid: str | None = None,
    absent: Sequence[str] = (),
    servers: Sequence[Mapping[str, Any]] = (),
) -> AbstractAsyncContextManager[FleetConnection]:
    """Connect to clusters `c0`, `c1`, … behind these ports; `user` and `server` replace fields of every
    context, `servers` those of each.

    `absent` names clusters of the fleet that the kubeconfig does not have.
    """
    names = [f"c{number}" for number in range(len(ports))]
    trust = {"certificate-authority-data": base64.b64encode(authority).decode()}
    document = {
        "clusters": [
            {"name": name, "cluster": {"server": f"https://127.0.0.1:{port}", **trust, **own}}
            for name, port, own in zip(names, ports, servers or [server or {}] * len(ports), strict=True)
        ],
        "users": [{"name": "tester", "user": dict(user or {"token": "t0ken"})}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "tester"}} for name in names],
    }
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    clusters = tuple(Cluster(name=name, region="here", uid=uid) for name in (*names, *absent))
    return connect(
        Fleet(name="test", clusters=clusters), kubeconfig=path, timeouts=timeouts, environ={"PATH": "/usr/bin:/bin"}
    )
