"""Objects that were applied earlier and are no longer in the manifests: shown, and deleted only on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from orchestrator.core.objects import LABEL_MODEL, GroupKind, JsonObject, ObjectRef, dig
from orchestrator.core.plan import Change, Verb
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason
from orchestrator.planning.ordering import apply_order
from orchestrator.planning.rendering import Rendering
from orchestrator.planning.subjects import refs_of

KEPT_KINDS: Final = frozenset(
    {
        GroupKind("", "Namespace"),
        GroupKind("", "PersistentVolume"),
        GroupKind("", "PersistentVolumeClaim"),
        GroupKind("apiextensions.k8s.io", "CustomResourceDefinition"),
    }
)
"""Never deleted by this tool: other people's things go with them."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What an earlier revision left behind."""

    changes: tuple[Change, ...] = ()
    notes: tuple[Reason, ...] = ()
    staying: frozenset[ObjectRef] = frozenset()
    """Objects that stay, so that a later disable still finds them."""
    going: frozenset[ObjectRef] = frozenset()


def find_leftovers(
    previous: CatalogueEntry | None, rendering: Rendering, snapshot: ClusterSnapshot, *, prune: bool
) -> Leftovers:
    """Deletions (when asked for) and notes for what is live, was applied earlier, and is in no manifest any more."""
    changes: list[Change] = []
    notes: list[Reason] = []
    staying: set[ObjectRef] = set()
    wanted = {(ref.group_kind, ref.namespace, ref.name) for ref in rendering.refs}
    earlier = [
        ref
        for ref in (refs_of(previous) if previous else ())
        if (ref.group_kind, ref.namespace, ref.name) not in wanted and (ref in snapshot.live or ref in snapshot.unread)
    ]
    for ref in sorted(earlier, key=apply_order, reverse=True):
        live = snapshot.live.get(ref)
        why = "it could not be read" if live is None else _why_kept(ref, live, previous, prune=prune)
        if live is not None and why is None:
            changes.append(Change(verb=Verb.DELETE, ref=ref, uid=dig(live, "metadata", "uid")))
        else:
            staying.add(ref)
            message = f"it is no longer in the manifests, and stays: {why}"
            notes.append(Reason(code="not-pruned", message=message, object=str(ref)))
    return Leftovers(tuple(changes), tuple(notes), frozenset(staying), frozenset(change.ref for change in changes))


def _why_kept(ref: ObjectRef, live: JsonObject, previous: CatalogueEntry | None, *, prune: bool) -> str | None:
    if ref.group_kind in KEPT_KINDS:
        return f"a {ref.kind} is never deleted by this tool"
    if previous is None or dig(live, "metadata", "labels", LABEL_MODEL) != previous.model:
        return "it does not carry our label any more"
    return None if prune else "--prune deletes it"
