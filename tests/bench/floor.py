"""The floor: the least that a client can send to do the job, with the same dependencies, and nothing besides.

It imports nothing of ours, and makes no plan, lock, record, second look or proof. Per cluster, to enable: identity →
read → apply → scale → watch; to take down: identity → guard and route → scale, and a watch until no pod is left.

`floor.py enable|takedown WORK.json KUBECONFIG [CONTEXT…]` does one `Work` and prints how many seconds it took.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import yaml

IDENTITY = "/api/v1/namespaces/kube-system"
_APPLY = {"Content-Type": "application/apply-patch+yaml"}
_MERGE = {"Content-Type": "application/merge-patch+json"}
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Target:
    """One cluster: its name, its server's URL, and how to speak to it; `headers` may hold a token."""

    name: str
    server: str
    tls: ssl.SSLContext
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Work:
    """What is done in every cluster, as paths and bodies: the same bodies that the tool itself would send."""

    applies: list[tuple[str, dict[str, Any]]]  # objects, each with its path, without replicas
    workload: str  # the path of the Deployment, one of those applied
    replicas: int
    pods: str  # the path of the workload's pods, with their label selector
    guard: list[tuple[str, dict[str, Any]]]  # the policy and its binding, each with the path to which it is posted
    route: tuple[str, dict[str, Any]] | None  # the route's path, and the merge patch that cuts it


@dataclass(slots=True)
class Times:
    """Seconds of the monotonic clock at which a cluster got somewhere."""

    began: float = 0.0
    written: float = 0.0  # the last of the first writes was acknowledged
    done: float = 0.0  # all pods were available, or none was left


class Refused(Exception):
    """A server did not do what was asked."""


def targets(kubeconfig: Path, contexts: Sequence[str] = ()) -> list[Target]:
    """The clusters of these contexts (all when none is named), whose credentials are embedded or files."""
    document = yaml.load(kubeconfig.read_bytes(), Loader=yaml.CSafeLoader)
    clusters = {one["name"]: one["cluster"] for one in document["clusters"]}
    users = {one["name"]: one["user"] for one in document["users"]}
    bound = {one["name"]: one["context"] for one in document["contexts"]}
    found = []
    for name in contexts or bound:
        cluster, user = clusters[bound[name]["cluster"]], users[bound[name]["user"]]
        headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        found.append(Target(name, cluster["server"], _tls(cluster, user), headers))
    return found


def _tls(cluster: dict[str, str], user: dict[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=_content(cluster, "certificate-authority").decode())
    if "client-key-data" in user or "client-key" in user:
        with tempfile.NamedTemporaryFile() as file:
            file.write(_content(user, "client-certificate") + b"\n" + _content(user, "client-key"))
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _content(entry: dict[str, str], name: str) -> bytes:
    embedded = entry.get(f"{name}-data")
    return base64.b64decode(embedded) if embedded else Path(entry[name]).read_bytes()


class Client:
    """Requests to one cluster over a session that all clusters share."""

    def __init__(self, session: aiohttp.ClientSession, target: Target) -> None:
        self._session, self._target = session, target

    async def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """The parsed answer. Raises Refused."""
        content = None if body is None else orjson.dumps(body)
        url, given = self._target.server + path, self._target.headers | (headers or _JSON)
        async with self._session.request(method, url, data=content, headers=given, ssl=self._target.tls) as answer:
            read = await answer.read()
            if answer.status >= 400:
                raise Refused(f"{self._target.name}: {method} {path}: {answer.status} {read[:300]!r}")
            return orjson.loads(read)

    async def watch(self, path: str, version: str) -> AsyncIterator[dict[str, Any]]:
        """Events after a version, for as long as somebody wants them. Raises Refused."""
        url = f"{self._target.server}{path}{'&' if '?' in path else '?'}watch=true&resourceVersion={version}"
        async with self._session.get(url, headers=self._target.headers, ssl=self._target.tls) as answer:
            while line := await answer.content.readline():
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise Refused(f"{self._target.name}: {event['object']}")
                yield event
        raise Refused(f"{self._target.name}: the watch of {path} ended")


async def enable(client: Client, work: Work, times: Times) -> None:
    """Identity, read, apply, scale; then wait until every pod is available."""
    await client.send("GET", IDENTITY)
    for path, body in work.applies:
        with suppress(Refused):  # it does not exist yet: to know that is what the read is for
            await client.send("GET", path)
        applied = await client.send("PATCH", f"{path}?fieldManager=floor&force=true", body, _APPLY)
        if path == work.workload:
            live = applied
    await client.send("PATCH", f"{work.workload}/scale", {"spec": {"replicas": work.replicas}}, _MERGE)
    times.written = time.monotonic()
    collection, _, name = work.workload.rpartition("/")
    watched = f"{collection}?fieldSelector=metadata.name%3D{name}"
    async for event in client.watch(watched, live["metadata"]["resourceVersion"]):
        spec, status = event["object"]["spec"], event["object"].get("status", {})
        seen = status.get("observedGeneration", 0) >= event["object"]["metadata"]["generation"]
        if seen and spec["replicas"] == work.replicas == status.get("availableReplicas", 0):
            break
    times.done = time.monotonic()


async def take_down(client: Client, work: Work, times: Times) -> None:
    """Identity; guard and route together; scale; and meanwhile wait until no pod is left."""
    await client.send("GET", IDENTITY)
    gone = asyncio.ensure_future(_none_left(client, work.pods))
    first = [client.send("POST", f"{path}?fieldManager=floor", body) for path, body in work.guard]
    if work.route is not None:
        first.append(client.send("PATCH", f"{work.route[0]}?fieldManager=floor", work.route[1], _MERGE))
    await asyncio.gather(*first)
    await client.send("PATCH", f"{work.workload}/scale", {"spec": {"replicas": 0}}, _MERGE)
    times.written = time.monotonic()
    await gone
    times.done = time.monotonic()


async def _none_left(client: Client, path: str) -> None:
    found = await client.send("GET", path)
    left = {pod["metadata"]["uid"] for pod in found["items"] or ()}
    if not left:
        return
    async for event in client.watch(path, found["metadata"]["resourceVersion"]):
        uid = event["object"]["metadata"]["uid"]
        (left.discard if event["type"] == "DELETED" else left.add)(uid)
        if not left:
            return


ACTIONS = {"enable": enable, "takedown": take_down}


async def everywhere(action: str, work: Work, clusters: Iterable[Target]) -> dict[str, Times]:
    """Do it in every cluster at once; the times of each. One cluster that refuses ends it: an ExceptionGroup."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=8 << 20) as session:
        found = {target.name: Times(began=time.monotonic()) for target in clusters}
        async with asyncio.TaskGroup() as group:
            for target in clusters:
                group.create_task(ACTIONS[action](Client(session, target), work, found[target.name]))
        return found


def main(action: str, work: str, kubeconfig: str, *contexts: str) -> None:
    """Do it, and print how long it took."""
    clusters = targets(Path(kubeconfig), contexts)
    times = asyncio.run(everywhere(action, Work(**orjson.loads(Path(work).read_bytes())), clusters))
    began = min(one.began for one in times.values())
    seconds = {name: {"written": one.written - began, "done": one.done - began} for name, one in times.items()}
    sys.stdout.buffer.write(
        orjson.dumps({"seconds": max(one["done"] for one in seconds.values()), "clusters": seconds})
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
