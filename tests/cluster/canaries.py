"""Secrets of every sort, planted where real ones lie, and the search for them in everything that we say or keep."""

from __future__ import annotations

import base64
import json
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from tests.cluster.conftest import ControlPlanes, TestWorkspace

JsonObject = dict[str, Any]
BROKEN = ("bad-exec", "bad-proxy", "bad-basic", "bad-token")
"""Clusters of the fleet that cannot be used, each with a secret in what leads to it."""


@dataclass(frozen=True)
class Canaries:
    """By what they stand for: values that must never be seen again."""

    values: dict[str, str] = field(default_factory=dict)

    def plant(self, name: str) -> str:
        """A new secret of this name."""
        return self.values.setdefault(name, f"canary{secrets.token_hex(12)}")

    def found_in(self, content: bytes) -> list[str]:
        """The names of those that stand in there: as they are, quoted, or in base64 at any offset."""
        return [name for name, value in self.values.items() if any(word in content for word in _spellings(value))]


def _spellings(value: str) -> Iterator[bytes]:
    raw = value.encode()
    yield raw
    yield quote(value).encode()
    yield raw.hex().encode()
    for offset in range(3):
        # What a character of base64 says depends on its neighbours: the first and last ones are left out.
        encoded = base64.b64encode(b"\0" * offset + raw)
        yield encoded[4 : len(encoded) // 4 * 4 - 4]


def write_kubeconfig(planes: ControlPlanes, canaries: Canaries, folder: Path) -> Path:
    """The control planes' own kubeconfig, the first one by a credential plugin, and the broken contexts beside it."""
    document = yaml.safe_load(planes.kubeconfig.read_text())
    for number, entry in enumerate(document["users"]):
        key = base64.b64decode(entry["user"]["client-key-data"]).decode().splitlines()
        canaries.values[f"client key {number}"] = key[1]
    document["users"][0]["user"] = {"exec": _working_plugin(document["users"][0]["user"], folder)}
    first = document["clusters"][0]["cluster"]
    secret = canaries.plant("environment of a plugin")
    body = f'echo \'{{"token": "{canaries.plant("output of a plugin")}"}}\''
    failing = f"{body}\necho 'cannot log in: token={canaries.plant('stderr of a plugin')} '$PASS >&2\nexit 7"
    parts: dict[str, tuple[JsonObject, JsonObject]] = {
        "bad-exec": (
            first,
            {"exec": {**_plugin(folder, "failing", failing), "env": [{"name": "PASS", "value": secret}]}},
        ),
        "bad-proxy": (
            {**first, "proxy-url": f"http://user:{canaries.plant('password of a proxy')}@127.0.0.1:1"},
            {"token": canaries.plant("token behind a proxy")},
        ),
        "bad-basic": (
            {"server": f"https://user:{canaries.plant('password in an address')}@127.0.0.1:1"},
            {"username": "user", "password": canaries.plant("password")},
        ),
        "bad-token": (first, {"token": canaries.plant("token that is refused")}),
    }
    for name, (cluster, user) in parts.items():
        document["clusters"].append({"name": name, "cluster": cluster})
        document["users"].append({"name": name, "user": user})
        document["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


def _working_plugin(user: JsonObject, folder: Path) -> JsonObject:
    status = {
        "clientCertificateData": base64.b64decode(user["client-certificate-data"]).decode(),
        "clientKeyData": base64.b64decode(user["client-key-data"]).decode(),
    }
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return _plugin(folder, "working", f"cat <<'EOF'\n{json.dumps(answer)}\nEOF")


def _plugin(folder: Path, name: str, body: str) -> JsonObject:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(path),
        "interactiveMode": "Never",
    }


def add_broken(workspace: TestWorkspace) -> None:
    """The broken clusters, in the fleet."""
    path = workspace.root / "fleet.yaml"
    fleet = yaml.safe_load(path.read_text())
    del fleet["spec"]["kubeconfig"]
    fleet["spec"]["clusters"] += [{"name": name, "region": name, "context": name} for name in BROKEN]
    path.write_text(yaml.safe_dump(fleet, sort_keys=False))


def manifests(workspace: TestWorkspace, canaries: Canaries, generation: int) -> list[JsonObject]:
    """A Deployment, an autoscaler-free Service's worth of secrets: in variables, arguments, annotations, a Secret."""
    deployment = workspace.deployment("server", replicas=1)
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "HF_TOKEN", "value": canaries.plant(f"variable {generation}")}]
    container["args"] = ["--api-key", canaries.plant(f"argument {generation}")]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": workspace.namespace}}
    encoded = base64.b64encode(canaries.plant(f"Secret data {generation}").encode()).decode()
    return [
        deployment,
        {
            **secret,
            "data": {"key": encoded},
            "stringData": {"plain": canaries.plant(f"Secret stringData {generation}")},
        },
    ]


def is_private(path: Path) -> bool:
    """Whether nobody but its owner may read, list or enter it."""
    return not stat.S_IMODE(path.stat().st_mode) & 0o077
