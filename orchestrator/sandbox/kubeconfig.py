"""The kubeconfig files of a sandbox: one for people, with every cluster, and one per component. All of them 0600."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.sandbox.certificates import Pair
from orchestrator.sandbox.private_files import write_private


@dataclass(frozen=True)
class Access:
    """How a person reaches one cluster; `name` is context, cluster and user alike."""

    name: str
    server: str
    authority: Path
    client: Pair


def write_kubeconfig(path: Path, accesses: Sequence[Access]) -> None:
    """One kubeconfig with a context per cluster; credentials are embedded, so the file works from anywhere."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": accesses[0].name,
        "clusters": [
            {
                "name": each.name,
                "cluster": {"server": each.server, "certificate-authority-data": _embedded(each.authority)},
            }
            for each in accesses
        ],
        "users": [
            {
                "name": each.name,
                "user": {
                    "client-certificate-data": _embedded(each.client.certificate),
                    "client-key-data": _embedded(each.client.key),
                },
            }
            for each in accesses
        ],
        "contexts": [{"name": each.name, "context": {"cluster": each.name, "user": each.name}} for each in accesses],
    }
    write_private(path, yaml.safe_dump(document, sort_keys=False))


def write_component_kubeconfig(path: Path, server: str, authority: Path, client: Pair) -> None:
    """The kubeconfig of one component, which names its certificate files."""
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "sandbox",
        "clusters": [{"name": "sandbox", "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [
            {
                "name": "component",
                "user": {"client-certificate": str(client.certificate), "client-key": str(client.key)},
            }
        ],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "component"}}],
    }
    write_private(path, yaml.safe_dump(document, sort_keys=False))


def _embedded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")
