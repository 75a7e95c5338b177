"""Manifests against live objects: what is created, applied and scaled, and what must be refused.

`differences` is the cheap question; where it finds any, the API server's own dry run has the last word.
"""

from __future__ import annotations

from orchestrator.core.comparison import changed_fields, differences
from orchestrator.core.kind import Wanted
from orchestrator.core.objects import FIELD_MANAGER, LABEL_MODEL, GroupKind, JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.observation import Expectation
from orchestrator.core.plan import Change, Verb
from orchestrator.core.snapshot import ClusterSnapshot, Preview
from orchestrator.core.verdict import Reason
from orchestrator.core.wish import PlanOptions
from orchestrator.planning.draft import Draft
from orchestrator.planning.rendering import SHARED_KINDS, Rendering, defines
from orchestrator.planning.scaling import Scalers, replicas_of, scale_up

_NAMESPACE = GroupKind("", "Namespace")
_REPLICAS = "spec.replicas"


def apply_manifests(
    model: str, rendering: Rendering, snapshot: ClusterSnapshot, scalers: Scalers, options: PlanOptions
) -> Draft:
    """What leads from the live objects to the rendered ones."""
    changes: list[Change] = []
    refusals = [*_missing_namespaces(rendering, snapshot), *_unserved(rendering, snapshot)]
    for manifest in rendering.manifests:
        ref = ref_of(manifest)
        preview, live = snapshot.previews.get(ref, Preview()), snapshot.live.get(ref)
        written = _object_changes(manifest, live, preview, options)
        changes += written
        refusals += [*refusals_of_preview(ref, preview, options), *refusals_of_live(ref, live, model, options)]
        if ref in rendering.replicas:
            now = _replicas_after(live, preview if written else Preview())
            changes += scale_up(ref, live, now, rendering.replicas[ref], scalers)
    return Draft(
        changes=tuple(changes),
        expectations=tuple(
            Expectation(
                ref_of(manifest),
                manifest,
                Wanted(replicas=None if scalers.own(ref_of(manifest)) else rendering.replicas.get(ref_of(manifest))),
            )
            for manifest in rendering.own
        ),
        replicas=rendering.replicas,
        objects=frozenset(map(ref_of, rendering.own)),
        refusals=tuple(refusals),
        blind=tuple(snapshot.unread[ref] for ref in rendering.refs if ref in snapshot.unread),
    )


def is_worth_a_dry_run(manifest: JsonObject, rendering: Rendering, snapshot: ClusterSnapshot) -> bool:
    """Whether the API server should be asked what it would make of this manifest.

    Only what seems to differ is asked for, and what is new where its namespace and kind are already there.
    """
    ref = ref_of(manifest)
    if ref in snapshot.unread or (ref.api_version, ref.kind) in snapshot.unserved:
        return False
    if (live := snapshot.live.get(ref)) is not None:
        return bool(differences(manifest, live))
    is_new_kind = defines(rendering.manifests, ref.api_version, ref.kind)
    return not is_new_kind and (not ref.namespace or ref.namespace in snapshot.namespaces)


def refusals_of_live(ref: ObjectRef, live: JsonObject | None, model: str, options: PlanOptions) -> tuple[Reason, ...]:
    """Why a live object must not be written: it is on its way out, or another model's."""
    if live is None:
        return ()
    if dig(live, "metadata", "deletionTimestamp"):
        return (Reason(code="being-deleted", message="it is being deleted; wait until it is gone", object=str(ref)),)
    owner = dig(live, "metadata", "labels", LABEL_MODEL)
    if owner in (None, model) or options.take_over or ref.group_kind in SHARED_KINDS:
        return ()
    message = f"it belongs to the model {owner}; --take-over takes it"
    return (Reason(code="other-model", message=message, object=str(ref)),)


def refusals_of_preview(ref: ObjectRef, preview: Preview, options: PlanOptions) -> tuple[Reason, ...]:
    """Why the API server would refuse our apply: invalid, forbidden, or fields that somebody else owns."""
    found: list[Reason] = []
    if preview.error:
        found.append(preview.error)
    if not options.force_conflicts:
        for name, manager in _of_others(preview):
            message = f"{name} is owned by {manager}; --force-conflicts takes it"
            found.append(Reason(code="conflict", message=message, object=str(ref), field=name))
    return tuple(found)


def _of_others(preview: Preview) -> tuple[tuple[str, str], ...]:
    """Conflicts with somebody else. What a restore put back was an update of ours, which an apply of ours takes."""
    return tuple((name, manager) for name, manager in preview.conflicts if manager != FIELD_MANAGER)


def _object_changes(
    manifest: JsonObject, live: JsonObject | None, preview: Preview, options: PlanOptions
) -> tuple[Change, ...]:
    ref = ref_of(manifest)
    if live is None:
        return (Change(verb=Verb.CREATE, ref=ref, manifest=manifest),)
    fields = differences(manifest, live)
    if fields and preview.after is not None:
        fields = changed_fields(live, preview.after)
    fields = tuple(change for change in fields if change.path != _REPLICAS)
    if not fields:
        return ()
    forces = preview.conflicts if options.force_conflicts or not _of_others(preview) else ()
    uid = dig(live, "metadata", "uid")
    return (Change(verb=Verb.APPLY, ref=ref, manifest=manifest, fields=fields, forces=forces, uid=uid),)


def _replicas_after(live: JsonObject | None, preview: Preview) -> int:
    """Replicas once the manifest is applied: 1 where it is created, or where our manager owned the number before."""
    if live is None:
        return 1
    return replicas_of(preview.after or live)


def _missing_namespaces(rendering: Rendering, snapshot: ClusterSnapshot) -> list[Reason]:
    created = {ref.name for ref in rendering.refs if ref.group_kind == _NAMESPACE}
    missing = {ref.namespace for ref in rendering.refs if ref.namespace} - created - snapshot.namespaces
    message = "it does not exist, or is being deleted; create it, or add its manifest to the model"
    return [Reason(code="namespace-missing", message=message, object=f"Namespace {name}") for name in sorted(missing)]


def _unserved(rendering: Rendering, snapshot: ClusterSnapshot) -> list[Reason]:
    message = "this cluster does not serve {}; install its CustomResourceDefinition, or leave the object out here"
    return [
        Reason(code="kind-not-served", message=message.format(f"{ref.api_version} {ref.kind}"), object=str(ref))
        for ref in rendering.refs
        if (ref.api_version, ref.kind) in snapshot.unserved
        and not defines(rendering.manifests, ref.api_version, ref.kind)
    ]
