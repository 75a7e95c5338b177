"""Journals how an object stands before and after a write, as evidence: whole, but for its secrets and bookkeeping."""

from __future__ import annotations

from typing import Final, Literal

from orchestrator.core.events import EventType
from orchestrator.core.objects import JsonObject, ref_of
from orchestrator.core.records import canonical_json
from orchestrator.core.text import printable
from orchestrator.execution.sending import Sender

_LARGEST: Final = 256 * 1024
"""Bytes of JSON of one object that are kept; of a larger one its metadata and numbers."""
_NAMES: Final = ("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp")


def observe(sender: Sender, live: JsonObject, moment: Literal["before", "after"]) -> None:
    """Journal an object as its API server gave it. Secrets in it are hidden by the journal, for every event alike."""
    metadata = live.get("metadata") or {}
    seen = {key: metadata[key] for key in _NAMES if key in metadata}
    # Who wrote which field says nothing of what the object is, and is half of its size.
    content = {**live, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}
    size = len(canonical_json(content).encode("utf-8", "surrogatepass"))
    whole: JsonObject = {"content": content} if size <= _LARGEST else {"contentOmitted": f"{size} bytes of JSON"}
    sender.emit(EventType.OBSERVED, {"object": printable(ref_of(live)), "moment": moment, **seen, **whole})
