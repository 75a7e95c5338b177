"""One model in one cluster: which writes lead from what is there to what is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from orchestrator import plugins
from orchestrator.core.kind import Wanted
from orchestrator.core.objects import JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.observation import Expectation
from orchestrator.core.plan import Change, ItemPlan, Verb
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.schema import as_document
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason, Want
from orchestrator.core.wish import PlanOptions, Wish, WishedWave
from orchestrator.planning.adoption import adopt
from orchestrator.planning.applying import Draft, apply_manifests, replicas_field
from orchestrator.planning.pruning import leftovers
from orchestrator.planning.rendering import SCALED_KINDS, Rendering, render
from orchestrator.planning.subjects import live_replicas, refs_of, subject_of

DISABLED_MARK = "disabled"
"""Stands where a soak record would name a revision."""


def plan_item(wish: Wish, snapshot: ClusterSnapshot, wave: WishedWave, options: PlanOptions) -> ItemPlan:
    """The writes for one wish. Nothing is planned for what a hold keeps off."""
    rendering = render(wish)
    draft = _draft(wish, rendering, snapshot, options)
    previous = snapshot.entries.get(wish.model.name)
    entry = _entry(wish, rendering, draft, previous)
    held_by = snapshot.held_by(wish.model.name) if wish.want is Want.ENABLED else ()
    soak_key = f"{wish.playbook or '-'}/{wish.step}"
    return ItemPlan(
        step=wish.step,
        subject=subject_of(wish.model, wish.cluster, wish.want, draft.expectations, rendering.revision),
        changes=() if held_by else tuple(draft.changes),
        entry=entry,
        entry_changes=not held_by and entry != previous,
        manifests=rendering.manifests if wish.want is Want.ENABLED else (),
        previous=previous,
        absent_before=tuple(change.ref for change in draft.changes if change.verb is Verb.CREATE),
        held_by=held_by,
        notes=(*draft.notes, *_reverters(wish, snapshot, draft)),
        refusals=(*draft.refusals, *_foreign_playbook(wish, previous, options), *_damage(wish, snapshot)),
        soak_due=bool(wave.soak or wave.checks) and entry.soaked.get(soak_key) != _soak_mark(wish, rendering),
    )


def _draft(wish: Wish, rendering: Rendering, snapshot: ClusterSnapshot, options: PlanOptions) -> Draft:
    if wish.want is Want.DISABLED:
        return _stop(wish, rendering, snapshot)
    if wish.model.adopt:
        return adopt(wish, snapshot)
    draft = apply_manifests(rendering, snapshot, options)
    previous = snapshot.entries.get(wish.model.name)
    changes, notes = leftovers(previous, rendering, snapshot, prune=options.prune)
    return replace(draft, changes=(*draft.changes, *changes), notes=(*draft.notes, *notes))


def _stop(wish: Wish, rendering: Rendering, snapshot: ClusterSnapshot) -> Draft:
    """Scale every workload of the model to 0: those of the manifests, those applied earlier, those adopted."""
    previous = snapshot.entries.get(wish.model.name)
    adopted = tuple(ref_of(found) for found in snapshot.adopted.get(wish.model.name, ()))
    refs = tuple(dict.fromkeys((*rendering.refs, *(refs_of(previous) if previous else ()), *adopted)))
    workloads = [ref for ref in refs if ref.group_kind in SCALED_KINDS]
    running = [ref for ref in workloads if live_replicas(snapshot.live.get(ref))]
    return Draft(
        changes=tuple(_to_zero(ref, snapshot.live[ref]) for ref in running),
        expectations=tuple(
            Expectation(ref, None, Wanted(replicas=0 if ref in workloads else None))
            for ref in refs
            if ref in snapshot.live
        ),
        notes=_finds_nothing(wish, refs, snapshot),
    )


def _to_zero(ref: ObjectRef, live: JsonObject) -> Change:
    uid = dig(live, "metadata", "uid")
    return Change(verb=Verb.SCALE, ref=ref, replicas=0, uid=uid, fields=(replicas_field(live, 0),))


def _finds_nothing(wish: Wish, refs: Iterable[ObjectRef], snapshot: ClusterSnapshot) -> tuple[Reason, ...]:
    if any(ref in snapshot.live for ref in refs):
        return ()
    return (Reason(code="nothing-there", message=f"nothing of {wish.model.name} exists in this cluster"),)


def _entry(wish: Wish, rendering: Rendering, draft: Draft, previous: CatalogueEntry | None) -> CatalogueEntry:
    before = previous or CatalogueEntry(model=wish.model.name, want=wish.want)
    is_enabled = wish.want is Want.ENABLED
    mark = _soak_mark(wish, rendering)
    refs = sorted(
        {one.ref for one in draft.expectations}
        | (set() if is_enabled and rendering.manifests else set(refs_of(before)))
    )
    return CatalogueEntry(
        model=wish.model.name,
        want=wish.want,
        revision=rendering.revision if is_enabled else before.revision,
        profile=rendering.profile if is_enabled else before.profile,
        playbook=wish.playbook or before.playbook,
        objects=tuple((ref.api_version, ref.kind, ref.namespace, ref.name) for ref in refs),
        replicas=_recorded_replicas(draft, before, is_enabled=is_enabled),
        definition=as_document(wish.model),
        soaked={step: passed for step, passed in before.soaked.items() if passed == mark},
    )


def _recorded_replicas(draft: Draft, before: CatalogueEntry, *, is_enabled: bool) -> dict[str, int]:
    """What a later enable returns to: the wanted numbers, or, when switching off, those seen running just before."""
    if is_enabled:
        return {str(ref): number for ref, number in draft.replicas.items()}
    seen = {str(change.ref): int(change.fields[0].before) for change in draft.changes if change.verb is Verb.SCALE}
    return {**before.replicas, **seen}


def _soak_mark(wish: Wish, rendering: Rendering) -> str:
    return rendering.revision or "adopted" if wish.want is Want.ENABLED else DISABLED_MARK


def _foreign_playbook(wish: Wish, previous: CatalogueEntry | None, options: PlanOptions) -> tuple[Reason, ...]:
    owner = previous.playbook if previous else None
    if not wish.playbook or not owner or owner == wish.playbook or options.take_over:
        return ()
    return (Reason(code="other-playbook", message=f"playbook {owner} sets this model here"),)


def _damage(wish: Wish, snapshot: ClusterSnapshot) -> tuple[Reason, ...]:
    reason = snapshot.damaged.get(wish.model.name)
    return (reason,) if reason else ()


def _reverters(wish: Wish, snapshot: ClusterSnapshot, draft: Draft) -> list[Reason]:
    """Who would undo what is planned here, as the marks on the live objects tell."""
    found: dict[tuple[str, str], Reason] = {}
    for change in draft.changes:
        live = snapshot.live.get(change.ref)
        for kind in plugins.kinds().values():
            reverter = kind.reverter(live) if kind.reverter and live else None
            if reverter is None:
                continue
            when = "at any moment" if reverter.continuous else "at its next upgrade"
            message = f"{reverter.tool} {reverter.owner} manages this object and may undo the change {when}"
            found[reverter.tool, str(change.ref)] = Reason(code="reverter", message=message, object=str(change.ref))
    return list(found.values())
