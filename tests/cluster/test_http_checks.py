"""HTTP checks of a step, asked of a real server on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace


class Endpoint:
    """Answers every GET with one status and one body, and remembers what was asked."""

    def __init__(self) -> None:
        self.status, self.body = 200, b'{"data": [{"id": "fable-5"}]}'
        self.asked: list[str] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint.asked.append(self.path)
                self.send_response(endpoint.status)
                self.send_header("Content-Length", str(len(endpoint.body)))
                self.end_headers()
                self.wfile.write(endpoint.body)

            def log_message(self, *arguments: object) -> None:
                """Nothing on the tests' stderr."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    served = Endpoint()
    thread = threading.Thread(target=served.server.serve_forever, daemon=True)
    thread.start()
    yield served
    served.server.shutdown()
    served.server.server_close()
    thread.join()


def steps(planes: ControlPlanes, url: str, **check: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A canary with a check, and a later step that depends on it."""
    first, second, _ = planes.clusters
    http = {"url": url, "path": "/v1/models/{cluster}", "within": "2s", "timeout": "1s", **check}
    return (
        {"name": "canary", "enable": {"scope": {"clusters": [first]}}, "checks": [{"http": http}]},
        {"name": "rest", "enable": {"scope": {"clusters": [second]}}},
    )


def test_a_check_that_passes_opens_the_next_step(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, endpoint: Endpoint
) -> None:
    """It is asked once for a revision: a second apply finds it on record."""
    first = control_planes.clusters[0]
    workspace.write_model(replicas=1)
    playbook = workspace.write_playbook(*steps(control_planes, endpoint.url, contains="fable-5"))
    done = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root).expect(0)
    assert {item["verdict"] for item in done.json["items"]} == {"verified"}
    assert endpoint.asked == [f"/v1/models/{first}"]
    again = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root).expect(0)
    assert not any(item["changed"] for item in again.json["items"])


FAILING: dict[str, tuple[int, dict[str, Any]]] = {
    "http-status": (503, {}),
    "http-content": (200, {"contains": "mythos-5"}),
}


@pytest.mark.parametrize("code", FAILING)
def test_a_check_that_fails_keeps_later_steps_closed_and_rolls_back(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, endpoint: Endpoint, code: str
) -> None:
    first, second, _ = control_planes.clusters
    endpoint.status, check = FAILING[code]
    workspace.write_model(replicas=1)
    playbook = workspace.write_playbook(*steps(control_planes, endpoint.url, **check), onFailure="rollback-run")
    done = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root).expect(1)
    item = done.items()[first]
    assert item["verdict"] == "failed"
    assert {code, "rolled-back"} <= {reason["code"] for reason in item["reasons"]}
    assert done.items()[second]["verdict"] == "not_run"
    for cluster in (first, second):
        assert control_planes.read(cluster, "deployment", "server", "-n", workspace.namespace) is None
    assert len(endpoint.asked) > 1, "it is asked again for as long as `within` says"


def test_an_endpoint_that_nobody_answers_is_not_proven_and_closes_the_gate(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, endpoint: Endpoint
) -> None:
    first, second, _ = control_planes.clusters
    endpoint.server.shutdown()
    endpoint.server.server_close()
    workspace.write_model(replicas=1)
    playbook = workspace.write_playbook(*steps(control_planes, endpoint.url))
    done = orchestrator("apply", playbook, "-o", "json", workspace=workspace.root).expect(3)
    assert done.items()[first]["verdict"] == "unverified"
    assert done.items()[first]["reasons"][0]["code"] == "no-answer"
    assert done.items()[second]["verdict"] == "not_run"
