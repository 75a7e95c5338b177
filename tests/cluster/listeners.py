"""Real HTTP servers on this machine that take what the tool tells others: webhooks, and traces over OTLP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Listener:
    """What one server was sent; paths under `/hang` are not answered before the test is over, `/broken` gets 500."""

    port: int = 0
    bodies: dict[str, list[bytes]] = field(default_factory=dict)
    """By path, query included."""
    over: threading.Event = field(default_factory=threading.Event)

    def messages(self, path: str) -> list[dict[str, Any]]:
        """Bodies sent to a path, as JSON."""
        return [json.loads(body) for body in self.bodies.get(path, [])]

    def spans(self) -> list[Any]:
        """Every span that was sent, decoded as a collector does."""
        found = []
        for body in self.bodies.get("/v1/traces", []):
            request = ExportTraceServiceRequest.FromString(body)
            found += [
                span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
            ]
        return found


@contextmanager
def listening() -> Iterator[Listener]:
    """A server on a free port of loopback."""
    heard = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            heard.bodies.setdefault(self.path, []).append(body)
            if self.path.startswith("/hang"):
                heard.over.wait(300)
            self.send_response(500 if self.path.startswith("/broken") else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    heard.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        heard.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
