"""Reads a cluster once, consistently: what a last word rests on, because a watch gone silent proves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime

from orchestrator.core.kind import Reverter
from orchestrator.core.objects import JsonObject, ObjectRef, dig
from orchestrator.core.observation import Observation, ProbeOutcome, Subject
from orchestrator.core.ports import ClusterReader
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason, Want
from orchestrator.errors import ClusterError, NotFound, Unreachable
from orchestrator.verification.findings import READING_ERRORS
from orchestrator.verification.needs import Need, later_needs, needs_of, ref_under
from orchestrator.verification.waking import reverters_of

Items = Mapping[Need, Iterable[JsonObject]]


async def gather(reader: ClusterReader, subject: Subject, at: datetime) -> Observation:
    """Read everything that the subject needs, side by side, and then what turned out to matter; probes are not asked.

    Raises `Unreachable`; a list that is refused becomes a reason in `unseen`.
    """
    items, unseen = await _read_all(reader, needs_of(subject))
    observation = assemble(items, at=at, unseen=unseen)
    more, refused = await _read_all(reader, later_needs(subject, observation, exhaustively=True))
    reverters, hidden = await _reverters(reader, subject, observation)
    return assemble(items | more, at=at, unseen=[*unseen, *refused, *hidden], reverters=reverters)


async def _read_all(
    reader: ClusterReader, needs: tuple[Need, ...]
) -> tuple[dict[Need, list[JsonObject]], list[Reason]]:
    answers = await asyncio.gather(*(_read(reader, need) for need in needs))
    items = {need: answer for need, answer in zip(needs, answers, strict=True) if not isinstance(answer, Reason)}
    return items, [answer for answer in answers if isinstance(answer, Reason)]


def assemble(
    items: Items,
    *,
    at: datetime,
    unseen: Iterable[Reason],
    probes: tuple[ProbeOutcome, ...] = (),
    reverters: Mapping[ObjectRef, JsonObject] | None = None,
) -> Observation:
    """An observation from the lists that were read."""
    parts: dict[str, list[JsonObject]] = {
        part: [] for part in ("pods", "replica_sets", "endpoint_slices", "nodes", "scalers")
    }
    objects: dict[ObjectRef, JsonObject] = {}
    for need, found in items.items():
        if need.part == "objects":
            named = {str(dig(obj, "metadata", "name")): obj for obj in found}
            objects |= {ref_under(need, name): named[name] for name in need.names if name in named}
        else:
            parts[need.part] += found
    return Observation(
        at=at,
        objects=objects,
        pods=tuple(parts["pods"]),
        replica_sets=tuple(parts["replica_sets"]),
        endpoint_slices=tuple(parts["endpoint_slices"]),
        nodes=tuple(parts["nodes"]),
        scalers=tuple(parts["scalers"]),
        reverters=reverters or {},
        probes=probes,
        unseen=tuple(unseen),
    )


def unseen_reason(part: str, kind: str, error: ClusterError) -> Reason:
    """Why a part could not be seen; the error names the permission where one is missing."""
    return Reason(code=error.code, message=printable(error.message), object=kind, field=part)


async def _read(reader: ClusterReader, need: Need) -> list[JsonObject] | Reason:
    try:
        resource = await reader.resource(need.api_version, need.kind)
        namespace = need.namespace if resource.namespaced else ""
        if len(need.names) == 1:
            (name,) = need.names
            found = await reader.get(ObjectRef(need.api_version, need.kind, namespace, name))
            return [] if found is None else [found]
        return list((await reader.list(resource, namespace, labels=need.labels, keep=need.keep)).items)
    except NotFound:
        return []
    except Unreachable:
        raise
    except ClusterError as error:
        return unseen_reason(need.part, need.kind, error)


async def _reverters(
    reader: ClusterReader, subject: Subject, observation: Observation
) -> tuple[dict[ObjectRef, JsonObject], list[Reason]]:
    """Owners that GitOps marks on live workloads name, as far as they are in this cluster and may be read."""
    if subject.want is Want.ENABLED:
        return {}, []
    refs = {
        reverter.ref
        for live in observation.objects.values()
        for reverter in _readable_reverters(live)
        if reverter.continuous and reverter.ref is not None
    }
    found: dict[ObjectRef, JsonObject] = {}
    refused: list[Reason] = []
    for ref in sorted(refs):
        try:
            owner = await reader.get(ref)
        except Unreachable:
            raise
        except ClusterError as error:
            refused.append(unseen_reason("reverters", ref.kind, error))
            continue
        if owner is not None:
            found[ref] = owner
    return found, refused


def _readable_reverters(live: JsonObject) -> tuple[Reverter, ...]:
    try:
        return reverters_of(live)
    except READING_ERRORS:
        return ()
