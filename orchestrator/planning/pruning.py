"""Objects that were applied earlier and are no longer in the manifests: shown, and deleted only on request."""

from __future__ import annotations

from orchestrator.core.objects import LABEL_MODEL, GroupKind, JsonObject, dig
from orchestrator.core.plan import Change, Verb
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason
from orchestrator.planning.rendering import Rendering, apply_order
from orchestrator.planning.subjects import refs_of

KEPT_KINDS = frozenset(
    {
        GroupKind("", "Namespace"),
        GroupKind("", "PersistentVolumeClaim"),
        GroupKind("apiextensions.k8s.io", "CustomResourceDefinition"),
    }
)
"""Never deleted by this tool: other people's things go with them."""


def leftovers(
    previous: CatalogueEntry | None, rendering: Rendering, snapshot: ClusterSnapshot, *, prune: bool
) -> tuple[list[Change], list[Reason]]:
    """Deletions (when asked for) and notes for what an earlier revision left behind."""
    changes: list[Change] = []
    notes: list[Reason] = []
    wanted = {(ref.group_kind, ref.namespace, ref.name) for ref in rendering.refs}
    earlier = refs_of(previous) if previous else ()
    for ref in sorted(earlier, key=lambda one: apply_order(one.group_kind), reverse=True):
        live = snapshot.live.get(ref)
        if live is None or (ref.group_kind, ref.namespace, ref.name) in wanted:
            continue
        if prune and ref.group_kind not in KEPT_KINDS and previous and _is_ours(live, previous.model):
            changes.append(Change(verb=Verb.DELETE, ref=ref, uid=dig(live, "metadata", "uid")))
        else:
            message = "no longer in the manifests, and left as it is" + ("" if prune else "; --prune deletes it")
            notes.append(Reason(code="not-pruned", message=message, object=str(ref)))
    return changes, notes


def _is_ours(live: JsonObject, model: str) -> bool:
    """Whether the object still carries our label: one that somebody made their own is not deleted."""
    return bool(dig(live, "metadata", "labels", LABEL_MODEL) == model)
