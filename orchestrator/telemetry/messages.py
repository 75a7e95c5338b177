"""What a notification says: pure. Of an order only its public words, and never its name, authority or reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from orchestrator.core.audience import Beginning, Look
from orchestrator.core.result import RunResult, StatusDocument, StatusItem
from orchestrator.core.text import printable
from orchestrator.core.verdict import Verdict

_MOST_NAMED: Final = 10
_WORDS: Final = {
    "authority": "Authority",
    "reference": "Reference",
    "notice": "Notice",
    "noticeUrl": "Notice",
    "substitute": "Use instead",
    "contact": "Contact",
}
_REHEARSAL: Final = "Rehearsal on sandbox clusters: no production cluster is touched."
_MEANINGS: Final = {
    "verified": "verified",
    "failed": "failed",
    "unproven": "not proven",
    "refused": "refused, nothing was done",
    "late": "all proven, but after the deadline",
    "interrupted": "interrupted",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message, as plain text."""

    title: str
    body: str
    type: Literal["info", "success", "warning", "failure"]
    """How services colour it."""


def on_beginning(beginning: Beginning) -> Message:
    """That a run begins, and of what."""
    title = f"{beginning.action} begins: {_few(beginning.models)}"
    lines = [
        *([_REHEARSAL] if beginning.rehearsal else []),
        f"Models: {_few(beginning.models)}",
        f"Clusters: {len(beginning.clusters)}: {_few(beginning.clusters)}",
        *_public(beginning.words),
        f"Fleet: {printable(beginning.fleet, 100)}",
        f"Run: {beginning.run}",
    ]
    return Message(_titled(title, rehearsal=beginning.rehearsal), "\n".join(lines), "info")


def on_result(beginning: Beginning, result: RunResult) -> Message:
    """How a run ended: counts, what is not proven by name, what the order wants people to know."""
    lines = [
        *([_REHEARSAL] if result.rehearsal else []),
        *_said_of(result.items),
        *_public(beginning.words),
        f"Fleet: {printable(beginning.fleet, 100)}",
        f"Run: {result.run}, exit code {result.exit_code}, {result.seconds:.1f} s",
    ]
    return _outcome(result.action, beginning.models, result, lines)


def on_look(look: Look) -> Message:
    """What a `verify` came to."""
    found = look.document
    lines = [
        *([_REHEARSAL] if found.rehearsal else []),
        *_said_of(found.items),
        f"Fleet: {printable(look.fleet, 100)}",
        f"Exit code {found.exit_code}, {found.seconds:.1f} s",
    ]
    return _outcome(look.action, tuple(dict.fromkeys(item.model for item in found.items)), found, lines)


def _outcome(action: str, models: tuple[str, ...], result: RunResult | StatusDocument, lines: list[str]) -> Message:
    outcome = result.outcome.value
    title = _titled(f"{action} {_MEANINGS[outcome]}: {_few(models)}", rehearsal=result.rehearsal)
    kinds: dict[str, Literal["success", "failure"]] = {"verified": "success", "failed": "failure"}
    return Message(title, "\n".join(lines), kinds.get(outcome, "warning"))


def _titled(title: str, *, rehearsal: bool) -> str:
    return f"[rehearsal] {title}" if rehearsal else title


def _said_of(items: Iterable[StatusItem]) -> list[str]:
    """Counts by verdict, then who is not proven. Reasons stay in the house: they may name an order."""
    found = list(items)
    counts = {verdict: sum(item.verdict is verdict for item in found) for verdict in Verdict}
    lines = [", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) or "nothing was judged"]
    open_ = [item for item in found if item.verdict not in (Verdict.VERIFIED, Verdict.HELD)]
    lines += [
        f"- {printable(item.model, 60)} in {printable(item.cluster, 60)}: {item.verdict}"
        for item in open_[:_MOST_NAMED]
    ]
    return lines + ([f"- and {len(open_) - _MOST_NAMED} more"] if len(open_) > _MOST_NAMED else [])


def _public(words: Mapping[str, str]) -> list[str]:
    return [f"{label}: {printable(words[name], 500)}" for name, label in _WORDS.items() if name in words]


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (", ".join(printable(name, 60) for name in names[:_MOST_NAMED]) or "nothing") + more
