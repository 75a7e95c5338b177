"""What a sandbox lacks for real requests: something that answers at the pods' addresses, and an edge before them.

Both know only what the API servers say at the moment of a request: a pod answers while it is Running, and the edge
sends requests to endpoints that are ready. So a request proves what it would prove with real pods, short of the
model itself. They listen on every address of a network namespace of their own (`.ci/in-network-namespace`).
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

POD_PORT = 8000
EDGE_PORT = 8080

Read = Callable[[str, str], list[dict[str, Any]]]
"""`read(cluster, path)` → the items of a list, as the API server has them now."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *args: object) -> None:
        """Say nothing of clients that hung up; anything else is a mistake of the tests and is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*args)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing: the tests say what they asked and what came back."""

    def answer(self, status: int, names: list[str]) -> None:
        body = json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in names]}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def served_names(pod: dict[str, Any]) -> list[str]:
    """The models that a pod's server was started for: its argument `--serves=a,b`."""
    arguments = [argument for container in pod["spec"]["containers"] for argument in container.get("args", [])]
    lists = [argument.removeprefix("--serves=") for argument in arguments if argument.startswith("--serves=")]
    return [name for names in lists for name in names.split(",")]


def status_of(pod: dict[str, Any]) -> int:
    """What a pod's server answers: its argument `--status=451`; 200 without one."""
    arguments = [argument for container in pod["spec"]["containers"] for argument in container.get("args", [])]
    return int(next((one.removeprefix("--status=") for one in arguments if one.startswith("--status=")), "200"))


def pod_handler(read: Read, clusters: list[str]) -> type[BaseHTTPRequestHandler]:
    """Answers for whichever pod has the address that was asked, while it is Running; otherwise hangs up."""

    class Pod(_Handler):
        def do_GET(self) -> None:
            address = self.request.getsockname()[0]
            for cluster in clusters:
                for pod in read(cluster, f"/api/v1/pods?fieldSelector=status.podIP={address}"):
                    if pod["status"]["phase"] == "Running":
                        self.answer(status_of(pod), served_names(pod))
                        return
            self.close_connection = True

    return Pod


def edge_handler(read: Read, clusters: list[str]) -> type[BaseHTTPRequestHandler]:
    """`GET /CLUSTER/NAMESPACE/v1/models` lists what the ready endpoints there answer, each one asked anew."""

    class Edge(_Handler):
        def do_GET(self) -> None:
            cluster, _, rest = self.path.removeprefix("/").partition("/")
            namespace, _, path = rest.partition("/")
            if cluster not in clusters or path != "v1/models":
                self.answer(404, [])
                return
            slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
            names: set[str] = set()
            for address in ready_addresses(read(cluster, slices)):
                names.update(ask_pod(address) or ())
            self.answer(200, sorted(names))

    return Edge


def ready_addresses(slices: list[dict[str, Any]]) -> set[str]:
    """The addresses that a proxy would send requests to."""
    return {
        address
        for piece in slices
        for endpoint in piece.get("endpoints") or ()
        if endpoint["conditions"].get("ready")
        for address in endpoint["addresses"]
    }


def ask_pod(address: str) -> list[str] | None:
    """The models that the pod at this address lists; None when nothing answers there."""
    return _ask(address, POD_PORT, "/v1/models")


def ask_edge(cluster: str, namespace: str) -> list[str] | None:
    """The models that clients reach in this cluster and namespace."""
    return _ask("127.0.0.1", EDGE_PORT, f"/{cluster}/{namespace}/v1/models")


def _ask(host: str, port: int, path: str) -> list[str] | None:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", path)
        listed = json.loads(connection.getresponse().read())["data"]
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return [entry["id"] for entry in listed]


def listed_within(seconds: float, cluster: str, namespace: str, wanted: list[str]) -> list[str] | None:
    """What the edge lists there as soon as it is what is wanted, at the latest after `seconds`.

    Endpoints follow the pods a moment later, as on real clusters.
    """
    deadline = time.monotonic() + seconds
    while (listed := ask_edge(cluster, namespace)) != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    return listed


@contextmanager
def data_plane(read: Read, clusters: list[str]) -> Iterator[None]:
    """Let pods and edge answer. Raises AssertionError outside a network namespace made for it."""
    with socket.socket() as probe:
        try:
            probe.bind(("10.64.255.254", 0))
        except OSError as error:
            raise AssertionError("not in a network namespace of its own: run `make test-traffic`") from error
    servers = [
        _Server(("0.0.0.0", POD_PORT), pod_handler(read, clusters)),  # noqa: S104 - the pods' addresses
        _Server(("127.0.0.1", EDGE_PORT), edge_handler(read, clusters)),
    ]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()
