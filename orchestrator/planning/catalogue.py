"""What a cluster's catalogue will say of a model: equal wishes give equal entries, so nothing is written twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from orchestrator.core.model import Model
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.schema import as_document
from orchestrator.core.verdict import Want
from orchestrator.core.wish import Wish
from orchestrator.planning.draft import Draft
from orchestrator.planning.rendering import Rendering

_NOT_PUBLISHED: Final = ("profiles", "overrides")
"""Patches may hold secret values, and recognising or stopping a model needs none of them."""


def entry_for(wish: Wish, rendering: Rendering, draft: Draft, previous: CatalogueEntry | None) -> CatalogueEntry:
    """The entry that stands once the wish is fulfilled.

    A stop keeps revision and profile: nothing was applied. Soaks count only while what they proved still stands, so a
    model that was off in between soaks anew.
    """
    is_enabled = wish.want is Want.ENABLED
    before = previous or CatalogueEntry(model=wish.model.name, want=wish.want)
    entry = CatalogueEntry(
        model=wish.model.name,
        want=wish.want,
        revision=rendering.revision if is_enabled else before.revision,
        profile=rendering.profile if is_enabled else before.profile,
        playbook=wish.playbook or before.playbook,
        objects=tuple((ref.api_version, ref.kind, ref.namespace, ref.name) for ref in sorted(draft.objects)),
        replicas={str(ref): count for ref, count in sorted(draft.replicas.items())},
        definition=definition_of(wish.model),
    )
    return replace(entry, soaked=entry.still_soaked(before.soaked))


def definition_of(model: Model) -> dict[str, Any]:
    """The model document as any laptop may read it from the cluster."""
    document: dict[str, Any] = as_document(model)
    return {key: value for key, value in document.items() if key not in _NOT_PUBLISHED}
