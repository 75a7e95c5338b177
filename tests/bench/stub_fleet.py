"""A fleet of stub clusters with its workspace, and what one command or the floor does to it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.bench.figures import Wrong
from tests.bench.setting import PYTHON, ROOT, Setting
from tests.bench.stub_server import Spec
from tests.bench.stub_workspace import MODEL, NAMESPACE, ORDER, write_documents

JsonObject = dict[str, Any]
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it cost: seconds on the wall and of processors, MB at its peak."""

    code: int
    result: JsonObject
    began: float
    """Seconds since the epoch, when its process was started."""
    wall: float
    cpu: float
    peak: float

    def verdicts(self) -> dict[str, int]:
        """How many items ended with each verdict."""
        found = [item["verdict"] for item in self.result.get("items", ())]
        return {one: found.count(one) for one in dict.fromkeys(found)}


class StubFleet:
    """Stub clusters that listen, and a workspace over all of them."""

    def __init__(self, folder: Path, setting: Setting, server: asyncio.subprocess.Process, clusters: int) -> None:
        self.folder, self._setting, self._server, self.clusters = folder, setting, server, clusters

    async def take_down(self, *more: str) -> Done:
        """`takedown` of the model everywhere."""
        arguments = ("takedown", "--order", ORDER, "--confirm", MODEL, "--rehearse", "--soak", "0s", *more)
        return await asyncio.to_thread(
            self._run, "-m", "orchestrator", "-C", str(self.folder), *arguments, "-o", "json"
        )

    async def floor(self, bodies: JsonObject) -> JsonObject:
        """The floor's takedown, with the bodies that the tool sends."""
        policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
        work = {
            "applies": [],
            "workload": f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{MODEL}",
            "replicas": 0,
            "pods": f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3D{MODEL}",
            "guard": [
                (policies, bodies["validatingadmissionpolicies"]),
                (policies.replace("policies", "policybindings"), bodies["validatingadmissionpolicybindings"]),
            ],
            "route": (f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes/{MODEL}", _cut()),
        }
        (self.folder / "work.json").write_text(json.dumps(work))
        words = (str(_HERE / "floor.py"), "takedown", str(self.folder / "work.json"), str(self.folder / "kubeconfig"))
        return (await asyncio.to_thread(self._run, *words)).result

    async def seen(self) -> JsonObject:
        """What the servers were asked so far."""
        assert self._server.stdin is not None
        self._server.stdin.write(b"tell\n")
        return await _told(self._server)

    def _run(self, *words: str) -> Done:
        """Run to its end; raises Wrong where it says nothing that can be read."""
        began, started = time.time(), time.monotonic()
        with (self.folder / "out").open("w+") as out, (self.folder / "err").open("w+") as err:
            process = subprocess.Popen(
                [PYTHON, *words], stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=self._setting.environment(),
                cwd=ROOT,
            )  # fmt: skip
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            wall = time.monotonic() - started
            out.seek(0)
            err.seek(0)
            try:
                result: JsonObject = json.loads(out.read())
            except ValueError:
                raise Wrong(f"{words[-1]} ended with {process.returncode}: {err.read()[-1000:]}") from None
        cpu = usage.ru_utime + usage.ru_stime
        return Done(process.returncode, result, began, wall, cpu, usage.ru_maxrss / 1024)


def _cut() -> JsonObject:
    return {"spec": {"rules": [{"backendRefs": [{"name": "nobody", "port": 80}]}]}}


@asynccontextmanager
async def stub_fleet(setting: Setting, folder: Path, spec: Spec) -> AsyncIterator[StubFleet]:
    """Stub clusters in a process of their own, for as long as one is inside."""
    _prepare(folder, spec)
    server = await asyncio.create_subprocess_exec(
        PYTHON, str(_HERE / "stub_server.py"), str(folder / "spec.json"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=setting.environment(), limit=64 * 1024 * 1024,
    )  # fmt: skip
    try:
        places = (await _told(server))["clusters"]
        write_documents(folder)
        _write_private(folder / "kubeconfig", _kubeconfig(places))
        _write_private(folder / "fleet.yaml", _fleet(places))
        yield StubFleet(folder, setting, server, spec.clusters)
    finally:
        if server.returncode is None:
            server.kill()
        await server.wait()


def _prepare(folder: Path, spec: Spec) -> None:
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(asdict(spec)))


async def _told(server: asyncio.subprocess.Process) -> JsonObject:
    assert server.stdout is not None
    line = await asyncio.wait_for(server.stdout.readline(), 300)
    if not line:
        raise Wrong("the stub servers ended")
    found: JsonObject = json.loads(line)
    return found


def _kubeconfig(places: Sequence[JsonObject]) -> JsonObject:
    """An authority, a token and a context for each."""
    names = [f"c{number}" for number in range(len(places))]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": f"https://127.0.0.1:{place['port']}",
                    "certificate-authority-data": base64.b64encode(place["authority"].encode()).decode(),
                },
            }
            for name, place in zip(names, places, strict=True)
        ],
        "users": [{"name": name, "user": {"token": f"token-of-{name}"}} for name in names],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
    }


def _fleet(places: Sequence[JsonObject]) -> JsonObject:
    clusters = [
        {"name": f"c{number}", "region": f"region-{number % 20}", "context": f"c{number}", "uid": place["uid"]}
        for number, place in enumerate(places)
    ]
    spec = {"kubeconfig": "kubeconfig", "clusters": clusters}
    return {"apiVersion": "orchestrator/v1", "kind": "Fleet", "metadata": {"name": "stubs"}, "spec": spec}


def _write_private(path: Path, document: JsonObject) -> None:
    path.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper))
    path.chmod(0o600)
