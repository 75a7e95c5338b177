"""What a cluster keeps of a takedown: restore records, guards, applied manifests, and whether there is room to return.

It reads and judges nothing; what may not be read, or is damaged, is a doubt about the model that it concerns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.core.holds import LABEL_ORDER, RESTORE, RestoreRecord, read_restore_record
from orchestrator.core.objects import (
    LABEL_MODEL,
    LABEL_RECORD,
    SYSTEM_NAMESPACE,
    JsonObject,
    ObjectRef,
    Resource,
    dig,
    ref_of,
)
from orchestrator.core.ports import ClusterReader
from orchestrator.core.records import CatalogueEntry, manifests_name, unpack_manifests
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.takedown import Guard
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.errors import ClusterError, NotFound
from orchestrator.guarding.request import marker_of
from orchestrator.planning.capacity_gate import demands_of, shortages

_SECRETS = Resource("", "v1", "secrets", "Secret")
_NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
_PODS = Resource("", "v1", "pods", "Pod")
_GROUP = "admissionregistration.k8s.io"
_GUARDS = tuple(
    Resource(_GROUP, "v1", plural, kind, namespaced=False)
    for plural, kind in (
        ("validatingadmissionpolicies", "ValidatingAdmissionPolicy"),
        ("validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"),
    )
)


@dataclass(slots=True)
class Found:
    """What was read of one cluster, by model."""

    records: dict[str, list[RestoreRecord]] = field(default_factory=dict)
    guards: dict[str, Guard] = field(default_factory=dict)
    doubts: dict[str, list[Reason]] = field(default_factory=dict)
    blind: list[Reason] = field(default_factory=list)
    """What could not be read at all, and so concerns every model."""

    def refs(self, models: Iterable[str]) -> tuple[ObjectRef, ...]:
        """The objects that the records of these models are about."""
        return tuple(dict.fromkeys(one.ref for model in models for one in self.records.get(model, ())))

    def doubts_of(self, model: str) -> tuple[Reason, ...]:
        """What could not be read and concerns this model."""
        return (*self.blind, *self.doubts.get(model, ()))


async def read_remains(reader: ClusterReader, digest: str, order: str) -> Found:
    """Restore records of every model, and the guards of one order. Raises `Unreachable`."""
    found = Found()
    await asyncio.gather(_read_records(reader, found), _read_guards(reader, found, digest, order))
    return found


async def read_manifests(reader: ClusterReader, entry: CatalogueEntry | None) -> tuple[JsonObject, ...]:
    """What was applied under the entry's revision; empty where it is not kept, or cannot be read."""
    if entry is None or not entry.revision:
        return ()
    name = manifests_name(entry.model, entry.revision)
    try:
        secret = await reader.get(ObjectRef("v1", "Secret", SYSTEM_NAMESPACE, name))
        return unpack_manifests(secret) if secret else ()
    except (ClusterError, ValueError):
        return ()


async def read_shortages(
    reader: ClusterReader, snapshot: ClusterSnapshot, replicas: Mapping[ObjectRef, int]
) -> tuple[Reason, ...]:
    """By how much the cluster is short of room for these replicas; where nobody can tell, that is a reason as well."""
    if snapshot.cluster.capacity != "fixed" or not any(replicas.values()):
        return ()
    try:
        nodes, pods = await asyncio.gather(reader.list(_NODES), reader.list(_PODS, keep=_is_unfinished))
    except ClusterError as error:
        words = f"nobody can tell whether there is room: {printable(error.message)}"
        return (Reason(code="capacity-unknown", message=words),)
    return shortages(demands_of(replicas, snapshot.live, pods.items), nodes.items, pods.items)


def _is_unfinished(pod: JsonObject) -> bool:
    return dig(pod, "status", "phase") not in ("Succeeded", "Failed")


async def _read_records(reader: ClusterReader, found: Found) -> None:
    try:
        secrets = (await reader.list(_SECRETS, SYSTEM_NAMESPACE, labels=f"{LABEL_RECORD}={RESTORE}")).items
    except ClusterError as error:
        words = f"the restore records cannot be read: {printable(error.message)}"
        found.blind.append(Reason(code=error.code, message=words))
        return
    for secret in secrets:
        model = str(dig(secret, "metadata", "labels", LABEL_MODEL, default=""))
        try:
            record = read_restore_record(secret)
            if record.object_name != ref_of(secret).name:
                raise ValueError("it lies under another record's name")
        except ValueError as error:
            reason = Reason(code="damaged-record", message=printable(error), object=str(ref_of(secret)))
            found.doubts.setdefault(model, []).append(reason)
        else:
            found.records.setdefault(model, []).append(record)
    for records in found.records.values():
        records.sort(key=lambda one: one.ref)


async def _read_guards(reader: ClusterReader, found: Found, digest: str, order: str) -> None:
    try:
        policies, bindings = await asyncio.gather(*(_list(reader, kind, digest) for kind in _GUARDS))
    except ClusterError as error:
        words = f"the guards cannot be listed: {printable(error.message)}"
        found.blind.append(Reason(code=error.code, message=words))
        return
    by_name = {ref_of(binding).name: binding for binding in bindings}
    for policy in policies:
        name, model = ref_of(policy).name, str(dig(policy, "metadata", "labels", LABEL_MODEL, default=""))
        if name in by_name and model:
            found.guards[model] = Guard(
                name=name,
                model=model,
                order=order,
                digest=digest,
                policy=_as_written(policy),
                binding=_as_written(by_name[name]),
                marker=marker_of(f"{digest[:16]}/{model}"),
            )


async def _list(reader: ClusterReader, resource: Resource, digest: str) -> tuple[JsonObject, ...]:
    try:
        return (await reader.list(resource, labels=f"{LABEL_ORDER}={digest[:16]}")).items
    except NotFound:
        return ()


def _as_written(live: JsonObject) -> JsonObject:
    """What we sent, as far as a server's answer tells: what it adds for itself cannot be applied again."""
    metadata = {key: live["metadata"][key] for key in ("name", "labels", "annotations") if key in live["metadata"]}
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata, "spec": live["spec"]}
