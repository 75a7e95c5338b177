"""Custom resource definitions as an API server stored them once, put into a new cluster's etcd before its first start.

Ten Gateway API definitions cost an API server more processor time than everything else in its start, because each
is validated and compiled several times while it becomes established. So the first cluster ever started installs
them the ordinary way, what its API server made of them is kept in the cache, and later clusters begin with that: as
if restored from a backup. Whatever is missing then is still installed the ordinary way.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import http.client
import json
import os
import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.errors import SandboxError
from orchestrator.sandbox import pins
from orchestrator.sandbox.apiserver import ApiServer
from orchestrator.sandbox.private_files import write_private

_KEYS = "apiextensions.k8s.io/customresourcedefinitions/"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_TIMEOUT = 10.0


def stored_definitions(apiserver: Path) -> Path | None:
    """Where the definitions are kept that this API server program stored.

    None for a program that is not from our cache: its version, and so its storage format, is unknown.
    """
    if apiserver.parent != pins.binaries_directory(os.environ):
        return None
    digests = "".join(file.sha256 for file in pins.pinned_files())
    return apiserver.parent / f"gateway-api-{hashlib.sha256(digests.encode()).hexdigest()[:16]}.json"


def keep(api: ApiServer, path: Path) -> None:
    """Keep the Gateway API's definitions for later clusters, if all of them are established."""
    objects = [each for each in api.get(DEFINITIONS)["items"] if each["spec"]["group"] == "gateway.networking.k8s.io"]
    if all(_is_established(each) for each in objects):
        write_private(path, json.dumps(objects))


def preload(etcd: Path, path: Path, prefix: str = "/registry") -> None:
    """Put the kept definitions into the empty etcd that listens at `etcd`; each gets an identity of its own.

    `prefix` is the API server's `--etcd-prefix`, where several of them share one etcd.
    A damaged file is dropped: then the definitions are installed the ordinary way, and kept anew.
    Raises SandboxError when etcd does not take them.
    """
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        path.unlink(missing_ok=True)
        return
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    connection = http.client.HTTPConnection("localhost", timeout=_TIMEOUT)
    with connected(etcd) as sock:
        connection.sock = sock
        for stored in kept:
            metadata = stored["metadata"]
            metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now}
            metadata.pop("resourceVersion", None)
            body = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"} | stored
            _put(connection, f"{prefix}/{_KEYS}{metadata['name']}", json.dumps(body))


def accepts(etcd: Path) -> bool:
    """Does etcd listen?"""
    try:
        with connected(etcd):
            return True
    except OSError:
        return False


@contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    """A connection to a Unix socket, by a short name where the path is too long for one. Raises OSError."""
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as short:
        link = Path(short) / "d"
        link.symlink_to(path.parent)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(_TIMEOUT)
            sock.connect(str(link / path.name))
            yield sock


def _put(connection: http.client.HTTPConnection, key: str, value: str) -> None:
    body = json.dumps({"key": _base64(key), "value": _base64(value)})
    try:
        connection.request("POST", "/v3/kv/put", body)
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise SandboxError(
            f"etcd does not take {key}: {error!r}", hint="`orchestrator sandbox down --dir DIR`, then `sandbox up` anew"
        ) from error
    if response.status != http.client.OK:
        raise SandboxError(
            f"etcd does not take {key}: {response.status} {answer[:200]!r}",
            hint="`orchestrator sandbox down --dir DIR`, then `sandbox up` anew",
        )


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _is_established(definition: dict[str, Any]) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
