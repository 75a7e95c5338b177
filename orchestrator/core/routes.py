"""Routes: how clients reach a model, and what they are told in its place. Pure values, and what a kind supplies.

A cut carries its own mark in the very fields that it writes (a header, a name, a body), so that it is recognised
without any record, rule by rule, whoever looks, and so that two models may be cut on one route and restored apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.fleet import NoticeService
from orchestrator.core.holds import LABEL_ORDER, RestoreRecord
from orchestrator.core.objects import LABEL_MODEL, GroupKind, JsonObject, dig
from orchestrator.core.takedown import Answer, FieldCut, patch_of_field
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason

SERVICE = GroupKind("", "Service")
BODY_LIMIT = 4096
"""Bytes of a direct response's body that every gateway takes (Envoy Gateway's own limit)."""
_PREFIX = "orchestrator-cut"
_TWIN = "notice"

Find = Callable[[GroupKind, str, str], JsonObject | None]
"""`find(kind, namespace, name)` → the live object, as far as it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Where a rule sends requests."""

    group_kind: GroupKind
    namespace: str
    name: str
    weight: int = 1
    """Zero gets no requests."""

    def __str__(self) -> str:
        return printable(f"{self.group_kind.kind} {self.namespace}/{self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRule:
    """One rule of a route: what is cut, or left, as a whole."""

    pointer: str
    """JSON pointer of the rule within its route: `/spec/rules/0`."""
    backends: tuple[Backend, ...]
    """Everything that gets its requests, copies of them included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What clients are told, from the order's public words alone."""

    order: str
    """Name of the order."""
    digest: str
    """The order's digest."""
    model: str
    words: str | None = None
    link: str | None = None
    substitute: str | None = None
    contact: str | None = None

    @property
    def object_name(self) -> str:
        """Name of whatever a cut creates: a DNS label that says which order and model it belongs to."""
        return f"{_PREFIX}-{self.digest[:16]}-{_short(self.model)}"

    @property
    def twin_name(self) -> str:
        """Name of a Service that a cut creates beside the notice Service, for what only its name can mark."""
        return f"{_PREFIX}-{_TWIN}-{self.digest[:16]}-{_short(self.model)}"

    @property
    def labels(self) -> dict[str, str]:
        """Labels of whatever a cut creates."""
        return {LABEL_ORDER: self.digest[:16], LABEL_MODEL: self.model}

    @property
    def body(self) -> str:
        """JSON that clients of model servers show as an error, in ASCII and at most `BODY_LIMIT` bytes."""
        words = printable(self.words or f"The model {self.model} is not available by legal order {self.order}.", 2000)
        while len(text := self._body(words)) > BODY_LIMIT and words:
            words = words[: len(words) * 3 // 4]
        return text

    def _body(self, words: str) -> str:
        said = {
            "link": self.link,
            "substitute": self.substitute,
            "contact": self.contact,
        }
        return json.dumps(
            {
                "error": {"code": "model_taken_down", "type": "unavailable_for_legal_reasons", "message": words},
                "order": {"name": printable(self.order, 200), "digest": self.digest[:16]},
                "model": self.model,
                **{key: printable(value, 400) for key, value in said.items() if value},
            }
        )


def is_cut_object(name: object, model: str) -> bool:
    """Whether a name is that of something a cut of this model created, whatever the order."""
    return isinstance(name, str) and name.startswith(f"{_PREFIX}-") and name.endswith(f"-{_short(model)}")


def is_twin(name: object, model: str) -> bool:
    """Whether a name is that of a twin of the notice Service, made for a cut of this model."""
    return is_cut_object(name, model) and str(name).startswith(f"{_PREFIX}-{_TWIN}-")


def is_cut_body(body: object, model: str) -> bool:
    """Whether a direct response's body is the one of a cut of this model, whatever the order."""
    try:
        said = json.loads(body) if isinstance(body, str) else None
    except (ValueError, RecursionError):
        return False
    is_ours = dig(said, "error", "code") == "model_taken_down"
    return is_ours and dig(said, "model") == model and dig(said, "order", "digest") is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Who serves a route, and what they can do."""

    controllers: frozenset[str] = frozenset()
    """Names of the controllers of its gateways."""
    features: frozenset[str] | None = None
    """Features that all of them publish; None where one publishes none."""
    doubts: tuple[Reason, ...] = ()
    """Gateways that cannot be read, that no controller has accepted, or that are not understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTerms:
    """What a kind's rules cut with."""

    notice: Notice
    service: NoticeService | None = None
    """Who answers with the notice; None where nobody is there to answer."""
    service_live: JsonObject = field(default_factory=dict)
    """That Service, as it is in the cluster."""
    edge: Edge = field(default_factory=Edge)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCut:
    """How one rule is cut."""

    answer: Answer
    fields: tuple[FieldCut, ...]
    creates: tuple[JsonObject, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRules:
    """How a kind that leads clients to a model is read and cut."""

    rules: Callable[[JsonObject], tuple[RouteRule, ...]]
    """Its rules."""
    cut: Callable[[JsonObject, RouteRule, CutTerms], RuleCut]
    """The best that this kind can do with a rule whose backends serve nothing but the model."""
    answer_if_cut: Callable[[JsonObject, RouteRule, str], Answer | None]
    """What a rule that is cut for this model answers; None when it is not cut."""
    edge: Callable[[JsonObject, Find], Edge] | None = None
    """Who serves it; None for a kind with one controller only."""
    leads_abroad: bool = False
    """Whether its backends may be in other namespaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncut:
    """How a route gets back what it was."""

    patch: tuple[JsonObject, ...] = ()
    """JSON patch, its tests included; empty when there is nothing to write."""
    changed: tuple[Reason, ...] = ()
    """Fields that are neither as before nor our cut: somebody changed them, and they stay."""


def uncut(rules: RouteRules, record: RestoreRecord, live: JsonObject) -> Uncut:
    """Exactly the recorded fields, back to what they were, wherever they still are our cut; nothing else is written.

    A field that is as before already needs nothing, so an interrupted restore may be repeated.
    """
    cuts = [rule.pointer for rule in rules.rules(live) if rules.answer_if_cut(live, rule, record.model)]
    patch: list[JsonObject] = []
    changed: list[Reason] = []
    for pointer, before in record.before.items():
        now = value_at(live, pointer)
        if now == before:
            continue
        if any(pointer.startswith(f"{cut}/") for cut in cuts):
            patch += patch_of_field(pointer, now, before)
        else:
            words = f"{printable(pointer)} is no longer what the takedown made of it: somebody changed it, so it stays"
            changed.append(Reason(code="route-changed", message=words, object=printable(record.ref), field=pointer))
    return Uncut(patch=tuple(patch), changed=tuple(changed))


def value_at(obj: Any, pointer: str) -> Any:
    """What stands at a JSON pointer (RFC 6901); None where nothing does."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    for step in steps:
        if isinstance(obj, Mapping):
            obj = obj.get(step)
        elif isinstance(obj, list) and step.isdecimal() and int(step) < len(obj):
            obj = obj[int(step)]
        else:
            return None
    return obj


def is_cut(rules: RouteRules, live: JsonObject, model: str) -> bool:
    """Whether some rule of a route is cut for this model, whatever the order."""
    return any(rules.answer_if_cut(live, rule, model) is not None for rule in rules.rules(live))


def as_before(live: JsonObject, before: Mapping[str, Any]) -> JsonObject | None:
    """The object with these fields, by JSON pointer, as they were; None where one has no place in it any more."""
    try:
        for pointer, value in before.items():
            steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
            live = _with_value(live, steps, value)
    except (LookupError, TypeError, ValueError):
        return None
    return live


def _with_value(obj: Any, steps: list[str], value: Any) -> Any:
    step, *rest = steps
    if isinstance(obj, list):
        place = int(step)
        changed = _with_value(obj[place], rest, value) if rest else value
        return [*obj[:place], changed, *obj[place + 1 :]]
    if rest:
        return {**obj, step: _with_value(obj[step], rest, value)}
    others = {key: kept for key, kept in obj.items() if key != step}
    return others if value is None else {**others, step: value}


def is_cut_in(field: FieldCut, live: JsonObject) -> bool:
    """Whether a field is what its cut makes of it; the API server adds its defaults to what it is given."""
    now = value_at(live, field.pointer)
    return now is None if field.after is None else _is_within(field.after, now)


def _is_within(wanted: Any, now: Any) -> bool:
    match wanted, now:
        case dict(), dict():
            return all(key in now and _is_within(value, now[key]) for key, value in wanted.items())
        case list(), list():
            return len(wanted) == len(now) and all(_is_within(*pair) for pair in zip(wanted, now, strict=True))
        case _:
            return bool(wanted == now)


def _short(model: str) -> str:
    return hashlib.sha256(model.encode()).hexdigest()[:16]
