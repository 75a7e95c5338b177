"""`--explain`: the rule, the object and the field that each verdict rests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from orchestrator.core.result import RunResult, StatusDocument, StatusItem
from orchestrator.core.rules import VERDICTS, rule_of
from orchestrator.core.verdict import Explanation, Ground, Reason, Verdict

Document = TypeVar("Document", StatusDocument, RunResult)
Item = TypeVar("Item", bound=StatusItem)


def of_grounds(grounds: Iterable[Ground]) -> tuple[Explanation, ...] | None:
    """What was looked at and found right; None where nobody asked for it."""
    found = tuple(Explanation(rule=one.rule, object=one.object, field=one.field, seen=one.seen) for one in grounds)
    return found or None


def explained(document: Document) -> Document:
    """The document with what each verdict rests on: the verdict itself, its reasons, then what was found right."""
    return replace(document, items=tuple(map(_explained, document.items)))


def of_verdict(verdict: Verdict, reasons: Iterable[Reason]) -> tuple[Explanation, ...]:
    """A verdict and its reasons, each with its rule."""
    return (
        Explanation(rule=VERDICTS[verdict], seen=verdict.value),
        *(
            Explanation(rule=rule_of(one.code), code=one.code, object=one.object, field=one.field, seen=one.message)
            for one in reasons
        ),
    )


def _explained(item: Item) -> Item:
    said = of_verdict(item.verdict, item.reasons)
    return replace(item, explanation=tuple(dict.fromkeys((*said, *(item.explanation or ())))))
