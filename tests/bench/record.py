"""Records what a real API server answers, for the stub servers of the measures of scale: `recorded/answers.json`.

    python tests/bench/record.py

starts one control plane of the sandbox, switches a model on and takes it down, and keeps how the objects stand in
between and each kind of answer, as it came over the wire.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).with_name("recorded") / "answers.json"
sys.path.insert(0, str(ROOT))

from tests.bench.stub_workspace import MODEL, NAMESPACE, ORDER, route, write_documents  # noqa: E402

JsonObject = dict[str, Any]
_SYSTEM = "orchestrator-system"
_LISTS = (
    "/api/v1/nodes",
    f"/api/v1/namespaces/{NAMESPACE}/pods",
    f"/api/v1/namespaces/{NAMESPACE}/services",
    f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
    f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets",
    f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices",
    f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes",
    f"/api/v1/namespaces/{_SYSTEM}/configmaps",
    f"/api/v1/namespaces/{_SYSTEM}/secrets",
)


class Server:
    """The real API server, asked as plainly as can be."""

    def __init__(self, kubeconfig: Path) -> None:
        document = yaml.safe_load(kubeconfig.read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        tls = ssl.create_default_context(cadata=_pem(cluster, "certificate-authority").decode())
        with tempfile.NamedTemporaryFile() as file:
            file.write(_pem(user, "client-certificate") + b"\n" + _pem(user, "client-key"))
            file.flush()
            tls.load_cert_chain(file.name)
        parts = urlsplit(cluster["server"])
        self._connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, context=tls)

    def ask(self, method: str, path: str, body: Any = None, type_: str = "application/json") -> JsonObject:
        """Status, headers and body of an answer; the body as text where it is no JSON."""
        content = None if body is None else json.dumps(body)
        headers = {"Accept": "application/json", **({"Content-Type": type_} if content else {})}
        self._connection.request(method, path, content, headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        is_json = answer.headers.get_content_type() == "application/json"
        return {
            "status": answer.status,
            "headers": {name.lower(): value for name, value in answer.getheaders() if name.lower() != "date"},
            "body": json.loads(text) if is_json else text,
        }


def _pem(part: JsonObject, name: str) -> bytes:
    if data := part.get(f"{name}-data"):
        return base64.b64decode(data)
    return Path(part[name]).read_bytes()


def record(folder: Path) -> JsonObject:
    """Everything that is kept."""
    from orchestrator import sandbox

    sandbox.up(folder / "sandbox", 1, print)
    try:
        server = Server(folder / "sandbox" / "kubeconfig")
        workspace = folder / "workspace"
        write_documents(workspace)
        fleet = yaml.safe_load((folder / "sandbox" / "fleet.yaml").read_text())
        fleet["spec"]["kubeconfig"] = str(folder / "sandbox" / "kubeconfig")
        (workspace / "fleet.yaml").write_text(yaml.safe_dump(fleet))
        routes = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes"
        missing = server.ask("GET", f"/api/v1/namespaces/{NAMESPACE}/pods/none")
        _expect(server.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}), 201)
        _expect(server.ask("POST", routes, route()), 201)
        _run(folder, workspace, "enable", MODEL, "--all")
        time.sleep(2)
        found: JsonObject = {
            "/version": server.ask("GET", "/version"),
            "/apis": server.ask("GET", "/apis"),
            "/api/v1/namespaces/kube-system": server.ask("GET", "/api/v1/namespaces/kube-system"),
            f"/api/v1/namespaces/{NAMESPACE}": server.ask("GET", f"/api/v1/namespaces/{NAMESPACE}"),
            f"/api/v1/namespaces/{_SYSTEM}": server.ask("GET", f"/api/v1/namespaces/{_SYSTEM}"),
            **{path: server.ask("GET", path) for path in _LISTS},
        }
        kinds = {"missing": missing, "not served": server.ask("GET", "/apis/keda.sh/v1alpha1")}
        kinds["exists"] = server.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        kinds["actor"] = server.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        scale = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{MODEL}/scale"
        kinds["scale"] = server.ask("GET", scale)
        outdated = {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 1}}
        kinds["conflict"] = server.ask("PATCH", scale, outdated, "application/merge-patch+json")
        _run(folder, workspace, "takedown", "--order", ORDER, "--confirm", MODEL, "--rehearse", "--soak", "0s")
        more = {"spec": {"replicas": 1}}
        kinds["denied"] = server.ask("PATCH", f"{scale}?dryRun=All", more, "application/merge-patch+json")
        kinds["denied pod"] = server.ask(
            "POST", f"/api/v1/namespaces/{_SYSTEM}/pods?dryRun=All", _pod(MODEL), "application/json"
        )
        return {"objects": found, "kinds": kinds}
    finally:
        sandbox.down(folder / "sandbox")


def _pod(model: str) -> JsonObject:
    container = {"name": "server", "image": "registry.example/server:1"}
    metadata = {"name": "orchestrator-try", "labels": {"orchestrator.dev/model": model}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def _expect(answer: JsonObject, status: int) -> None:
    if answer["status"] != status:
        raise SystemExit(f"{answer['status']}, not {status}: {answer['body']}")


def _run(folder: Path, workspace: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "orchestrator", "-C", str(workspace), *arguments, "-o", "json"]
    environment = {**os.environ, "ORCHESTRATOR_STATE": str(folder / "state"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(arguments)} ended with {done.returncode}: {done.stdout[-3000:]}{done.stderr[-2000:]}"
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="record-") as name:
        answers = record(Path(name))
    RECORDED.parent.mkdir(exist_ok=True)
    RECORDED.write_text(json.dumps(answers, indent=1, sort_keys=True) + "\n")
