"""A real gateway before a sandbox cluster: Contour tells Envoy what the API server says, and Envoy serves it.

One Gateway with one HTTP listener, reached on this machine. Everything ends with the context manager, however it is
left. It decides nothing about routes: tests apply their own.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.traffic.gateway_programs import GatewayPrograms, gateway_programs

NAMESPACE = "projectcontour"
NAME = "contour"
_LISTENER = 200
_PORT = _LISTENER + 8000
"""Contour serves a listener's port 8000 higher, so that Envoy needs no privilege."""
_CONTOUR_PORTS = ("--xds-port", "--http-port", "--health-port")
# Of the sandbox's Gateway API these are served in newer versions than Contour asks for; none is tested here.
_NOT_SERVED = ("tlsroutes", "tcproutes", "backendtlspolicies")

GATEWAY = f"""\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: {NAME}}}
spec: {{controllerName: projectcontour.io/gateway-controller}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {NAME}, namespace: {NAMESPACE}}}
spec:
  gatewayClassName: {NAME}
  listeners: [{{name: http, protocol: HTTP, port: {_LISTENER}, allowedRoutes: {{namespaces: {{from: All}}}}}}]
"""

Kubectl = Callable[..., str]
"""`kubectl(*arguments, stdin=…)` for one cluster."""


@dataclass(frozen=True)
class Answer:
    """What came back through the gateway."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Gateway:
    """A running gateway."""

    port: int

    def ask(self, host: str, path: str = "/v1/models") -> Answer | None:
        """One request on a connection of its own, as a new client's; None when there is no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": host})
            response = connection.getresponse()
            body = response.read().decode()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def answers_within(self, seconds: float, host: str, *wanted: int) -> Answer | None:
        """The first answer with a wanted status; the last one, whatever it was, when time is up."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.ask(host)
            if (answer is not None and answer.status in wanted) or time.monotonic() >= deadline:
                return answer
            time.sleep(0.1)


@contextmanager
def gateway(kubectl: Kubectl, kubeconfig: Path, folder: Path) -> Iterator[Gateway]:
    """Contour and Envoy before the cluster of `kubeconfig`'s current context. Raises AssertionError when they fail."""
    programs = gateway_programs()
    kubectl("apply", "--server-side", "-f", str(programs.definitions))
    # First until there is a status at all: asked for a condition, kubectl gives up on a definition that has none yet.
    for state in ("jsonpath={.status.acceptedNames.kind}=HTTPProxy", "condition=Established"):
        kubectl("wait", f"--for={state}", "crd/httpproxies.projectcontour.io", "--timeout=30s")
    kubectl("apply", "-f", "-", stdin=f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}")
    kubectl("apply", "-f", "-", stdin=GATEWAY)
    with ExitStack() as stack:
        xds, *others = _free_ports(len(_CONTOUR_PORTS) + 1)
        stack.enter_context(_process(_contour(programs, kubeconfig, folder, xds, others), folder / "contour.log"))
        stack.enter_context(_process(_envoy(programs, folder, xds), folder / "envoy.log"))
        kubectl("wait", "--for=condition=Programmed", f"gateway/{NAME}", "-n", NAMESPACE, "--timeout=60s")
        yield Gateway(_PORT)


def _contour(
    programs: GatewayPrograms, kubeconfig: Path, folder: Path, xds: int, others: list[int]
) -> list[str | Path]:
    config = folder / "contour.json"  # which is YAML, too
    config.write_text(json.dumps({"gateway": {"gatewayRef": {"namespace": NAMESPACE, "name": NAME}}}))
    ports = zip(_CONTOUR_PORTS, [xds, *others[:2]], strict=True)
    return [
        *(programs.contour, "serve", "--kubeconfig", kubeconfig, "--config-path", config),
        *("--insecure", "--disable-leader-election", "--xds-address", "127.0.0.1"),
        *("--http-address", "127.0.0.1", "--health-address", "127.0.0.1", "--debug-http-port", str(others[2])),
        *(part for name, port in ports for part in (name, str(port))),
        *(f"--disable-feature={name}" for name in _NOT_SERVED),
    ]


def _envoy(programs: GatewayPrograms, folder: Path, xds: int) -> list[str | Path]:
    bootstrap = folder / "envoy.json"
    subprocess.run(
        [
            *(programs.contour, "bootstrap", bootstrap, "--admin-address", folder / "envoy.sock"),
            *("--xds-address", "127.0.0.1", "--xds-port", str(xds)),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    identity = ("--service-cluster", "contour", "--service-node", "edge")
    return [programs.envoy, "-c", bootstrap, *identity, "--concurrency", "1", "--use-dynamic-base-id", "-l", "warning"]


@contextmanager
def _process(command: list[str | Path], log: Path) -> Iterator[None]:
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield
            assert process.poll() is None, f"{command[0]} ended by itself: {log.read_text()[-2000:]}"
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_ports(count: int) -> list[int]:
    """Ports that nobody had just now; nobody else takes any in a network namespace of its own."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
