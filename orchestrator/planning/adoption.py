"""Workloads that somebody else deployed: labelled in place and scaled, their templates never touched."""

from __future__ import annotations

from orchestrator.core.kind import Wanted
from orchestrator.core.objects import LABEL_MODEL, JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.observation import Expectation
from orchestrator.core.plan import Change, FieldChange, Verb
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason
from orchestrator.core.wish import Wish
from orchestrator.planning.applying import Draft, scale_change
from orchestrator.planning.rendering import named_replicas
from orchestrator.planning.subjects import is_target, live_replicas, targets_of


def adopt(wish: Wish, snapshot: ClusterSnapshot) -> Draft:
    """What leads from the found workloads to enabled ones."""
    found = snapshot.adopted.get(wish.model.name, ())
    if not found:
        message = f"the selector of {wish.model.name} finds no Deployment or StatefulSet in this cluster"
        return Draft(refusals=(Reason(code="nothing-to-adopt", message=message),))
    scaled_by_others = targets_of(snapshot.scalers)
    changes: list[Change] = []
    refusals: list[Reason] = []
    replicas: dict[ObjectRef, int] = {}
    expectations: list[Expectation] = []
    for workload in found:
        ref = ref_of(workload)
        changes += _label_change(workload, wish.model.name)
        wanted = _wanted_replicas(wish, ref, workload, snapshot)
        if wanted is None:
            message = "it stands at 0 and nobody said how many replicas it had; set `replicas` in the model"
            refusals.append(Reason(code="replicas-unknown", message=message, object=str(ref)))
            continue
        is_scaled = is_target(ref, scaled_by_others)
        changes += scale_change(ref, wanted, snapshot, is_scaled)
        replicas[ref] = wanted
        expectations.append(Expectation(ref, None, Wanted(replicas=None if is_scaled else wanted)))
    return Draft(tuple(changes), tuple(expectations), replicas, refusals=tuple(refusals))


def _label_change(workload: JsonObject, model: str) -> list[Change]:
    """Our label on the object and its running pods: metadata only, so no generation changes and no pod restarts."""
    label = _label(workload)
    if label == model:
        return []
    fields = (FieldChange(f"metadata.labels[{LABEL_MODEL}]", label, model),)
    return [Change(verb=Verb.LABEL, ref=ref_of(workload), uid=dig(workload, "metadata", "uid"), fields=fields)]


def _label(obj: JsonObject) -> str | None:
    label = dig(obj, "metadata", "labels", LABEL_MODEL)
    return None if label is None else str(label)


def _wanted_replicas(wish: Wish, ref: ObjectRef, live: JsonObject, snapshot: ClusterSnapshot) -> int | None:
    """The model's own number, else the one recorded when it was switched off, else the one that runs now."""
    named = named_replicas(wish, ref.name)
    if named is not None:
        return named
    entry = snapshot.entries.get(wish.model.name)
    running = live_replicas(live)
    return running or (entry.replicas.get(str(ref)) if entry else None)
