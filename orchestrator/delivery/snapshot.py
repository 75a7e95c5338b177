"""One look at one cluster, with as few requests as possible and all at once; and the API server's own dry runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from itertools import chain

from orchestrator.core.model import Adoption
from orchestrator.core.objects import (
    LABEL_RECORD,
    SYSTEM_NAMESPACE,
    JsonObject,
    ObjectRef,
    Resource,
    dig,
    ref_of,
)
from orchestrator.core.ports import ClusterReader, ClusterWriter
from orchestrator.core.records import CATALOGUE, CatalogueEntry, read_hold
from orchestrator.core.snapshot import ClusterSnapshot, Preview, SnapshotRequest
from orchestrator.core.verdict import Reason
from orchestrator.errors import ClusterError, Conflict, NotFound

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
ADOPTABLE = (
    Resource("apps", "v1", "deployments", "Deployment"),
    Resource("apps", "v1", "statefulsets", "StatefulSet"),
)
SCALERS = (
    Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject"),
)


async def take_snapshot(reader: ClusterReader, request: SnapshotRequest) -> ClusterSnapshot:
    """Read what was asked for. A cluster about which nothing can be trusted is a snapshot with a `failure`."""
    try:
        identity = await reader.identify()
        records = await _records(reader)
        entries, damaged = _entries(records)
        adopted = await _adopted(reader, request.adoptions)
        earlier = chain.from_iterable(_refs(entries[model]) for model in request.models if model in entries)
        refs = tuple(dict.fromkeys((*request.refs, *earlier)))
        live, namespaces, scalers = await asyncio.gather(
            _objects(reader, refs), _namespaces(reader, refs), _scalers(reader, refs, adopted)
        )
    except ClusterError as error:
        return ClusterSnapshot(cluster=reader.cluster, failure=reason_of(error))
    found = {ref_of(workload): workload for workloads in adopted.values() for workload in workloads}
    return ClusterSnapshot(
        cluster=reader.cluster,
        identity=identity,
        entries=entries,
        damaged=damaged,
        holds=tuple(hold for record in records if (hold := read_hold(record))),
        live={**live, **found},
        namespaces=namespaces,
        scalers=scalers,
        adopted=adopted,
    )


async def preview(writer: ClusterWriter, manifests: Iterable[JsonObject]) -> dict[ObjectRef, Preview]:
    """What the API server would make of each manifest: its own dry run of our apply."""
    asked = tuple(manifests)
    answers = await asyncio.gather(*(_preview(writer, manifest) for manifest in asked))
    return {ref_of(manifest): answer for manifest, answer in zip(asked, answers, strict=True)}


def reason_of(error: ClusterError, ref: ObjectRef | None = None) -> Reason:
    """An error of a cluster as a reason."""
    return Reason(code=error.code, message=error.message, object=str(ref) if ref else None)


async def _preview(writer: ClusterWriter, manifest: JsonObject) -> Preview:
    try:
        return Preview(after=await writer.apply(manifest, dry_run=True))
    except Conflict as error:
        return Preview(conflicts=error.fields or (("the object", "an unnamed manager"),))
    except ClusterError as error:
        return Preview(error=reason_of(error, ref_of(manifest)))


async def _records(reader: ClusterReader) -> tuple[JsonObject, ...]:
    return (await reader.list(CONFIG_MAPS, SYSTEM_NAMESPACE, labels=LABEL_RECORD)).items


def _entries(records: Iterable[JsonObject]) -> tuple[dict[str, CatalogueEntry], dict[str, Reason]]:
    entries: dict[str, CatalogueEntry] = {}
    damaged: dict[str, Reason] = {}
    for record in records:
        if dig(record, "metadata", "labels", LABEL_RECORD) != CATALOGUE:
            continue
        try:
            entry = CatalogueEntry.from_config_map(record)
        except ValueError as error:
            model = dig(record, "metadata", "name", default="").removeprefix("model.")
            damaged[model] = Reason(code="damaged-entry", message=str(error), object=str(ref_of(record)))
        else:
            entries[entry.model] = entry
    return entries, damaged


def _refs(entry: CatalogueEntry) -> Iterable[ObjectRef]:
    return (ObjectRef(*parts) for parts in entry.objects)


async def _objects(reader: ClusterReader, refs: tuple[ObjectRef, ...]) -> dict[ObjectRef, JsonObject]:
    answers = await asyncio.gather(*(reader.get(ref) for ref in refs))
    return {ref: answer for ref, answer in zip(refs, answers, strict=True) if answer is not None}


async def _namespaces(reader: ClusterReader, refs: tuple[ObjectRef, ...]) -> frozenset[str]:
    names = sorted({ref.namespace for ref in refs if ref.namespace})
    answers = await asyncio.gather(*(reader.get(ObjectRef("v1", "Namespace", "", name)) for name in names))
    return frozenset(name for name, answer in zip(names, answers, strict=True) if answer is not None)


async def _scalers(
    reader: ClusterReader, refs: tuple[ObjectRef, ...], adopted: Mapping[str, tuple[JsonObject, ...]]
) -> tuple[JsonObject, ...]:
    workloads = [ref for ref in refs if ref.group_kind.group == "apps"]
    workloads += [ref_of(workload) for found in adopted.values() for workload in found]
    namespaces = sorted({ref.namespace for ref in workloads})
    listings = await asyncio.gather(
        *(_list_if_served(reader, resource, namespace) for resource in SCALERS for namespace in namespaces)
    )
    return tuple(chain.from_iterable(listings))


async def _list_if_served(reader: ClusterReader, resource: Resource, namespace: str) -> tuple[JsonObject, ...]:
    try:
        return (await reader.list(resource, namespace)).items
    except NotFound:
        return ()


async def _adopted(reader: ClusterReader, adoptions: Mapping[str, Adoption]) -> dict[str, tuple[JsonObject, ...]]:
    found = await asyncio.gather(*(_find(reader, adoption) for adoption in adoptions.values()))
    return dict(zip(adoptions, found, strict=True))


async def _find(reader: ClusterReader, adoption: Adoption) -> tuple[JsonObject, ...]:
    labels = ",".join(f"{key}={value}" for key, value in sorted(adoption.selector.items()))
    listings = await asyncio.gather(
        *(
            reader.list(resource, namespace, labels=labels)
            for resource in ADOPTABLE
            for namespace in adoption.namespaces or ("",)
        )
    )
    return tuple(item for listing in listings for item in listing.items)
