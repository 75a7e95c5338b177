"""Whether what lies beside a journal is what the journal vouches for: the digests of both files, and how items ended.

It refuses to take a file's own word for anything: whoever can open it in an editor can change it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

from orchestrator.core.events import EventType
from orchestrator.core.objects import JsonObject
from orchestrator.core.text import printable
from orchestrator.evidence.journal import JournalContents

DIGEST: Final = "digest"
"""Where an event that vouches for a document holds its digest."""
_MOST: Final = 20


def digest_of(document: JsonObject) -> str:
    """SHA-256 of a JSON document, in hex: of what it says, however it is spelt."""
    content = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(content.encode("ascii")).hexdigest()


def contradictions(about: JsonObject | None, result: JsonObject | None, journal: JournalContents) -> tuple[str, ...]:
    """What the files say against the journal, in words; a file that is not there says nothing. Total over all files.

    A journal that names no digest vouches for nothing, and one that names several was added to.
    """
    found = []
    for name, document, kind in (
        ("about.json", about, EventType.ABOUT_KEPT),
        ("result.json", result, EventType.RESULT_KEPT),
    ):
        told = [one.event.data.get(DIGEST) for one in journal.records if one.event.type is kind]
        if document is None:
            continue
        if len(told) != 1:
            found.append(f"the journal {'vouches more than once' if told else 'does not vouch'} for {name}")
        elif told[0] != digest_of(document):
            found.append(f"{name} is not what the journal vouches for: it was changed")
    items = list(_items_against(result, journal))
    more = [f"and {len(items) - _MOST} more items that the journal contradicts"] if len(items) > _MOST else []
    return (*found, *items[:_MOST], *more)


def _items_against(result: JsonObject | None, journal: JournalContents) -> Iterator[str]:
    """Items of the result that ended otherwise by the journal, and items of the journal that it leaves out."""
    if result is None:
        return
    last = {
        (one.event.model, one.event.cluster): str(one.event.data.get("verdict"))
        for one in journal.records
        if one.event.type is EventType.ITEM_ENDED
    }
    said = {(one.get("model"), one.get("cluster")): one.get("verdict") for one in _entries(result.get("items"))}
    for (model, cluster), told in last.items():
        place = f"{printable(model, 100)} in {printable(cluster, 100)}"
        if (model, cluster) not in said:
            yield f"{place}: the result leaves it out, and the journal says {printable(told, 40)}"
        elif (verdict := said[model, cluster]) != told:
            yield f"{place}: {printable(verdict, 40)} in the result, but the journal says {printable(told, 40)}"


def _entries(found: Any) -> Iterator[JsonObject]:
    for one in found if isinstance(found, list) else []:
        if isinstance(one, dict) and all(isinstance(one.get(name), str) for name in ("model", "cluster")):
            yield one
