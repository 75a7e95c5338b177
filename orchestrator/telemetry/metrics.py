"""Leaves the metrics of a run in a file for node-exporter's textfile collector, in the background.

The file is replaced whole, has no timestamps and ends in `.prom`, as that collector wants it.
Source: https://github.com/prometheus/node_exporter#textfile-collector
"""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Final

from orchestrator.core.audience import Beginning, Look
from orchestrator.core.events import Event
from orchestrator.core.result import RunResult, StatusDocument
from orchestrator.core.text import printable
from orchestrator.telemetry.measures import PREFIX, Measure, measures_of

SUFFIX: Final = ".prom"
"""Files with any other end are not collected."""


class MetricsWriter:
    """Writes to `file`, else into `directory` by fleet and action."""

    def __init__(self, file: Path | None, directory: Path | None, say: Callable[[str], None]) -> None:
        self._file = file
        self._directory = directory
        self._say = say
        self._fleet = ""
        self._under_way: list[tuple[Thread, Path]] = []
        self._trouble: dict[Path, str] = {}

    def begins(self, beginning: Beginning) -> None:
        """Remember whose metrics they are."""
        self._fleet = beginning.fleet

    def sees(self, event: Event) -> None:
        """Single events are not measured."""

    def ends(self, result: RunResult) -> None:
        """Write what is measured of the run."""
        self._write(self._fleet, result.action, result, is_of_order=result.action == "takedown" and bool(result.order))

    def looks(self, look: Look) -> None:
        """Write what is measured of the look."""
        self._write(look.fleet, look.action, look.document, is_of_order=look.is_of_order)

    def close(self, until: float) -> None:
        """Wait for what is being written, and say what could not be."""
        for thread, file in self._under_way:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                self._trouble[file] = "its disk does not answer"
        self._under_way.clear()
        for file, why in self._trouble.items():
            self._say(f"the metrics could not be written to {printable(file, 300)}: {why}")
        self._trouble.clear()

    def _write(self, fleet: str, action: str, found: RunResult | StatusDocument, *, is_of_order: bool) -> None:
        file = self._place(fleet, action)
        if file is None:
            return
        if importlib.util.find_spec("prometheus_client") is None:
            hint = "next: `pip install 'orchestrator[metrics]'`"
            self._say(f"no metrics are written: prometheus-client is not installed; {hint}")
            return
        measures = measures_of(found, datetime.now(UTC), is_of_order=is_of_order)
        thread = Thread(target=self._replace, args=(file, {"fleet": fleet, "action": action}, measures), daemon=True)
        thread.start()
        self._under_way.append((thread, file))

    def _place(self, fleet: str, action: str) -> Path | None:
        if self._file is not None or self._directory is None:
            return self._file
        name = re.sub(r"[^A-Za-z0-9-]", "-", f"orchestrator-{fleet}-{action}")
        return self._directory / f"{name}{SUFFIX}"

    def _replace(self, file: Path, common: dict[str, str], measures: tuple[Measure, ...]) -> None:
        try:
            from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

            registry = CollectorRegistry()
            for one in measures:
                labels = (*common, *one.labels)
                gauge = Gauge(f"{PREFIX}_{one.name}", one.help, labels, registry=registry)
                for values, number in one.samples:
                    gauge.labels(*common.values(), *values).set(number)
            write_to_textfile(str(file), registry)
        except OSError as error:
            self._trouble[file] = error.strerror or "it cannot be written"
        except Exception as error:  # whatever it is, the run's own result stands
            self._trouble[file] = f"prometheus-client failed with {type(error).__name__}"
