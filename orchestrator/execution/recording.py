"""What we keep in a cluster's own namespace: writing the catalogue entry and applied manifests, reading holds."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.core.holds import RESTORE, read_hold, read_lift, standing_holds
from orchestrator.core.objects import LABEL_RECORD, SYSTEM_NAMESPACE, JsonObject, ObjectRef, Resource, ref_of
from orchestrator.core.ports import ClusterReader
from orchestrator.core.records import (
    CatalogueEntry,
    manifests_name,
    pack_manifests,
    unpack_manifests,
)
from orchestrator.errors import ClusterError, Conflict
from orchestrator.execution.namespace import in_our_namespace
from orchestrator.execution.sending import Sender

_CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
_SECRETS = Resource("", "v1", "secrets", "Secret")


async def write_entry(sender: Sender, entry: CatalogueEntry) -> None:
    """Write the catalogue entry of a model. The record is ours alone, so what others did to it is overwritten."""
    config_map = entry.to_config_map()
    writer = sender.ports.writer
    await sender.send(
        "apply",
        ref_of(config_map),
        lambda: in_our_namespace(writer, lambda: writer.apply(config_map, force=True)),
        want=entry.want.value,
        revision=entry.revision,
    )


async def read_entry(reader: ClusterReader, model: str) -> CatalogueEntry | None:
    """The catalogue entry of a model as it is now; None when there is none, or none that can be understood."""
    config_map = await reader.get(ObjectRef("v1", "ConfigMap", SYSTEM_NAMESPACE, f"model.{model}"))
    try:
        return None if config_map is None else CatalogueEntry.from_config_map(config_map)
    except ValueError:
        return None


async def delete_entry(sender: Sender, model: str) -> None:
    """Delete the catalogue entry of a model; nothing happens when there is none."""
    ref = ObjectRef("v1", "ConfigMap", SYSTEM_NAMESPACE, f"model.{model}")
    live = await sender.ports.writer.get(ref)
    if live is not None:
        uid = live["metadata"]["uid"]
        await sender.send("delete", ref, lambda: sender.ports.writer.delete(ref, uid=uid), uid=uid)


async def keep_manifests(sender: Sender, model: str, revision: str, manifests: tuple[JsonObject, ...]) -> None:
    """Keep a revision's manifests in the cluster; its name is its content's digest, so one that is there will do."""
    secret = pack_manifests(model, revision, manifests)
    writer = sender.ports.writer

    async def create_once() -> JsonObject | None:
        try:
            return await in_our_namespace(writer, lambda: writer.create(secret))
        except Conflict:
            return None

    await sender.send("create", ref_of(secret), create_once, revision=revision)


async def read_manifests(reader: ClusterReader, model: str, revision: str) -> tuple[JsonObject, ...] | None:
    """A revision's manifests as kept in the cluster; None when they are not there or cannot be read."""
    secret = await reader.get(ObjectRef("v1", "Secret", SYSTEM_NAMESPACE, manifests_name(model, revision)))
    try:
        return None if secret is None else unpack_manifests(secret)
    except ValueError:
        return None


async def holds_on(reader: ClusterReader, model: str, lifted_elsewhere: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of the holds that keep a model off in this cluster, read now, as far as no lift has ended them.

    `lifted_elsewhere` holds digests of which another cluster has the lift: this one was away when it was written.
    """
    return holds_in(await records_in(reader), model, lifted_elsewhere)


async def records_in(reader: ClusterReader) -> tuple[JsonObject, ...]:
    """Everything that we keep in a cluster but for what is secret: entries, holds and lifts. Raises `ClusterError`."""
    return (await reader.list(_CONFIG_MAPS, SYSTEM_NAMESPACE, labels=LABEL_RECORD)).items


async def restore_records_in(reader: ClusterReader) -> tuple[JsonObject, ...] | None:
    """The restore records of a cluster; None where they cannot be listed: each is then asked for by its name."""
    try:
        return (await reader.list(_SECRETS, SYSTEM_NAMESPACE, labels=f"{LABEL_RECORD}={RESTORE}")).items
    except ClusterError:
        return None


def is_lifted_in(records: Iterable[JsonObject], digest: str) -> bool:
    """Whether the tombstone of an order is among these records."""
    return any(lift.digest == digest for item in records if (lift := read_lift(item)))


def entry_in(records: Iterable[JsonObject], model: str) -> CatalogueEntry | None:
    """The catalogue entry of a model; None when there is none, or none that can be understood."""
    ref = ObjectRef("v1", "ConfigMap", SYSTEM_NAMESPACE, f"model.{model}")
    try:
        return next((CatalogueEntry.from_config_map(item) for item in records if ref_of(item) == ref), None)
    except ValueError:
        return None


def has_hold_in(records: Iterable[JsonObject], model: str) -> bool:
    """Whether any hold on a model is among these records, lifted or not."""
    return any(hold.model in (model, "*") for item in records if (hold := read_hold(item)))


def holds_in(items: Iterable[JsonObject], model: str, lifted_elsewhere: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of the holds among these records that keep a model off; `lifted_elsewhere` as for `holds_on`."""
    records = tuple(items)
    holds = [hold for item in records if (hold := read_hold(item))]
    lifted = [lift.digest for item in records if (lift := read_lift(item))]
    return tuple(sorted({hold.name for hold in standing_holds(holds, (*lifted, *lifted_elsewhere), model)}))
