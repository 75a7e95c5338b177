"""Switching a model off: every workload of it to 0, nothing deleted, nothing else touched."""

from __future__ import annotations

from orchestrator import plugins
from orchestrator.core.kind import Wanted
from orchestrator.core.objects import LABEL_MODEL, JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.observation import Expectation
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.core.wish import Wish
from orchestrator.planning.draft import Draft
from orchestrator.planning.rendering import Rendering
from orchestrator.planning.scaling import Scalers, replicas_of, scale_change
from orchestrator.planning.subjects import refs_of


def stop(
    wish: Wish, rendering: Rendering, snapshot: ClusterSnapshot, scalers: Scalers, *, take_over: bool = False
) -> Draft:
    """Scale every workload of the model to 0: those of the manifests, those applied earlier, those adopted.

    What cannot be read is left out and noted; the rest is stopped all the same. What carries another model's label is
    that model's and runs on, unless `take_over` says otherwise. A model of which nothing exists needs no write: its
    absence is verified.
    """
    name = wish.model.name
    previous = snapshot.entries.get(name)
    adopted = {ref_of(workload): workload for workload in snapshot.adopted.get(name, ())}
    refs = tuple(dict.fromkeys((*map(ref_of, rendering.own), *(refs_of(previous) if previous else ()), *adopted)))
    live = {ref: found for ref in refs if (found := snapshot.live.get(ref) or adopted.get(ref))}
    running = {
        ref: replicas_of(obj) for ref, obj in live.items() if ref.group_kind in plugins.switched() and replicas_of(obj)
    }
    foreign = {} if take_over else {ref: owner for ref in running if (owner := _other_owner(live[ref], name))}
    running = {ref: now for ref, now in running.items() if ref not in foreign}
    known = dict(previous.replicas) if previous else {}
    return Draft(
        changes=tuple(scale_change(ref, live[ref], now, 0) for ref, now in running.items()),
        expectations=tuple(
            Expectation(ref, None, Wanted(replicas=0 if ref.group_kind in plugins.switched() else None))
            for ref in refs
            if ref not in foreign
        ),
        replicas={ref: count for ref in refs if (count := running.get(ref, known.get(str(ref)))) is not None},
        objects=frozenset(live) | (frozenset(refs) & snapshot.unread.keys()),
        doubts=tuple(_runs_for_another(ref, owner) for ref, owner in foreign.items()),
        notes=(*_not_found(wish, refs, live, snapshot), *_unstoppable(live), *_wakers(running, live, scalers)),
    )


def _other_owner(live: JsonObject, model: str) -> str | None:
    label = dig(live, "metadata", "labels", LABEL_MODEL)
    return None if label in (None, model) else str(label)


def _runs_for_another(ref: ObjectRef, owner: str) -> Reason:
    message = printable(f"it is labelled as the model {owner}'s and runs on; --take-over stops it")
    return Reason(code="other-model", message=message, object=str(ref))


def _not_found(
    wish: Wish, refs: tuple[ObjectRef, ...], live: dict[ObjectRef, JsonObject], snapshot: ClusterSnapshot
) -> tuple[Reason, ...]:
    """What was looked for in vain, or must not be looked at."""
    name = wish.model.name
    unread = tuple(snapshot.unread[ref] for ref in refs if ref in snapshot.unread)
    if not refs:
        message = f"the selector of {name} finds no workload, and nothing was ever recorded here"
        return (Reason(code="found-nowhere", message=message),)
    if not live and not unread:
        return (Reason(code="nothing-there", message=f"nothing of {name} exists in this cluster"),)
    return unread


def _unstoppable(live: dict[ObjectRef, JsonObject]) -> tuple[Reason, ...]:
    """Kinds that run pods and have no number of replicas to write: they go on, and the verdict will say so."""
    kinds = plugins.kinds()
    return tuple(
        Reason(code="not-switched", message=f"a {ref.kind} is not switched by this tool", object=str(ref))
        for ref in live
        if ref.group_kind not in plugins.switched() and (kind := kinds.get(ref.group_kind)) and kind.workload
    )


def _wakers(running: dict[ObjectRef, int], live: dict[ObjectRef, JsonObject], scalers: Scalers) -> tuple[Reason, ...]:
    """Autoscalers that could bring a stopped workload back."""
    reasons = (reason for ref in live if ref.group_kind in plugins.switched() for reason in scalers.wakers(ref))
    return tuple(dict.fromkeys(reasons))
