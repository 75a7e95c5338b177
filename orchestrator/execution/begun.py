"""What a run that was cut off had begun, by its journal: what it found, what it wrote, whether it was rolling back.

Pure. It refuses to guess: a write whose answer is missing may have taken effect, and what was not recorded is unknown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from orchestrator.core.events import Event, EventType
from orchestrator.core.objects import SYSTEM_NAMESPACE, JsonObject, ObjectRef, dig
from orchestrator.core.plan import ItemPlan, Verb
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.verdict import Want
from orchestrator.execution.outcome import ItemResult, Written

Key = tuple[str, str]
"""(cluster, model)."""
_REFUSED: Final = frozenset(("conflict", "forbidden", "invalid", "not-found", "gone", "lock-lost"))
"""Answers after which a write has surely not taken effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One write that was sent, or about to be: it took effect, or may have."""

    verb: str
    object: str
    data: Mapping[str, Any]
    """What the journal says of it, its answer included where there was one."""
    answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunItem:
    """One model in one cluster, as the first of the cut off runs found it, and what they all wrote there."""

    revision: str | None
    """Revision of the manifests that were being applied."""
    before: CatalogueEntry | None
    """What the cluster's catalogue said before; None when it said nothing."""
    is_before_known: bool
    """Whether `before` was recorded and can be read."""
    hides_definition: bool = False
    """Whether the journal had to hide something of the entry's definition."""
    absent: frozenset[str] = frozenset()
    """Objects that did not exist, as printed."""
    attempts: tuple[Attempt, ...] = ()
    restored: frozenset[str] = frozenset()
    """Objects that a rollback had begun to write back, as printed."""


_UNTOLD: Final = BegunItem(revision=None, before=None, is_before_known=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Everything that runs which were cut off, each continuing the one before, had begun."""

    items: Mapping[Key, BegunItem] = field(default_factory=dict)
    ended: frozenset[tuple[str, Key]] = frozenset()
    """(step, item) that came to a verdict."""
    rolling_back: tuple[str, ...] | None = None
    """Steps whose rollback was decided, in the order of the rollback; None when none was."""
    is_whole: bool = True
    """Whether every record is there: else what is not told may have been begun all the same."""


def begun_by(events: Iterable[Event]) -> Begun:
    """What these events, of one run or of a chain of runs in order, say was begun."""
    items: dict[Key, BegunItem] = {}
    ended: set[tuple[str, Key]] = set()
    rolling_back: tuple[str, ...] | None = None
    going_back: set[Key] = set()
    for event in events:
        if event.type is EventType.RUN_STARTED:
            going_back.clear()
        if event.cluster is None or event.model is None:
            if event.type is EventType.ROLLING_BACK:
                rolling_back = tuple(str(step) for step in event.data.get("steps", ()))
            continue
        key = (event.cluster, event.model)
        match event.type:
            case EventType.ITEM_STARTED:
                # Only what the first run found was there before.
                items.setdefault(key, _begun_item(event.data, event.model))
            case EventType.ITEM_ENDED:
                ended.add((event.step or "", key))
            case EventType.ROLLING_BACK:
                going_back.add(key)
            case EventType.SENDING | EventType.ANSWERED:
                note = _note_return if key in going_back else _note
                items[key] = note(items.get(key, _UNTOLD), event)
    return Begun(items=items, ended=frozenset(ended), rolling_back=rolling_back)


def found_before(item: ItemPlan) -> JsonObject:
    """What the journal keeps of a model in a cluster before its first change, for `begun_by` to read."""
    kept: JsonObject = {"absent": [str(ref) for ref in item.absent_before], "before": None}
    if item.previous is not None:
        text = _text_of(item.previous)
        kept |= {"before": text, "beforeDigest": _digest(text)}
    return kept


def with_begun(done: ItemResult, begun: BegunItem) -> ItemResult | None:
    """The item with what the runs before wrote, and what they found; None where that can no longer be told.

    That is so when what was there is not on record, or when somebody else has set the model here since.
    """
    item = done.item
    if not begun.is_before_known or begun.revision != item.subject.revision or not _is_as_left(item, begun):
        return None
    before = begun.before
    if before is not None and begun.hides_definition:
        before = replace(before, definition=item.entry.definition)
    refs = _refs_of(item, before)
    written = tuple(one for attempt in begun.attempts if (one := _written(attempt, begun, refs)) is not None)
    absent = {*item.absent_before, *(refs[name] for name in begun.absent if name in refs)}
    return replace(
        done,
        item=replace(item, previous=before, absent_before=tuple(sorted(absent))),
        written=(*written, *done.written),
        entry_written=done.entry_written or any(_is_entry(attempt, item) for attempt in begun.attempts),
        restored=begun.restored,
    )


def _begun_item(data: Mapping[str, Any], model: str) -> BegunItem:
    revision, absent, text = data.get("revision"), data.get("absent"), data.get("before")
    item = BegunItem(
        revision=revision if isinstance(revision, str) else None,
        before=None,
        is_before_known="before" in data,
        absent=frozenset(map(str, absent if isinstance(absent, list) else ())),
    )
    if text is None:
        return item
    try:
        before = _entry_of(str(text), model)
    except ValueError:
        return replace(item, is_before_known=False)
    return replace(item, before=before, hides_definition=_digest(str(text)) != data.get("beforeDigest"))


def _note(item: BegunItem, event: Event) -> BegunItem:
    verb, name = str(event.data.get("verb")), str(event.data.get("object"))
    if event.type is EventType.SENDING:
        return replace(item, attempts=(*item.attempts, Attempt(verb=verb, object=name, data=dict(event.data))))
    for place in reversed(range(len(item.attempts))):
        attempt = item.attempts[place]
        if (attempt.verb, attempt.object) == (verb, name) and not attempt.answered:
            error = event.data.get("error")
            kept = () if error in _REFUSED else (_answered(attempt, event, is_error=error is not None),)
            return replace(item, attempts=(*item.attempts[:place], *kept, *item.attempts[place + 1 :]))
    return item


def _answered(attempt: Attempt, event: Event, *, is_error: bool) -> Attempt:
    return attempt if is_error else replace(attempt, data={**attempt.data, **event.data}, answered=True)


def _note_return(item: BegunItem, event: Event) -> BegunItem:
    return replace(item, restored=item.restored | {str(event.data.get("object"))})


def _is_as_left(item: ItemPlan, begun: BegunItem) -> bool:
    """Whether the cluster's entry is what was found, or what the runs wrote: nobody else has set the model since."""
    found, live, ours = begun.before, item.previous, item.entry
    if live is None or found is None:
        untouched = live is None and found is None
    else:
        untouched = replace(live, soaked={}, definition={}) == replace(found, soaked={}, definition={})
    written = live is not None and (live.want, live.revision, live.profile) == (ours.want, ours.revision, ours.profile)
    return untouched or written


def _written(attempt: Attempt, begun: BegunItem, refs: Mapping[str, ObjectRef]) -> Written | None:
    """The write as a rollback knows it; None for our own records, and for objects that no document names any more."""
    ref = refs.get(attempt.object)
    if ref is None or ref.namespace == SYSTEM_NAMESPACE:
        return None
    try:
        verb = Verb(attempt.verb)
    except ValueError:
        return None
    data = attempt.data
    made = verb is Verb.CREATE and attempt.object in begun.absent and data.get("created") is not False
    return Written(
        verb=verb,
        ref=ref,
        uid=_text(data.get("uid")),
        generation=_number(data.get("generation")),
        replicas_before=_number(dig(data, "replicas", "before")),
        replicas=_number(dig(data, "replicas", "after")),
        created=made,
    )


def _refs_of(item: ItemPlan, before: CatalogueEntry | None) -> dict[str, ObjectRef]:
    """By printed name: every object that the item's documents, or the entry before, name."""
    entries = [entry for entry in (before, item.previous, item.entry) if entry is not None]
    named = [ObjectRef(*parts) for entry in entries for parts in entry.objects]
    expected = [expected.ref for expected in item.subject.expectations]
    return {str(ref): ref for ref in (*named, *(change.ref for change in item.changes), *expected)}


def _is_entry(attempt: Attempt, item: ItemPlan) -> bool:
    ref = ObjectRef("v1", "ConfigMap", SYSTEM_NAMESPACE, f"model.{item.subject.model.name}")
    return attempt.object == str(ref)


def _text_of(entry: CatalogueEntry) -> str:
    return str(entry.to_config_map()["data"]["entry"])


def _entry_of(text: str, model: str) -> CatalogueEntry:
    """Raises ValueError when the text is no entry."""
    frame = CatalogueEntry(model=model, want=Want.ENABLED).to_config_map()
    return CatalogueEntry.from_config_map({**frame, "data": {**frame["data"], "entry": text}})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
