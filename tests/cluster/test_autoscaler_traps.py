"""An autoscaler of Kubernetes 1.37 that idled its workload by itself, by a metric that really flips."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.orders import Scene, wait_until
from tests.cluster.test_takedown_traps import clean_up
from tests.faults.certificates import Authority

JsonObject = dict[str, Any]
GROUP = "external.metrics.k8s.io"
API = f"/apis/{GROUP}/v1beta1"


@dataclass
class Metric:
    """What the metrics API answers from now on."""

    value: int = 20
    asked: int = 0


@contextmanager
def metrics_api(planes: ControlPlanes, cluster: str, namespace: str, folder: Path) -> Iterator[Metric]:
    """An external metrics API, aggregated by the cluster's API server: the autoscaler asks it as anywhere."""
    metric = Metric()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.startswith(f"{API}/namespaces/"):
                metric.asked += 1
                item = {"metricName": "requests", "timestamp": "2026-11-24T00:00:00Z", "value": str(metric.value)}
                answer = {"kind": "ExternalMetricValueList", "apiVersion": f"{GROUP}/v1beta1", "items": [item]}
            elif path == API:
                answer = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/v1beta1"}
                answer["resources"] = []
            else:
                answer = None
            body = json.dumps(answer or {"kind": "Status", "apiVersion": "v1", "code": 404}).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Nothing on the tests' stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = Authority().issue("localhost", "127.0.0.1").server_context(folder)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "metrics", "namespace": namespace},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
    }
    api = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1beta1.{GROUP}"},
        "spec": {
            "group": GROUP,
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
            "service": {"name": "metrics", "namespace": namespace, "port": port},
        },
    }
    try:
        for obj in (service, api):
            planes.kubectl(cluster, "create", "-f", "-", stdin=json.dumps(obj))
        yield metric
    finally:
        planes.kubectl(cluster, "delete", "apiservice", f"v1beta1.{GROUP}", "--ignore-not-found")
        server.shutdown()
        server.server_close()


def autoscaler(namespace: str) -> JsonObject:
    """It may go down to zero, and does so without waiting."""
    metric = {"metric": {"name": "requests"}, "target": {"type": "Value", "value": "10"}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "fable", "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fable"},
            "minReplicas": 0,
            "maxReplicas": 4,
            "metrics": [{"type": "External", "external": metric}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    }


@pytest.fixture
def scene(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Scene]:
    """A fleet of one region with an autoscaled model."""
    file = workspace.root / "fleet.yaml"
    fleet = yaml.safe_load(file.read_text())
    del fleet["spec"]["clusters"][1:]
    file.write_text(yaml.safe_dump(fleet, sort_keys=False))
    workspace.write_model(workspace.deployment("fable", replicas=2), autoscaler(workspace.namespace))
    found = Scene(control_planes, workspace, orchestrator)
    yield found
    clean_up(found)


@pytest.mark.long
def test_an_autoscaler_that_idled_its_workload_wakes_nothing_under_the_guard(scene: Scene, tmp_path: Path) -> None:
    """It took the model to zero itself; after the takedown its metric rises, it tries, and the API server refuses."""
    planes, namespace, cluster = scene.planes, scene.workspace.namespace, scene.planes.clusters[0]
    model = scene.workspace.model

    def scaler() -> tuple[JsonObject, dict[str, JsonObject]]:
        found = planes.read(cluster, "hpa", "fable", "-n", namespace)
        return found, {one["type"]: one for one in found["status"].get("conditions", ())}

    def replicas() -> int:
        return int(planes.read(cluster, "deployment", "fable", "-n", namespace)["spec"]["replicas"])

    with metrics_api(planes, cluster, namespace, tmp_path) as metric:
        scene.orchestrator("enable", model, "--all", "-o", "json").expect(0)
        wait_until(lambda: metric.asked > 0, 30)
        metric.value = 0
        wait_until(lambda: scaler()[1].get("ScaledToZero", {}).get("status") == "True", 30)
        order = scene.write_order(models=[model], contact="desk@models.example")

        (item,) = scene.take_down(order, models=[model]).expect(0).json["items"]

        assert (item["verdict"], item["guard"]) == ("verified", "proven")
        metric.value = 20
        wait_until(lambda: "desk@models.example" in scaler()[1]["AbleToScale"]["message"], 60)
        assert scaler()[1]["AbleToScale"]["reason"] == "FailedUpdateScale"
        assert (replicas(), scene.pods(cluster, model)) == (0, [])
        (item,) = scene.orchestrator("verify", "--order", order, "--rehearse", "-o", "json").expect(0).json["items"]
        assert (item["verdict"], item["guard"]) == ("verified", "proven")

        # It was idle when it was taken down, so it comes back idle; and that it may wake now is said, and true.
        (item,) = scene.restore(order, models=[model]).expect(3).json["items"]
        assert (item["verdict"], item["reasons"][0]["code"]) == ("unverified", "can-wake")
        wait_until(lambda: replicas() > 0, 60)
