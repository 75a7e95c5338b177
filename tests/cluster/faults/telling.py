"""What the document that a command printed tells of each cluster: one verdict, and the codes of its reasons.

Documents without verdicts have words of their own: `planned`, `works` and `would fail` (a drill), `listed` and
`missing` (a record of orders or holds that lies, or does not lie, in that cluster).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.cluster.conftest import Finished

JsonObject = dict[str, Any]

WELL = frozenset({"verified", "planned", "works", "listed"})
"""What a healthy cluster has to be called."""


@dataclass(frozen=True)
class Told:
    """What is said of one cluster."""

    verdict: str
    codes: tuple[str, ...] = ()
    uid: str = ""
    """Which cluster it was, where that is told."""


NOTHING = Told("none")
"""A document that does not mention the cluster."""


def refusal_of(done: Finished) -> Told | None:
    """Why nothing was done at all; None where something was."""
    document = json.loads(done.stdout)
    return Told("refused", (document["error"]["code"],)) if document["kind"] == "Error" else None


def told_of(done: Finished, model: str) -> Mapping[str, Told]:
    """By cluster; nothing of an error."""
    document = json.loads(done.stdout)
    tell = _BY_KIND.get(document["kind"])
    return tell(document, model) if tell else {}


def _of_items(document: JsonObject, model: str) -> Mapping[str, Told]:
    return {item["cluster"]: Told(item["verdict"], _codes(item["reasons"])) for item in document["items"]}


def _of_plan(document: JsonObject, model: str) -> Mapping[str, Told]:
    found: dict[str, Told] = {}
    for wave in document["plan"]["waves"]:
        found |= {part["cluster"]["name"]: Told("planned") for part in wave["clusters"]}
        found |= {one["name"]: Told("unreachable", _codes([reason])) for one, reason in wave["unreachable"]}
    return found


def _of_checks(document: JsonObject, model: str) -> Mapping[str, Told]:
    return {
        check["cluster"]: Told(check["verdict"], _codes(check["reasons"]), check["uid"] or "")
        for check in document["clusters"]
    }


def _of_steps(document: JsonObject, model: str) -> Mapping[str, Told]:
    steps: dict[str, list[JsonObject]] = {}
    for step in document["steps"]:
        steps.setdefault(step["cluster"], []).append(step)
    return {cluster: _of_drill(of_cluster) for cluster, of_cluster in steps.items()}


def _of_drill(steps: list[JsonObject]) -> Told:
    failing = [step for step in steps if not step["works"]]
    codes = _codes(step["reason"] for step in failing)
    if any(step["step"] == "reach" for step in failing):
        return Told("unreachable", codes)
    return Told("would fail" if failing else "works", codes)


def _of_orders(document: JsonObject, model: str) -> Mapping[str, Told]:
    return _of_records(document, [one for one in document["orders"] if model in one["models"]])


def _of_holds(document: JsonObject, model: str) -> Mapping[str, Told]:
    return _of_records(document, [one for one in document["holds"] if one["model"] == model])


def _of_records(document: JsonObject, entries: Iterable[JsonObject]) -> Mapping[str, Told]:
    silent = {one["cluster"]: Told("unreachable", _codes([one["reason"]])) for one in document["unreachable"]}
    return {cluster: Told("listed") for entry in entries for cluster in entry["clusters"]} | silent


def _codes(reasons: Iterable[JsonObject]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reason["code"] for reason in reasons))


_BY_KIND: Mapping[str, Callable[[JsonObject, str], Mapping[str, Told]]] = {
    "RunResult": _of_items,
    "Status": _of_items,
    "Plan": _of_plan,
    "FleetReport": _of_checks,
    "DrillReport": _of_steps,
    "OrderList": _of_orders,
    "HoldList": _of_holds,
}
