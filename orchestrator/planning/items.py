"""One model in one cluster: which writes lead from what is there to what is wanted, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from orchestrator import plugins
from orchestrator.core.plan import Change, ItemPlan, Verb
from orchestrator.core.records import CatalogueEntry, proof_of, soak_key
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason, Want
from orchestrator.core.wish import PlanOptions, Wish, WishedWave
from orchestrator.planning.adoption import adopt
from orchestrator.planning.applying import apply_manifests
from orchestrator.planning.catalogue import entry_for
from orchestrator.planning.draft import Draft
from orchestrator.planning.pruning import Leftovers, find_leftovers
from orchestrator.planning.rendering import Rendering, render
from orchestrator.planning.scaling import Scalers, scalers_among
from orchestrator.planning.stopping import stop
from orchestrator.planning.subjects import refs_of, subject_of


def plan_item(wish: Wish, snapshot: ClusterSnapshot, wave: WishedWave, options: PlanOptions) -> ItemPlan:
    """The writes for one wish. Nothing is written where a hold keeps the model off, and nothing blindly."""
    rendering = render(wish, snapshot.namespaced)
    previous = snapshot.entries.get(wish.model.name)
    draft = _draft(wish, rendering, snapshot, options)
    held_by = snapshot.held_by(wish.model.name) if wish.want is Want.ENABLED else ()
    # Of what exists nowhere and was never recorded, no record is made: its absence is verified, and that is all.
    is_absent = wish.want is Want.DISABLED and previous is None and not draft.objects
    may_write = not (held_by or draft.blind or is_absent)
    entry = entry_for(wish, rendering, draft, previous)
    changes = draft.changes if may_write else ()
    damage = _damage(wish, snapshot)
    # What is damaged may be another version's: it says what else runs here, and is not overwritten unasked.
    doubtful_damage = damage if wish.want is Want.DISABLED else ()
    may_record = may_write and (options.take_over or not damage)
    refused_damage = damage if wish.want is Want.ENABLED and not options.take_over else ()
    return ItemPlan(
        step=wish.step,
        subject=subject_of(wish.model, wish.cluster, wish.want, draft.expectations, rendering.revision),
        changes=changes,
        entry=entry,
        entry_changes=may_record and entry != previous,
        manifests=rendering.own if wish.want is Want.ENABLED else (),
        previous=previous,
        absent_before=tuple(change.ref for change in changes if change.verb is Verb.CREATE),
        held_by=held_by,
        notes=(*draft.notes, *draft.blind, *damage, *_reverters(changes, snapshot)),
        refusals=(*draft.refusals, *_foreign_playbook(wish, previous, options), *refused_damage),
        doubts=(*draft.doubts, *_unread(rendering, previous, snapshot), *doubtful_damage),
        soak_due=may_record
        and bool(wave.soak or wave.checks)
        and not entry.has_soaked(soak_key(wish.playbook, wish.step), proof_of(wave.soak, wave.checks)),
    )


def _draft(wish: Wish, rendering: Rendering, snapshot: ClusterSnapshot, options: PlanOptions) -> Draft:
    scalers = Scalers(snapshot.scalers, scalers_among(rendering.manifests))
    if wish.want is Want.DISABLED:
        return stop(wish, rendering, snapshot, scalers, take_over=options.take_over)
    if wish.model.adopt:
        return adopt(wish, snapshot, scalers, options)
    previous = snapshot.entries.get(wish.model.name)
    left = find_leftovers(previous, rendering, snapshot, prune=options.prune)
    draft = apply_manifests(wish.model.name, rendering, snapshot, scalers.without(left.going), options)
    return _with_leftovers(draft, left)


def _with_leftovers(draft: Draft, left: Leftovers) -> Draft:
    return replace(
        draft,
        changes=(*draft.changes, *left.changes),
        notes=(*draft.notes, *left.notes),
        objects=draft.objects | left.staying,
    )


def _foreign_playbook(wish: Wish, previous: CatalogueEntry | None, options: PlanOptions) -> tuple[Reason, ...]:
    owner = previous.playbook if previous else None
    if wish.playbook is None or owner in (None, wish.playbook) or options.take_over:
        return ()
    message = f"the playbook {owner} sets this model here; --take-over takes it over"
    return (Reason(code="other-playbook", message=message),)


def _unread(rendering: Rendering, previous: CatalogueEntry | None, snapshot: ClusterSnapshot) -> tuple[Reason, ...]:
    """What the manifests or the catalogue name and nobody could read."""
    named = dict.fromkeys((*rendering.refs, *(refs_of(previous) if previous else ())))
    return tuple(snapshot.unread[ref] for ref in named if ref in snapshot.unread)


def _damage(wish: Wish, snapshot: ClusterSnapshot) -> tuple[Reason, ...]:
    """A catalogue entry that cannot be read hides what was applied here. It never keeps a model from going off."""
    reason = snapshot.damaged.get(wish.model.name)
    return (replace(reason, message=f"{reason.message}; --take-over writes it anew"),) if reason else ()


def _reverters(changes: Iterable[Change], snapshot: ClusterSnapshot) -> tuple[Reason, ...]:
    """Who would undo what is planned here, as the marks on the live objects tell. Labels of ours bother nobody."""
    found: dict[Reason, None] = {}
    rules = [kind.reverter for kind in plugins.kinds().values() if kind.reverter]
    for change in changes:
        live = snapshot.live.get(change.ref)
        if live is None or change.verb is Verb.LABEL:
            continue
        for rule in rules:
            if reverter := rule(live):
                when = "undoes this on its own" if reverter.continuous else "undoes this when it next acts"
                message = f"{reverter.tool} {reverter.owner} manages this object, and {when}"
                found[Reason(code="reverter", message=message, object=str(change.ref))] = None
    return tuple(found)
