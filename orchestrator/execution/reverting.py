"""Who brought back what a takedown had stopped or cut, as the live object itself tells: nobody is asked for it."""

from __future__ import annotations

from orchestrator import plugins
from orchestrator.core.events import EventType
from orchestrator.core.objects import JsonObject, controller_of, dig, ref_of
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.execution.sending import Sender
from orchestrator.execution.steps import Steps

_OURS = "orchestrator"


def tell_if_reverted(steps: Steps, sender: Sender, live: JsonObject) -> None:
    """Say who did it, once for each, where this run had written to the object already and has to do so again."""
    if any(sent.endswith(f" {ref_of(live)}") for sent in sender.sent):
        tell_reverted(steps, sender, live)


def tell_reverted(steps: Steps, sender: Sender, live: JsonObject) -> None:
    """Say of an object that is up or open again who wrote that, what owns it, and what tracks it."""
    reason = who_reverted(live)
    if reason not in steps.reasons:
        steps.note(reason)
        sender.emit(EventType.REVERTED, {"object": reason.object, "message": reason.message, **_marks(live)})


def who_reverted(live: JsonObject) -> Reason:
    """By its field managers, its controlling owner and the marks that deployment tools leave on it."""
    marks = _marks(live)
    words = [f"written by {', '.join(marks['managers']) or 'nobody who says so'}"]
    words += [f"owned by {marks['owner']}"] if "owner" in marks else []
    words += [f"tracked by {', '.join(marks['trackedBy'])}"] if "trackedBy" in marks else []
    replicas = dig(live, "spec", "replicas")
    what = f"{replicas} replicas are asked for again" if replicas else "it was put back"
    return Reason(code="reverted", message=printable(f"{what}, {'; '.join(words)}"), object=printable(ref_of(live)))


def _marks(live: JsonObject) -> JsonObject:
    owner, tools = controller_of(live), _trackers(live)
    found: JsonObject = {"managers": [printable(name, 200) for name in _managers(live)]}
    if owner is not None:
        found["owner"] = printable(owner)
    if tools:
        found["trackedBy"] = tools
    return found


def _managers(live: JsonObject) -> list[str]:
    """Who wrote its number of replicas; where it has none, or nobody owns that any more, who wrote it last."""
    entries = [one for one in dig(live, "metadata", "managedFields", default=[]) if one.get("manager") != _OURS]
    writers = [one for one in entries if dig(one, "fieldsV1", "f:spec", "f:replicas") is not None]
    if not writers:
        of_spec = [one for one in entries if dig(one, "fieldsV1", "f:spec") is not None]
        writers = sorted(of_spec, key=lambda one: str(one.get("time", "")))[-1:]
    return [f"{one.get('manager')} ({one.get('subresource') or one.get('operation')})" for one in writers]


def _trackers(live: JsonObject) -> list[str]:
    found: list[str] = []
    for kind in plugins.kinds().values():
        try:
            reverter = kind.reverter(live) if kind.reverter is not None else None
        except (TypeError, ValueError, KeyError, AttributeError):
            continue
        if reverter is not None:
            found.append(printable(f"{reverter.tool} {reverter.owner}", 300))
    return found
