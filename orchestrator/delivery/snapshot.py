"""One look at one cluster, with as few requests as possible and all at once; and the API server's own dry runs.

It judges nothing. What cannot be trusted as a whole is a snapshot with a `failure`; a single object that may not be
read is named, and the rest is read all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from orchestrator import plugins
from orchestrator.core.attestations import read_attestation
from orchestrator.core.holds import read_hold, read_lift
from orchestrator.core.model import Adoption
from orchestrator.core.objects import LABEL_RECORD, SYSTEM_NAMESPACE, JsonObject, ObjectRef, Resource, dig, ref_of
from orchestrator.core.ports import ClusterReader, ClusterWriter, Identity
from orchestrator.core.records import CATALOGUE, CatalogueEntry
from orchestrator.core.snapshot import ClusterSnapshot, Preview, SnapshotRequest
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.errors import ClusterError, Conflict, Gone, NotFound, Overloaded, Unreachable

_CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap")
_ADOPTABLE: Final = (
    Resource("apps", "v1", "deployments", "Deployment"),
    Resource("apps", "v1", "statefulsets", "StatefulSet"),
)
_NO_ANSWER: Final = (Unreachable, Overloaded, Gone)
"""What says nothing about an object, and something about the cluster."""
_NO_DRY_RUN: Final = "does not support dry run"
"""How an API server names a webhook with side effects; it has no reason or cause of its own for it."""

Answer = TypeVar("Answer")


async def take_snapshot(reader: ClusterReader, request: SnapshotRequest) -> ClusterSnapshot:
    """Read what was asked for. A cluster about which nothing can be trusted is a snapshot with a `failure`."""
    try:
        identity = await reader.identify()
        look = _Look(reader)
        await _together(
            [
                look.at_records(),
                *(look.at_object(ref) for ref in request.refs),
                *(look.at_adopted(model, adoption) for model, adoption in request.adoptions.items()),
                look.at_scalers(request.refs),
            ]
        )
        # What the catalogue names, and the selectors found, was asked for already as a rule.
        named = look.recorded_refs(request.models)
        scaled = look.recorded_refs(look.entries()[0]) if request.whole_catalogue else named
        await _together([look.at_scalers((*scaled, *look.adopted_refs())), *(look.at_object(ref) for ref in named)])
        await _together(look.at_namespaces())
    except ClusterError as error:
        return ClusterSnapshot(cluster=reader.cluster, failure=_reason(error))
    return look.snapshot(identity)


async def preview(writer: ClusterWriter, manifests: Iterable[JsonObject]) -> dict[ObjectRef, Preview]:
    """What the API server would make of each manifest, by its own dry run; empty previews where it cannot tell."""
    asked = tuple(manifests)
    answers = await _together(_preview(writer, manifest) for manifest in asked)
    return {ref_of(manifest): answer for manifest, answer in zip(asked, answers, strict=True)}


async def _preview(writer: ClusterWriter, manifest: JsonObject) -> Preview:
    conflicts: tuple[tuple[str, str], ...] = ()
    try:
        try:
            after = await writer.apply(manifest, dry_run=True)
        except Conflict as conflict:
            conflicts = conflict.fields or (("the object", printable(conflict.message)),)
            after = await writer.apply(manifest, dry_run=True, force=True)
    except _NO_ANSWER:
        # The write itself will meet the same fault and name it; a refusal of the whole plan would hide the others.
        return Preview(conflicts=conflicts)
    except ClusterError as error:
        if _NO_DRY_RUN in error.message:
            return Preview(conflicts=conflicts)
        return Preview(conflicts=conflicts, error=_reason(error, ref_of(manifest)))
    return Preview(after=after, conflicts=conflicts)


@dataclass
class _Look:
    """What was found so far."""

    reader: ClusterReader
    records: tuple[JsonObject, ...] = ()
    live: dict[ObjectRef, JsonObject] = field(default_factory=dict)
    missing: set[ObjectRef] = field(default_factory=set)
    unread: dict[ObjectRef, Reason] = field(default_factory=dict)
    namespaced: dict[tuple[str, str], bool] = field(default_factory=dict)
    unserved: set[tuple[str, str]] = field(default_factory=set)
    namespaces: set[str] = field(default_factory=set)
    scalers: list[JsonObject] = field(default_factory=list)
    searched: set[str] = field(default_factory=set)
    """Namespaces whose autoscalers were listed."""
    adopted: dict[str, tuple[JsonObject, ...]] = field(default_factory=dict)

    async def at_records(self) -> None:
        """Everything that we keep in this cluster, in one list."""
        self.records = (await self.reader.list(_CONFIG_MAPS, SYSTEM_NAMESPACE, labels=LABEL_RECORD)).items

    async def at_object(self, asked: ObjectRef) -> None:
        """One object; its namespace is filled in where the cluster says that its kind has one."""
        kind, ref = (asked.api_version, asked.kind), asked
        try:
            resource = await self.reader.resource(*kind)
            self.namespaced[kind] = resource.namespaced
            ref = replace(asked, namespace=(asked.namespace or "default") if resource.namespaced else "")
            found = await self.reader.get(ref)
        except NotFound:
            self.unserved.add(kind)
            self.missing.add(ref)
        except _NO_ANSWER:
            raise
        except ClusterError as error:
            self.unread[ref] = _reason(error, ref)
        else:
            if found is None:
                self.missing.add(ref)
            else:
                self.live[ref] = found

    async def at_adopted(self, model: str, adoption: Adoption) -> None:
        """The workloads that a selector finds."""
        labels = ",".join(f"{key}={value}" for key, value in sorted(adoption.selector.items()))
        listings = await _together(
            self.reader.list(resource, namespace, labels=labels)
            for resource in _ADOPTABLE
            for namespace in adoption.namespaces or ("",)
        )
        self.adopted[model] = tuple(item for listing in listings for item in listing.items)

    def recorded_refs(self, models: Iterable[str]) -> list[ObjectRef]:
        """Objects that the catalogue names for these models and that nobody has looked at yet."""
        entries, _ = self.entries()
        named = (ObjectRef(*parts) for model in models if model in entries for parts in entries[model].objects)
        return [ref for ref in dict.fromkeys(named) if not (ref in self.live or ref in self.missing)]

    def at_namespaces(self) -> list[Coroutine[Any, Any, None]]:
        """Whether the namespaces exist; one in which anything was found does."""
        self.namespaces |= {ref.namespace for ref in self.live if ref.namespace}
        asked = {ref.namespace for ref in self.missing if ref.namespace} - self.namespaces
        return [self._at_namespace(name) for name in sorted(asked)]

    async def at_scalers(self, refs: Iterable[ObjectRef]) -> None:
        """The autoscalers of every namespace in which there is, or may be, a workload among these."""
        places = sorted({ref.namespace for ref in refs if ref.group_kind in plugins.switched()} - self.searched)
        self.searched.update(places)
        kinds = [kind.resource for kind in plugins.kinds().values() if kind.scaler]
        await _together(self._at_scalers(resource, places) for resource in kinds if places)

    def adopted_refs(self) -> list[ObjectRef]:
        """The workloads that the selectors found."""
        return [ref_of(workload) for found in self.adopted.values() for workload in found]

    def entries(self) -> tuple[dict[str, CatalogueEntry], dict[str, Reason]]:
        """The catalogue, and what of it cannot be read, by model."""
        entries: dict[str, CatalogueEntry] = {}
        damaged: dict[str, Reason] = {}
        for record in self.records:
            if dig(record, "metadata", "labels", LABEL_RECORD) != CATALOGUE:
                continue
            try:
                entry = CatalogueEntry.from_config_map(record)
            except ValueError as error:
                model = ref_of(record).name.removeprefix("model.")
                damaged[model] = Reason(code="damaged-entry", message=printable(error), object=str(ref_of(record)))
            else:
                entries[entry.model] = entry
        return entries, damaged

    def snapshot(self, identity: Identity) -> ClusterSnapshot:
        """Everything that was found."""
        entries, damaged = self.entries()
        adopted = {ref_of(workload): workload for found in self.adopted.values() for workload in found}
        return ClusterSnapshot(
            cluster=self.reader.cluster,
            identity=identity,
            entries=entries,
            damaged=damaged,
            holds=tuple(hold for record in self.records if (hold := read_hold(record))),
            lifts=tuple(lift for record in self.records if (lift := read_lift(record))),
            attestations=tuple(said for record in self.records if (said := read_attestation(record))),
            live={**self.live, **adopted},
            unread=self.unread,
            namespaces=frozenset(self.namespaces),
            namespaced=self.namespaced,
            unserved=frozenset(self.unserved),
            scalers=tuple(sorted(self.scalers, key=ref_of)),
            adopted=self.adopted,
        )

    async def _at_namespace(self, name: str) -> None:
        ref = ObjectRef("v1", "Namespace", "", name)
        found = self.live.get(ref) or await self.reader.get(ref)
        if found is not None and not dig(found, "metadata", "deletionTimestamp"):
            self.namespaces.add(name)

    async def _at_scalers(self, resource: Resource, namespaces: list[str]) -> None:
        try:
            listings = await _together(self.reader.list(resource, namespace) for namespace in namespaces)
        except NotFound:
            return
        self.scalers += [item for listing in listings for item in listing.items]


async def _together(questions: Iterable[Coroutine[Any, Any, Answer]]) -> list[Answer]:
    """Ask at once; the first error of the cluster ends the others and is raised by itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(question) for question in questions]
    except BaseExceptionGroup as errors:
        if (ours := errors.subgroup(ClusterError)) is None:
            raise
        raise _first(ours) from None
    return [task.result() for task in tasks]


def _first(group: BaseExceptionGroup[ClusterError]) -> ClusterError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _reason(error: ClusterError, ref: ObjectRef | None = None) -> Reason:
    return Reason(code=error.code, message=printable(error.message), object=str(ref) if ref else None)
