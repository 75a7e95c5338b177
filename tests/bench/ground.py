"""The ground on which we and others are timed: a model in every cluster, and everything as before after each round."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import yaml

from tests.bench.figures import JsonObject, Wrong
from tests.bench.floor import Client, Refused, Target, Work, targets
from tests.bench.planes import Planes
from tests.bench.setting import PYTHON, ROOT, Setting

NAMESPACE = "bench"
ROUTE = "bench"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
_ROUTES = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
_SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
_OURS = "/api/v1/namespaces/orchestrator-system"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/orchestrator-system/leases"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_POLICIES = (
    f"{_ADMISSION}/validatingadmissionpolicybindings?labelSelector=orchestrator.dev%2Forder",
    f"{_ADMISSION}/validatingadmissionpolicies?labelSelector=orchestrator.dev%2Forder",
)
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One process, ours or another: when it was started (seconds since the epoch), how long it ran, what it said."""

    began: float
    seconds: float
    document: Any

    def until(self, moment: str) -> float:
        """Seconds from the process's start until the last item got there; raises Wrong where one did not."""
        found = [item["times"][moment] for item in self.document["items"]]
        if not found or not all(found):
            raise Wrong(f"{moment} is missing in {sum(not one for one in found)} of {len(found)} items")
        return max(datetime.fromisoformat(one).timestamp() for one in found) - self.began


class Ground:
    """A workspace over the control planes, and a bare client that puts everything back."""

    def __init__(self, setting: Setting, planes: Planes, root: Path, session: aiohttp.ClientSession) -> None:
        self.setting, self.planes, self.root = setting, planes, root
        self.clusters: list[Target] = targets(planes.kubeconfig, planes.names)
        self.clients = {target.name: Client(session, target) for target in self.clusters}
        self.guard: list[tuple[str, JsonObject]] = []
        """Our guard as a cluster had it, for the floor to send the like."""
        self._orders = 0

    def write(self, path: str, document: JsonObject) -> str:
        """Write a document into the workspace; its path."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(document, sort_keys=False))
        return path

    def write_models(self, *names: str, **more: JsonObject) -> None:
        """Models of one Deployment each; the route is that of the model of its name. `more` goes into each spec."""
        for name in names:
            self.write(f"manifests/{name}/objects.yaml", self.deployment(name))
            routes = [{"kind": "HTTPRoute", "namespace": NAMESPACE, "name": ROUTE}] if name == ROUTE else []
            spec = {"manifests": ["objects.yaml"], "replicas": self.setting.pods, "routes": routes, **more}
            self.write(f"manifests/{name}/model.yaml", _document("Model", name, spec))

    def write_order(self, *models: str) -> str:
        """An order of its own for each takedown: a lifted one cannot be used again."""
        self._orders += 1
        name = f"order-{self._orders}"
        about = {"authority": "Bureau of Examples", "reference": name, "about": {"everyone": True}}
        return self.write(f"{name}.yaml", _document("Order", name, {**about, "models": [*models]}))

    def deployment(self, name: str) -> JsonObject:
        """A Deployment, without replicas, whose pods need no scheduler."""
        labels = {"app": name}
        containers = [{"name": "server", "image": f"registry.example/{name}:1"}]
        pod = {"nodeName": self.planes.node, "terminationGracePeriodSeconds": 1, "containers": containers}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
        }

    def work(self, name: str) -> Work:
        """The same job for the floor."""
        workload = f"{_DEPLOYMENTS}/{name}"
        return Work(
            applies=[(workload, self.deployment(name))],
            workload=workload,
            replicas=self.setting.pods,
            pods=f"{_PODS}?labelSelector=app%3D{name}",
            guard=self.guard,
            route=(f"{_ROUTES}/{ROUTE}", {"spec": {"rules": [{"backendRefs": []}]}}),
        )

    async def ours(self, *arguments: str, code: int = 0) -> Ran:
        """Run a command of ours and read its document. Raises Wrong for another exit code, or what is not verified."""
        command = [PYTHON, "-m", "orchestrator", "-C", str(self.root), *arguments, "-o", "json"]
        ran = await self.run(*command, code=code)
        document = json.loads(ran.document)
        if verdicts := {item["verdict"] for item in document["items"]} - {"verified"}:
            reasons = [item["reasons"] for item in document["items"] if item["verdict"] != "verified"]
            raise Wrong(f"`{' '.join(arguments)}`: {verdicts} {str(reasons)[:1000]}")
        return replace(ran, document=document)

    async def floor(self, action: str, work: Work) -> Ran:
        """Run the floor as a process, as ours is one."""
        path = self.root / "work.json"
        path.write_bytes(orjson.dumps(work))
        script = ROOT / "tests" / "bench" / "floor.py"
        ran = await self.run(PYTHON, str(script), action, str(path), str(self.planes.kubeconfig), *self.planes.names)
        return replace(ran, document=json.loads(ran.document))

    async def run(self, *command: str, code: int = 0) -> Ran:
        """Run a program, its output kept. Raises Wrong for another exit code."""
        began, clock = time.time(), time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *command, env=self.setting.environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        seconds = time.perf_counter() - clock
        if process.returncode != code:
            said = f"{out.decode()[-1500:]} {err.decode()[-1500:]}"
            raise Wrong(f"`{' '.join(command[:8])}` ended with {process.returncode}, not {code}: {said}")
        return Ran(began=began, seconds=seconds, document=out)

    async def keep_guard(self) -> None:
        """Take our guard from a cluster that has one: what the floor sends is to cost an API server just as much."""
        client = next(iter(self.clients.values()))
        self.guard = []
        for path in reversed(_POLICIES):
            collection = path.partition("?")[0]
            for live in (await client.send("GET", path))["items"]:
                kind = "ValidatingAdmissionPolicy" + ("Binding" if "bindings" in path else "")
                kept = {name: live["metadata"][name] for name in ("name", "labels", "annotations")}
                body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": kept}
                self.guard.append((collection, {**body, "spec": live["spec"]}))

    async def clear(self) -> None:
        """Nothing of any round is left in any cluster: no pod, no guard, no record; the route leads to the model."""
        await self._everywhere(self._clear)

    async def _everywhere(self, action: Callable[[Client], Awaitable[None]]) -> None:
        async with asyncio.timeout(_PATIENCE):
            await asyncio.gather(*(action(client) for client in self.clients.values()))

    async def _clear(self, client: Client) -> None:
        for path in _POLICIES:
            await client.send("DELETE", path)
        for path in (_DEPLOYMENTS, _ROUTES, f"{_OURS}/configmaps", f"{_OURS}/secrets", _LEASES):
            await _quietly(client.send("DELETE", path))
        await _quietly(client.send("POST", "/api/v1/namespaces", _object("v1", "Namespace", NAMESPACE)))
        for service in (await client.send("GET", _SERVICES))["items"]:
            await client.send("DELETE", f"{_SERVICES}/{service['metadata']['name']}")
        await client.send("POST", _SERVICES, _service())
        # A policy that was deleted refuses for a while longer.
        while not await _quietly(client.send("POST", _ROUTES, _route())):  # noqa: ASYNC110 - a server sets no event
            await asyncio.sleep(0.1)
        while (await client.send("GET", f"{_PODS}?limit=1"))["items"]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        await self._until_admitted(client)

    async def _until_admitted(self, client: Client) -> None:
        """A policy that was deleted refuses for a while longer; so does a namespace without its service account."""
        pod = self.deployment("bench")["spec"]["template"]
        body = {"apiVersion": "v1", "kind": "Pod", **pod, "metadata": {**pod["metadata"], "name": "try"}}
        while not await _quietly(client.send("POST", f"{_PODS}?dryRun=All", body)):  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    def journal(self, ran: Ran) -> Path:
        """The event stream of a run."""
        return self.setting.folder / "state" / "runs" / str(ran.document["run"]) / "journal.jsonl"


async def _quietly(request: Awaitable[Any]) -> bool:
    """Whether it was done; what is there already, or was never there, is refused."""
    try:
        await request
    except Refused:
        return False
    return True


@asynccontextmanager
async def opened(setting: Setting, name: str) -> AsyncIterator[Ground]:
    """The ground for one measure, cleared."""
    planes = await setting.planes()
    root = setting.folder / name
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        ground = Ground(setting, planes, root, session)
        entries = [{"name": one, "region": one, "context": one, "uid": uid} for one, uid in planes.uids.items()]
        ground.write(
            "fleet.yaml", _document("Fleet", "bench", {"kubeconfig": str(planes.kubeconfig), "clusters": entries})
        )
        await ground.clear()
        yield ground


def verdicts(items: Iterable[JsonObject]) -> set[str]:
    """What a result says of its items."""
    return {item["verdict"] for item in items}


def _document(kind: str, name: str, spec: JsonObject) -> JsonObject:
    return {"apiVersion": "orchestrator/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _object(version: str, kind: str, name: str) -> JsonObject:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}


def _service() -> JsonObject:
    spec = {"selector": {"app": ROUTE}, "ports": [{"port": 80, "targetPort": 8000}]}
    return {**_object("v1", "Service", ROUTE), "spec": spec}


def _route() -> JsonObject:
    """A route of a gateway that does not stand in these clusters, as there is none."""
    backend = {"backendRefs": [{"name": ROUTE, "port": 80}]}
    spec = {"parentRefs": [{"name": "bench"}], "hostnames": ["bench.models.example"], "rules": [backend]}
    return {**_object("gateway.networking.k8s.io/v1", "HTTPRoute", ROUTE), "spec": spec}
