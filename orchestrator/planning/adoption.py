"""Workloads that somebody else deployed: labelled in place and scaled, their templates never touched.

Our label goes on the object and, with the same write, on the pods that run then. Pods that its controller makes later
carry none, as the template must not change; they are recognised by the workload's selector.
"""

from __future__ import annotations

from orchestrator.core.kind import Wanted
from orchestrator.core.objects import LABEL_MODEL, JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.observation import Expectation
from orchestrator.core.plan import Change, FieldChange, Verb
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason, Want
from orchestrator.core.wish import PlanOptions, Wish
from orchestrator.planning.applying import refusals_of_live
from orchestrator.planning.draft import Draft
from orchestrator.planning.rendering import named_replicas
from orchestrator.planning.scaling import Scalers, replicas_of, scale_up
from orchestrator.planning.subjects import refs_of

_NOT_SELECTED = "the selector does not find it any more; it stays on record until somebody takes our label off it"


def adopt(wish: Wish, snapshot: ClusterSnapshot, scalers: Scalers, options: PlanOptions) -> Draft:
    """What leads from the workloads that were found to enabled ones."""
    model = wish.model.name
    found = snapshot.adopted.get(model, ())
    if not found:
        message = f"the selector of {model} finds no workload in this cluster"
        return Draft(refusals=(Reason(code="nothing-to-adopt", message=message),))
    changes: list[Change] = []
    refusals: list[Reason] = []
    replicas: dict[ObjectRef, int] = {}
    expectations: list[Expectation] = []
    for workload in found:
        ref, entry = ref_of(workload), snapshot.entries.get(model)
        refusals += refusals_of_live(ref, workload, model, options)
        wanted = _wanted_replicas(wish, workload, entry, is_scaled=scalers.own(ref))
        if wanted is None:
            message = "it stands at 0, and no replica count is known; set `replicas` in the model"
            refusals.append(Reason(code="replicas-unknown", message=message, object=str(ref)))
            continue
        changes += _label_change(workload, model)
        changes += scale_up(ref, workload, replicas_of(workload), wanted, scalers)
        replicas[ref] = wanted
        expectations.append(Expectation(ref, None, Wanted(replicas=None if scalers.own(ref) else wanted)))
    left, known = _no_longer_selected(model, snapshot)
    return Draft(
        changes=tuple(changes),
        expectations=tuple(expectations),
        replicas={**known, **replicas},
        objects=frozenset(map(ref_of, found)) | left,
        notes=tuple(Reason(code="not-selected", message=_NOT_SELECTED, object=str(ref)) for ref in sorted(left)),
        refusals=tuple(refusals),
    )


def _no_longer_selected(model: str, snapshot: ClusterSnapshot) -> tuple[frozenset[ObjectRef], dict[ObjectRef, int]]:
    """What was adopted earlier, is there and is selected no more, and the replicas on record.

    Its pods are known by its own selector alone: once forgotten, nobody would find them when the model goes off.
    """
    entry, found = snapshot.entries.get(model), set(map(ref_of, snapshot.adopted.get(model, ())))
    if entry is None:
        return frozenset(), {}
    left = frozenset(
        ref
        for ref in set(refs_of(entry)) - found
        if ref in snapshot.unread or dig(snapshot.live.get(ref), "metadata", "labels", LABEL_MODEL) == model
    )
    return left, {ref: entry.replicas[str(ref)] for ref in left if str(ref) in entry.replicas}


def _label_change(workload: JsonObject, model: str) -> tuple[Change, ...]:
    label = dig(workload, "metadata", "labels", LABEL_MODEL)
    if label == model:
        return ()
    fields = (FieldChange(f"metadata.labels[{LABEL_MODEL}]", label, model),)
    return (Change(verb=Verb.LABEL, ref=ref_of(workload), uid=dig(workload, "metadata", "uid"), fields=fields),)


def _wanted_replicas(wish: Wish, live: JsonObject, entry: CatalogueEntry | None, *, is_scaled: bool) -> int | None:
    """The documents' number; else what runs, when nobody switched it off; else what was recorded; None if unknown.

    What runs is the owner's number, which no document contradicts. After a stop, what was recorded counts first; and
    beside an autoscaler the recorded number stays, so that its steps do not rewrite our records.
    """
    ref = ref_of(live)
    named = named_replicas(wish, ref.name)
    if named is not None:
        return named
    running = replicas_of(live) or None
    recorded = entry.replicas.get(str(ref)) if entry else None
    was_off = entry is not None and entry.want is Want.DISABLED
    return (recorded or running) if was_off or is_scaled else (running or recorded)
