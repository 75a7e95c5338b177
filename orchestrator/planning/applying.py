"""Manifests against live objects: what is created, applied and scaled, and what must be refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator import plugins
from orchestrator.core.comparison import changed_fields, differences
from orchestrator.core.kind import Wanted
from orchestrator.core.objects import JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.observation import Expectation
from orchestrator.core.plan import Change, FieldChange, Verb
from orchestrator.core.snapshot import ClusterSnapshot, Preview
from orchestrator.core.verdict import Reason
from orchestrator.core.wish import PlanOptions
from orchestrator.planning.rendering import Rendering
from orchestrator.planning.subjects import is_target, live_replicas, targets_of


@dataclass(frozen=True, slots=True)
class Draft:
    """The part of an item's plan that depends on how the model is deployed."""

    changes: tuple[Change, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    replicas: Mapping[ObjectRef, int] = field(default_factory=dict)
    notes: tuple[Reason, ...] = ()
    refusals: tuple[Reason, ...] = ()


def apply_manifests(rendering: Rendering, snapshot: ClusterSnapshot, options: PlanOptions) -> Draft:
    """What leads from the live objects to the rendered ones."""
    scaled_by_others = targets_of((*rendering.manifests, *snapshot.scalers))
    changes: list[Change] = []
    refusals = list(_missing_namespaces(rendering, snapshot))
    for manifest in rendering.manifests:
        ref = ref_of(manifest)
        preview = snapshot.previews.get(ref, Preview())
        changes += _object_change(manifest, snapshot.live.get(ref), preview, options)
        refusals += _refusals_of(ref, preview, options)
        if ref in rendering.replicas:
            changes += scale_change(ref, rendering.replicas[ref], snapshot, is_target(ref, scaled_by_others))
    return Draft(
        changes=tuple(changes),
        expectations=tuple(
            Expectation(ref_of(manifest), manifest, _wanted(ref_of(manifest), rendering, scaled_by_others))
            for manifest in rendering.manifests
        ),
        replicas=rendering.replicas,
        refusals=tuple(refusals),
    )


def scale_change(ref: ObjectRef, wanted: int, snapshot: ClusterSnapshot, is_scaled_by_other: bool) -> list[Change]:
    """The write of `/scale`, if one is due.

    Where an autoscaler owns the number, ours is only the start: written when the object is created, or when it stands
    at a zero that the autoscaler did not choose (`facts` on HPA: it leaves a manual zero alone for ever).
    """
    live = snapshot.live.get(ref)
    now = live_replicas(live)
    if now is None:
        is_due = wanted != 1  # created without replicas, so the API server starts one
    elif is_scaled_by_other:
        is_due = now == 0 and wanted > 0 and not _is_idled(ref, snapshot)
    else:
        is_due = now != wanted
    if not is_due:
        return []
    uid = dig(live, "metadata", "uid") if live else None
    return [Change(verb=Verb.SCALE, ref=ref, replicas=wanted, fields=(replicas_field(live, wanted),), uid=uid)]


def replicas_field(live: JsonObject | None, after: int) -> FieldChange:
    """The change of spec.replicas, for people."""
    return FieldChange("spec.replicas", live_replicas(live), after)


def _wanted(ref: ObjectRef, rendering: Rendering, scaled_by_others: tuple[ObjectRef, ...]) -> Wanted:
    return Wanted(replicas=None if is_target(ref, scaled_by_others) else rendering.replicas.get(ref))


def _is_idled(ref: ObjectRef, snapshot: ClusterSnapshot) -> bool:
    """Whether an autoscaler itself put the workload to zero and may wake it by itself."""
    for scaler in snapshot.scalers:
        rules = plugins.kinds()[ref_of(scaler).group_kind].scaler
        if rules and is_target(ref, rules.targets(scaler)) and rules.can_wake(scaler):
            return True
    return False


def _object_change(
    manifest: JsonObject, live: JsonObject | None, preview: Preview, options: PlanOptions
) -> list[Change]:
    ref = ref_of(manifest)
    if live is None:
        return [Change(verb=Verb.CREATE, ref=ref, manifest=manifest)]
    fields = differences(manifest, live)
    if fields and preview.after is not None:
        fields = changed_fields(live, preview.after)
    if not fields:
        return []
    forces = preview.conflicts if options.force_conflicts else ()
    uid = dig(live, "metadata", "uid")
    return [Change(verb=Verb.APPLY, ref=ref, manifest=manifest, fields=fields, forces=forces, uid=uid)]


def _refusals_of(ref: ObjectRef, preview: Preview, options: PlanOptions) -> list[Reason]:
    refusals = []
    if preview.error:
        refusals.append(preview.error)
    if preview.conflicts and not options.force_conflicts:
        owners = ", ".join(f"{name} ({manager})" for name, manager in preview.conflicts)
        message = f"fields that somebody else owns would change: {owners}"
        refusals.append(Reason(code="conflict", message=message, object=str(ref)))
    return refusals


def _missing_namespaces(rendering: Rendering, snapshot: ClusterSnapshot) -> list[Reason]:
    created = {ref.name for ref in rendering.refs if (ref.group_kind.group, ref.kind) == ("", "Namespace")}
    needed = {ref.namespace for ref in rendering.refs if ref.namespace}
    return [
        Reason(
            code="namespace-missing",
            message=f"namespace {name} does not exist; create it, or add it to the model's manifests",
        )
        for name in sorted(needed - created - snapshot.namespaces)
    ]
