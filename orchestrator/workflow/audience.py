"""Everybody who is told of a run, as fleet, command line and environment say; nobody of them delays or fails it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.core.audience import Beginning, Look, Onlooker
from orchestrator.core.events import Event
from orchestrator.core.fleet import Fleet
from orchestrator.core.result import RunResult
from orchestrator.telemetry import tracing
from orchestrator.telemetry.background import STARTING
from orchestrator.telemetry.metrics import MetricsWriter
from orchestrator.telemetry.notifying import Notifier, Places
from orchestrator.telemetry.tracing import Tracer, is_wanted

_DISK_SECONDS: Final = 5.0
"""How long a disk is waited for."""


@dataclass
class Audience:
    """Whom a command tells. What one of them raises is said once, and nobody else hears less for it."""

    say: Callable[[str], None] = lambda words: None
    """Where it is said that somebody could not be told."""
    metrics_file: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    _onlookers: list[Onlooker] | None = field(default=None, init=False)
    _longest: float = field(default=0.0, init=False)
    _said: set[str] = field(default_factory=set, init=False)

    def begins(self, fleet: Fleet, root: Path, beginning: Beginning) -> None:
        """A run of this fleet begins, in the workspace `root`."""
        self._open(fleet, root)
        self._tell(lambda one: one.begins(beginning))

    def sees(self, event: Event) -> None:
        """Something happened in it."""
        self._tell(lambda one: one.sees(event))

    def ends(self, result: RunResult) -> None:
        """It came to this."""
        self._tell(lambda one: one.ends(result))

    def ends_round(self, result: RunResult) -> None:
        """One round of a takedown that is followed came to this; how all of them stand is told by `ends`."""
        for one in self._onlookers or ():
            if isinstance(one, Tracer):
                self._tell_one(one, lambda tracer: tracer.ends(result))

    def looks(self, fleet: Fleet, root: Path, look: Look) -> None:
        """Somebody looked at this fleet, and changed nothing."""
        self._open(fleet, root)
        self._tell(lambda one: one.looks(look))

    def close(self) -> None:
        """Wait, not for long, for what is under way. To be called when everything else is done and said."""
        until = time.monotonic() + self._longest
        self._tell(lambda one: one.close(until))

    def _open(self, fleet: Fleet, root: Path) -> None:
        if self._onlookers is not None:
            return
        self._onlookers = []
        if fleet.notify:
            self._onlookers.append(Notifier(fleet.notify, Places(root, self.environ), self._say_once))
            self._longest = max(float(one.timeout) for one in fleet.notify) + STARTING
        directory = root / fleet.metrics.directory if fleet.metrics else None
        if self.metrics_file or directory:
            self._onlookers.append(MetricsWriter(self.metrics_file, directory, self._say_once))
            self._longest = max(self._longest, _DISK_SECONDS)
        if is_wanted(self.environ):
            self._onlookers.append(Tracer(self._say_once))
            self._longest = max(self._longest, tracing.SECONDS + STARTING)

    def _tell(self, word: Callable[[Onlooker], None]) -> None:
        for one in self._onlookers or ():
            self._tell_one(one, word)

    def _tell_one(self, one: Onlooker, word: Callable[[Onlooker], None]) -> None:
        try:
            word(one)
        except Exception as error:  # what others are told must never decide about a run
            self._say_once(f"{type(one).__name__} failed with {type(error).__name__}: others may not be told")

    def _say_once(self, words: str) -> None:
        if words not in self._said:
            self._said.add(words)
            self.say(words)
