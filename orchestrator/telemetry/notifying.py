"""Tells whom the fleet names, by Apprise, in the background; what could not be told is said once on stderr."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.core.audience import Beginning, Look
from orchestrator.core.events import Event
from orchestrator.core.fleet import Notification
from orchestrator.core.result import Outcome, RunResult
from orchestrator.core.text import printable
from orchestrator.telemetry.background import Errand
from orchestrator.telemetry.messages import Message, on_beginning, on_look, on_result

_MOST_BYTES: Final = 8192
"""An address is shorter than this."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Places:
    """Where addresses are read from."""

    root: Path
    environ: Mapping[str, str] = field(repr=False)


class Notifier:
    """Tells of runs. A run that has nothing to do and is verified is told to nobody."""

    def __init__(self, wanted: tuple[Notification, ...], places: Places, say: Say) -> None:
        self._wanted = wanted
        self._places = places
        self._say = say
        self._said: set[str] = set()
        self._errands: list[tuple[Errand, tuple[Notification, ...]]] = []
        self._beginning: Beginning | None = None
        self._is_announced = False
        self._told: object = None

    def begins(self, beginning: Beginning) -> None:
        """Tell whoever wants to know that it begins, once, however often a takedown that is followed begins again."""
        self._beginning = beginning
        if beginning.is_due and not self._is_announced:
            self._is_announced = True
            chosen = [one for one in self._wanted if one.begins and _concerns(one, beginning.action)]
            self._send(tuple(chosen), on_beginning(beginning))

    def sees(self, event: Event) -> None:
        """Single events are told to nobody."""

    def ends(self, result: RunResult) -> None:
        """Tell how it ended, unless just that was told already."""
        beginning = self._beginning
        verdicts = sorted((item.model, item.cluster, item.verdict.value) for item in result.items)
        news = (result.outcome, verdicts)
        is_silent = beginning is None or (not beginning.is_due and result.outcome is Outcome.VERIFIED)
        if beginning is None or is_silent or news == self._told:
            return
        self._told = news
        self._send(self._chosen(result.action, result.outcome), on_result(beginning, result))

    def looks(self, look: Look) -> None:
        """Tell what a `verify` came to, where that is asked for."""
        listed = [one for one in self._chosen(look.action, look.document.outcome) if look.action in one.actions]
        self._send(tuple(listed), on_look(look))

    def close(self, until: float) -> None:
        """Wait for what is under way, and say what could not be told."""
        for errand, sent in self._errands:
            errand.wait(until)
            for one in sent:
                if trouble := errand.answers.get(one.name, f"no answer within {one.timeout}"):
                    self._complain(one, printable(trouble, 200))
        self._errands.clear()

    def _chosen(self, action: str, outcome: Outcome) -> tuple[Notification, ...]:
        return tuple(
            one for one in self._wanted if _concerns(one, action) and (not one.outcomes or outcome in one.outcomes)
        )

    def _send(self, chosen: tuple[Notification, ...], message: Message) -> None:
        if not chosen:
            return
        if importlib.util.find_spec("apprise") is None:
            self._say_once(
                "", "nobody is notified: Apprise is not installed; next: `pip install 'orchestrator[notify]'`"
            )
            return
        targets, sent = [], []
        for one in chosen:
            try:
                targets.append({"name": one.name, "url": self._address(one), "seconds": float(one.timeout)})
                sent.append(one)
            except _Unknown as error:
                self._complain(one, str(error))
        if sent:
            task = {"targets": targets, "title": message.title, "body": message.body, "notify_type": message.type}
            errand = Errand("_send_notifications.py", task, max(float(one.timeout) for one in sent))
            self._errands.append((errand, tuple(sent)))

    def _address(self, one: Notification) -> str:
        source = one.url_from
        if source is None:
            return one.url or ""
        if source.env is not None:
            if found := self._places.environ.get(source.env, "").strip():
                return found
            raise _Unknown(f"the environment variable {printable(source.env, 100)} is not set")
        file = self._places.root / (source.file or "")
        try:
            with file.open("rb") as content:
                found = content.read(_MOST_BYTES).decode().strip()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "no text"
            raise _Unknown(f"its address cannot be read from {printable(file, 200)}: {why}") from None
        if not found:
            raise _Unknown(f"{printable(file, 200)} is empty")
        return found

    def _complain(self, one: Notification, why: str) -> None:
        """Once for each, whatever else goes wrong with it: one line is enough to go and look."""
        self._say_once(one.name, f"notification {printable(one.name, 100)} was not delivered: {why}")

    def _say_once(self, name: str, words: str) -> None:
        if name not in self._said:
            self._said.add(name)
            self._say(words)


class _Unknown(Exception):
    """An address that cannot be had; its words hold nothing of it."""


def _concerns(one: Notification, action: str) -> bool:
    return not one.actions or action in one.actions
