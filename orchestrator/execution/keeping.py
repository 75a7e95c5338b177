"""What a takedown keeps in the cluster itself: the hold, and what everything was before.

The first writer wins: a record that is there already was made before an earlier change, so it is the true one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from orchestrator.core.holds import Hold, RestoreRecord, Standing, read_hold, read_lift
from orchestrator.core.objects import SYSTEM_NAMESPACE, JsonObject, ObjectRef, ref_of
from orchestrator.core.ports import ClusterReader
from orchestrator.errors import Conflict, NotFound
from orchestrator.execution.namespace import in_our_namespace
from orchestrator.execution.sending import Sender

_RACES = 5


async def keep_restore_record(sender: Sender, record: RestoreRecord) -> None:
    """Keep what an object was, unless that is kept already. Raises `ClusterError`: then nobody knows it later."""
    secret, writer = record.to_secret(), sender.ports.writer
    if await writer.get(ref_of(secret)) is None:
        await _create(sender, secret)


async def keep_hold(sender: Sender, hold: Hold) -> None:
    """Keep the hold, unless one of its name is there: even one that is not understood holds. Raises `ClusterError`."""
    config_map = hold.to_config_map()
    if await sender.ports.writer.get(ref_of(config_map)) is None:
        await _create(sender, config_map)


async def write_standing(sender: Sender, hold: Hold, standing: Standing) -> None:
    """Say in the cluster's own hold how far it is. Raises `ClusterError`; `NotFound` when the hold is gone."""
    writer, ref = sender.ports.writer, ref_of(hold.to_config_map())
    for attempt in range(_RACES):
        live = await writer.get(ref)
        if live is None:
            raise NotFound(f"the hold {hold.name} is gone", status=404)
        kept = read_hold(live)
        if kept is None or kept.digest != hold.digest:
            return
        if kept.ledger.get(sender.cluster) == standing.value:
            return
        said = replace(kept, ledger={**kept.ledger, sender.cluster: standing.value}).to_config_map()
        wanted = {**live, "data": said["data"]}
        try:
            await sender.send("update", ref, partial(writer.replace, wanted), standing=standing.value)
        except Conflict:
            if attempt == _RACES - 1:
                raise
        else:
            return


async def is_lifted(reader: ClusterReader, hold: Hold) -> bool:
    """Whether a tombstone of this hold's order lies in the cluster. Raises `ClusterError`."""
    found = await reader.get(ObjectRef("v1", "ConfigMap", SYSTEM_NAMESPACE, f"lift.{hold.digest[:16]}"))
    lift = read_lift(found) if found else None
    return lift is not None and lift.digest == hold.digest


async def _create(sender: Sender, obj: JsonObject) -> None:
    writer = sender.ports.writer
    try:
        await sender.send("create", ref_of(obj), lambda: in_our_namespace(writer, lambda: writer.create(obj)))
    except Conflict:
        # Another takedown was quicker, and what it kept is as true.
        return
