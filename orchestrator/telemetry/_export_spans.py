"""A process of its own: sends spans over OTLP/HTTP, to where the standard OTEL_* variables say. JSON in, JSON out.

It imports nothing of this package.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

_BATCH = 512
_CODE = re.compile(r"\bcode: (\d{3})\b")


class _Trouble(logging.Handler):
    """Keeps of what the exporter logs the HTTP status alone: the rest may hold an address."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.words = "the collector did not take it"

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a status."""
        if found := _CODE.search(record.getMessage()):
            self.words = f"the collector answered {found[1]}"


def main() -> None:
    """Draw the spans, export them, say what went wrong."""
    task = json.load(sys.stdin)
    # Whoever started us may be gone by then; the exporter tries again until its own time is up.
    signal.alarm(int(task["seconds"]) + 10)
    trouble = _Trouble()
    logging.getLogger("opentelemetry").addHandler(trouble)
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol and protocol != "http/protobuf":
        answer: str | None = f"only http/protobuf is spoken, not {protocol}: OTEL_EXPORTER_OTLP_PROTOCOL"
    else:
        answer = _export(_drawn(task["spans"]), float(task["seconds"]), trouble)
    sys.stdout.write(json.dumps({"trouble": answer}))
    sys.stdout.flush()
    os._exit(0)


def _drawn(spans: list[dict[str, Any]]) -> list[ReadableSpan]:
    """What is sampled, as spans of the SDK, under the trace of whoever started us (TRACEPARENT), if anybody."""
    from opentelemetry.propagate import extract
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import Span, TracerProvider
    from opentelemetry.trace import Status, StatusCode, set_span_in_context

    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    tracer = TracerProvider(resource=Resource.create({} if named else {SERVICE_NAME: "orchestrator"})).get_tracer(
        "orchestrator"
    )
    outside = extract({name.lower(): os.environ[name] for name in ("TRACEPARENT", "TRACESTATE") if name in os.environ})
    by_id: dict[int, Any] = {}
    for one in spans:
        parent = by_id.get(one["parent"])
        span = tracer.start_span(
            one["name"],
            context=outside if parent is None else set_span_in_context(parent),
            attributes=one["attributes"],
            start_time=one["start"],
        )
        for event in one["events"]:
            span.add_event(event["name"], event["attributes"], timestamp=event["at"])
        if one["error"]:
            span.set_status(Status(StatusCode.ERROR, one["error"]))
        by_id[one["id"]] = span
    for one in spans:
        by_id[one["id"]].end(end_time=one["end"])
    return [span for span in by_id.values() if isinstance(span, Span) and span.get_span_context().trace_flags.sampled]


def _export(spans: list[ReadableSpan], seconds: float, trouble: _Trouble) -> str | None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import SpanExportResult

    exporter = OTLPSpanExporter(timeout=seconds)
    for place in range(0, len(spans), _BATCH):
        if exporter.export(spans[place : place + _BATCH]) is not SpanExportResult.SUCCESS:
            return trouble.words
    return None


if __name__ == "__main__":
    main()
