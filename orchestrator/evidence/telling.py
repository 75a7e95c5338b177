"""The records of a journal in words: what a person reads of a run afterwards. What they quote is hostile text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeGuard

from orchestrator.core.events import Event, EventType
from orchestrator.core.text import printable


def words_of(event: Event) -> str:
    """One record in one sentence, safe to print."""
    tell = _SENTENCES.get(event.type)
    return printable(tell(event.data) if tell else event.type.value, 400)


def _run_started(data: Mapping[str, Any]) -> str:
    steps = ", ".join(str(wave.get("step")) for wave in _mappings(data.get("waves")))
    models = ", ".join(map(str, _listed(data.get("models"))))
    return f"the run begins: {data.get('action')} of {models or 'no model'}, steps: {steps or 'none'}"


def _joined(data: Mapping[str, Any]) -> str:
    places = data.get("places")
    names = places if _is_mapping(places) else {}
    away = [name for name, place in names.items() if _is_mapping(place) and "unreachable" in place]
    here = [name for name in names if name not in away]
    lost = f"; out of reach: {', '.join(map(str, away))}" if away else ""
    more = f"; {data.get('unsearched')}" if data.get("unsearched") else ""
    return f"of the clusters that had not answered, these join: {', '.join(map(str, here)) or 'none'}{lost}{more}"


def _run_ended(data: Mapping[str, Any]) -> str:
    if data.get("aborted"):
        return f"aborted by {data.get('by')}: nobody goes on with it"
    verdicts = data.get("verdicts")
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()) if _is_mapping(verdicts) else ""
    left = data.get("locksLeft")
    locks = f"; locks left: {', '.join(map(str, left))}" if _is_mapping(left) and left else ""
    return f"the run ends: {counts or 'nothing was judged'}{locks}"


def _locked(data: Mapping[str, Any]) -> str:
    failed = data.get("failed")
    without = f"; not locked: {', '.join(map(str, failed))}" if _is_mapping(failed) and failed else ""
    return f"locks taken: {data.get('locks')}{without}"


def _sending(data: Mapping[str, Any]) -> str:
    numbers = data.get("replicas")
    scaled = f" from {numbers.get('before')} to {numbers.get('after')} replicas" if _is_mapping(numbers) else ""
    return f"sends {data.get('verb')} {data.get('object')}{scaled}"


def _answered(data: Mapping[str, Any]) -> str:
    what = f"{data.get('verb')} {data.get('object')}"
    error = data.get("error")
    if error is None:
        return f"done: {what}"
    message = f": {data['message']}" if data.get("message") else ""
    not_sent = " (nothing was sent)" if data.get("sent") is False else ""
    return f"not done: {what} [{error}]{message}{not_sent}"


def _item_ended(data: Mapping[str, Any]) -> str:
    reasons = "; ".join(str(reason.get("message")) for reason in _mappings(data.get("reasons")))
    return f"{data.get('verdict')}, {data.get('state')}" + (f": {reasons}" if reasons else "")


def _rolling_back(data: Mapping[str, Any]) -> str:
    if "steps" in data:
        return f"decides to roll back: {', '.join(map(str, _listed(data['steps'])))}"
    return f"rolls back to {data.get('to')}"


def _guard_tried(data: Mapping[str, Any]) -> str:
    reasons = "; ".join(str(one.get("message", one)) if _is_mapping(one) else str(one) for one in
                        _listed(data.get("reasons")))  # fmt: skip
    return "tries the guard by dry run" + (f": {reasons}" if reasons else "")


_SENTENCES: Final[dict[EventType, Callable[[Mapping[str, Any]], str]]] = {
    EventType.RUN_STARTED: _run_started,
    EventType.JOINED: _joined,
    EventType.LOCKED: _locked,
    EventType.WAVE_STARTED: lambda data: f"the step begins, {data.get('clusters')} clusters",
    EventType.WAVE_ENDED: lambda data: f"the step failed: {data['failure']}" if data.get("failure") else "step done",
    EventType.ITEM_STARTED: lambda data: f"begins; wanted: {data.get('want')}",
    EventType.SENDING: _sending,
    EventType.ANSWERED: _answered,
    EventType.LAST_POD_GONE: lambda data: "the last pod is gone",
    EventType.SOAKING: lambda data: f"holds; soaks for {data.get('seconds')} s",
    EventType.CHECKED: lambda data: f"checked: {data.get('readiness')}",
    EventType.OBSERVED: lambda data: f"sees {data.get('object')} {data.get('moment') or ''}".rstrip(),
    EventType.FOUND: lambda data: "has searched the whole cluster",
    EventType.GUARD_TRIED: _guard_tried,
    EventType.REVERTED: lambda data: f"somebody undid a write: {data.get('object')}: {data.get('message')}",
    EventType.ITEM_ENDED: _item_ended,
    EventType.ROLLING_BACK: _rolling_back,
    EventType.RUN_ENDED: _run_ended,
    EventType.ABOUT_KEPT: lambda data: f"keeps what the run is about, of digest {str(data.get('digest'))[:16]}",
    EventType.RESULT_KEPT: lambda data: f"keeps the result, of digest {str(data.get('digest'))[:16]}",
}


def _is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _listed(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [one for one in _listed(value) if isinstance(one, Mapping)]
