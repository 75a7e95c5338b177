"""Traces of runs, where the standard OTEL_* variables say that somebody collects them, sent in the background.

A run is drawn as spans from what was told of it once it has ended: nothing of OpenTelemetry is loaded while it goes on.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Final

from orchestrator.core.audience import Beginning, Look
from orchestrator.core.events import Event, EventType
from orchestrator.core.result import RunResult
from orchestrator.core.text import printable
from orchestrator.telemetry.background import Errand
from orchestrator.telemetry.spans import Seen, spans_of

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
SECONDS: Final = 5.0
_MOST_EVENTS: Final = 20_000


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether an endpoint is named, and neither the SDK nor traces are switched off."""
    is_off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    exporter = environ.get("OTEL_TRACES_EXPORTER", "otlp")
    return not is_off and "otlp" in exporter.split(",") and any(environ.get(name) for name in _ENDPOINTS)


class Tracer:
    """Gathers what happens in a run, and sends it as one trace when it has ended."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._beginning: Beginning | None = None
        self._events: list[Event] = []
        self._errands: list[Errand] = []

    def begins(self, beginning: Beginning) -> None:
        """A new trace."""
        self._beginning = beginning
        self._events = []

    def sees(self, event: Event) -> None:
        """Keep it for the trace; what judgements say in between is left out."""
        if event.type is not EventType.PROGRESS and len(self._events) < _MOST_EVENTS:
            self._events.append(event)

    def ends(self, result: RunResult) -> None:
        """Send the trace."""
        beginning, self._beginning = self._beginning, None
        if beginning is None:
            return
        # Its parts are packages of their own below one name; without that the question itself is an error.
        if any(importlib.util.find_spec(name) is None for name in ("opentelemetry", "opentelemetry.exporter")):
            hint = "next: `pip install 'orchestrator[traces]'`, or OTEL_TRACES_EXPORTER=none"
            self._say(f"no trace is sent: OpenTelemetry is not installed; {hint}")
            return
        spans = spans_of(Seen(beginning, result, tuple(self._events)))
        self._errands.append(Errand("_export_spans.py", {"spans": spans}, SECONDS))

    def looks(self, look: Look) -> None:
        """What changes nothing has no trace."""

    def close(self, until: float) -> None:
        """Wait for what is under way, and say what could not be sent."""
        for errand in self._errands:
            errand.wait(until)
            if trouble := errand.answers.get("trouble", f"no answer within {SECONDS:g} s"):
                self._say(f"the trace was not delivered: {printable(trouble, 200)}")
                break
        self._errands.clear()
