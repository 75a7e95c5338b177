"""What a takedown keeps in the cluster itself: the hold, and what everything was before.

The first writer wins: a record that is there already was made before an earlier change, so it is the true one.
"""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from orchestrator.core.holds import Hold, Lift, RestoreRecord, Standing, read_hold, read_lift, read_restore_record
from orchestrator.core.objects import SYSTEM_NAMESPACE, JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.ports import ClusterReader
from orchestrator.core.schema import API_VERSION
from orchestrator.errors import Conflict, NotFound
from orchestrator.execution.namespace import in_our_namespace
from orchestrator.execution.sending import Sender
from orchestrator.execution.sight import BLIND, Sight

KEPT_FOR: Final = "orchestrator.dev/kept-for"
"""On restore records: the first 16 digits of the digests of the orders that rest on them."""
REPLICAS: Final = "/spec/replicas"
_RECORD_VERSION: Final = base64.b64encode(API_VERSION.encode()).decode()
_RACES: Final = 5
_OURS: Final = ("name", "namespace", "labels", "annotations")


async def keep_restore_record(sender: Sender, record: RestoreRecord) -> None:
    """Keep what an object was, unless that is kept already; the hold has to be there.

    Raises `ClusterError`: then nobody knows it later.
    """
    await _keep(sender, record)
    if (ref := record.secret_ref) in unclaimed_records(sender):
        await claim_record(sender, ref)


async def keep_planned_record(sender: Sender, record: RestoreRecord, seen: Sight = BLIND) -> None:
    """Keep a record that was planned a while ago, with the number of replicas of now, unless it is kept already.

    Of what runs no more nothing is kept: whoever stopped it meanwhile has kept it, or meant it to be off. The hold may
    come at the same time; then `unclaimed_records` are to be claimed. Raises `ClusterError`.
    """
    if REPLICAS in record.before:
        known, live = await asyncio.gather(_found(sender, record.secret_ref), seen.now(sender.ports.writer, record.ref))
        replicas = dig(live, "spec", "replicas", default=1)
        if known is None and (live is None or replicas == 0):
            return
        record = replace(record, before={**record.before, REPLICAS: replicas})
    await _keep(sender, record)


def unclaimed_records(sender: Sender) -> list[ObjectRef]:
    """Records which this item rests on, and which do not say so yet."""
    return [ref for ref, kept in sender.kept.items() if not _is_marked(kept, sender.order)]


async def claim_record(sender: Sender, ref: ObjectRef) -> None:
    """Make sure that a record this item rests on is there, and stays: to be called once the hold is kept.

    A restore of another order deletes a record at the version that it read before it looked for holds. So our mark,
    where it comes first, makes that deletion fail; where it comes too late the record is made again.
    """
    writer = sender.ports.writer
    for attempt in range(_RACES):
        live = await writer.get(ref)
        if live is None:
            sender.kept[ref] = await _create(sender, _anew(sender.kept[ref]))
            return
        if _is_marked(live, sender.order):
            return
        marked = _marked(live, sender.order)
        try:
            sender.kept[ref] = await sender.send("update", ref, partial(writer.replace, marked))
        except (Conflict, NotFound):
            if attempt == _RACES - 1:
                raise
        else:
            return


async def keep_hold(sender: Sender, hold: Hold) -> None:
    """Keep the hold, unless it is there: even one of a later version, which nobody here understands, holds.

    One that lost its labels, or says something else than it was made for, is written anew. Raises `ClusterError`.
    """
    config_map = hold.to_config_map()
    writer, ref = sender.ports.writer, ref_of(config_map)
    for attempt in range(_RACES):
        live = await (_found(sender, ref) if attempt == 0 else writer.get(ref))
        if live is None:
            try:
                await _send_create(sender, config_map)
            except Conflict:
                # Another takedown was quicker, or it lost the label by which it would have been found.
                continue
            return
        if keeps_off(live, hold):
            return
        labels = {**(dig(live, "metadata", "labels", default={}) or {}), **config_map["metadata"]["labels"]}
        mended = {**live, "metadata": {**live["metadata"], "labels": labels}, "data": config_map["data"]}
        try:
            await sender.send("update", ref, partial(writer.replace, mended))
        except (Conflict, NotFound):
            if attempt == _RACES - 1:
                raise
        else:
            return


def keeps_off(live: JsonObject, hold: Hold) -> bool:
    """Whether a live ConfigMap is this hold, or one that nobody here understands: that holds, too."""
    kept = read_hold(live)
    return kept is not None and kept.model in (hold.model, "*") and kept.digest in (hold.digest, "")


async def write_standing(sender: Sender, hold: Hold, standing: Standing) -> bool:
    """Say in the cluster's own hold how far it is, under which guard, and of which nodes it has doubts.

    Whether the hold had to be kept again, because somebody had taken it away. Raises `ClusterError`.
    """
    writer, ref = sender.ports.writer, ref_of(hold.to_config_map())
    was_away = False
    for _ in range(_RACES):
        live = await writer.get(ref)
        if live is None or not keeps_off(live, hold):
            await keep_hold(sender, hold)
            was_away = True
            continue
        kept = read_hold(live)
        if kept is None or not kept.digest:
            return was_away
        ledger = {**kept.ledger, sender.cluster: standing.value}
        said = replace(kept, ledger=ledger, silent_nodes=hold.silent_nodes, guard=hold.guard)
        if said == kept:
            return was_away
        wanted = {**live, "data": said.to_config_map()["data"]}
        with suppress(Conflict, NotFound):
            await sender.send("update", ref, partial(writer.replace, wanted), standing=standing.value)
            return was_away
    raise Conflict(f"the hold {hold.name} is written by others all the time")


async def is_held(reader: ClusterReader, hold: Hold) -> bool:
    """Whether this hold, or one in its place that nobody here understands, lies in the cluster."""
    live = await reader.get(ref_of(hold.to_config_map()))
    return live is not None and keeps_off(live, hold)


async def is_lifted(reader: ClusterReader, hold: Hold) -> bool:
    """Whether a tombstone of this hold's order lies in the cluster. Raises `ClusterError`."""
    return await lift_of(reader, hold) is not None


async def lift_of(reader: ClusterReader, hold: Hold) -> Lift | None:
    """The tombstone of this hold's order, where one lies in the cluster. Raises `ClusterError`."""
    found = await reader.get(ObjectRef("v1", "ConfigMap", SYSTEM_NAMESPACE, f"lift.{hold.digest[:16]}"))
    lift = read_lift(found) if found else None
    return lift if lift is not None and lift.digest == hold.digest else None


async def _keep(sender: Sender, record: RestoreRecord) -> None:
    secret = record.to_secret()
    ref, writer = ref_of(secret), sender.ports.writer
    if ref in sender.kept:
        # From before this item's first change; that it stays is seen to by its claim.
        return
    kept = await _found(sender, ref)
    if kept is None:
        kept = await _create(sender, _marked(secret, sender.order))
    elif (_is_stale(sender) or _tells_nothing(kept)) and not _says_off(record):
        fresh = {**kept, "data": _marked(secret, sender.order)["data"]}
        fresh["metadata"] = {**kept["metadata"], "annotations": {KEPT_FOR: sender.order[:16]}}
        try:
            kept = await sender.send("update", ref, partial(writer.replace, fresh))
        except (Conflict, NotFound):
            # Somebody keeps it at this moment, from the same sight.
            kept = await writer.get(ref) or kept
    sender.kept[ref] = kept


def _is_stale(sender: Sender) -> bool:
    """Whether a record that is there was left behind: no hold lay on the model when this item began.

    Any hold counts, also one that did not make the record (it came while the model was dark) and one that is lifted:
    until its restore has ended and deleted it, what was given back is perhaps not all of it.
    """
    return bool(sender.order) and sender.held_before is False


def _tells_nothing(kept: JsonObject) -> bool:
    """Whether a record of our own version cannot be read; what a later version wrote is for that one to read."""
    if dig(kept, "data", "apiVersion") != _RECORD_VERSION:
        return False
    try:
        read_restore_record(kept)
    except ValueError:
        return True
    return False


def _says_off(record: RestoreRecord) -> bool:
    """Whether it would only say that nothing ran: so it looks as well once another takedown has begun."""
    return record.before.get(REPLICAS) == 0


async def _create(sender: Sender, obj: JsonObject) -> JsonObject:
    """Create it, or find what another takedown kept, who was quicker: that is as true."""
    try:
        return await _send_create(sender, obj)
    except Conflict:
        return await sender.ports.writer.get(ref_of(obj)) or obj


async def _send_create(sender: Sender, obj: JsonObject) -> JsonObject:
    writer = sender.ports.writer
    return await sender.send("create", ref_of(obj), lambda: in_our_namespace(writer, lambda: writer.create(obj)))


async def _found(sender: Sender, ref: ObjectRef) -> JsonObject | None:
    """One of our own records, as it was just found, else as it is now."""
    return await sender.ports.writer.get(ref) if sender.found is None else sender.found.get(ref)


def _marked(secret: JsonObject, order: str) -> JsonObject:
    """The record with our mark besides those of other orders."""
    if not order:
        return secret
    metadata = secret["metadata"]
    notes = metadata.get("annotations") or {}
    orders = {*str(notes.get(KEPT_FOR, "")).split(), order[:16]}
    return {**secret, "metadata": {**metadata, "annotations": {**notes, KEPT_FOR: " ".join(sorted(orders))}}}


def _is_marked(secret: JsonObject, order: str) -> bool:
    return not order or order[:16] in str(dig(secret, "metadata", "annotations", KEPT_FOR, default="")).split()


def _anew(secret: JsonObject) -> JsonObject:
    """What has to be sent to have it again."""
    metadata = {key: secret["metadata"][key] for key in _OURS if key in secret["metadata"]}
    return {**secret, "metadata": metadata}
