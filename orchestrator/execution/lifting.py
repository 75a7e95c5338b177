"""Writing a lift: the tombstone that ends an order's holds, kept for good; and what it may have come too late for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from orchestrator.core.events import Event, EventType
from orchestrator.core.holds import Hold, Lift, read_hold, read_lift
from orchestrator.core.objects import JsonObject, dig, ref_of
from orchestrator.core.ports import Clock, ClusterWriter
from orchestrator.errors import ClusterError, Conflict, Unreachable
from orchestrator.execution.namespace import in_our_namespace
from orchestrator.execution.recording import records_in

_SECONDS: Final = 45.0
"""A cluster that takes longer counts as unreachable, so that the others need not wait."""


async def write_lift(writer: ClusterWriter, lift: Lift, clock: Clock, emit: Callable[[Event], None]) -> None:
    """Write a lift to one cluster, naming whom its API server knows us as; the first one of a digest stays.

    Journaled before it is sent. Raises `ClusterError`.
    """
    cluster = writer.cluster.name

    def tell(type_: EventType, **data: object) -> None:
        emit(Event(type=type_, at=clock.now(), cluster=cluster, data=data))

    try:
        async with asyncio.timeout(_SECONDS):
            config_map = replace(lift, actor=await _actor(writer)).to_config_map()
            about = {"verb": "create", "object": str(ref_of(config_map)), "order": lift.order}
            tell(EventType.SENDING, **about)
            try:
                answer = await _create(writer, config_map, lift)
            except ClusterError as error:
                tell(EventType.ANSWERED, **about, error=error.code)
                raise
            tell(EventType.ANSWERED, **about, resourceVersion=dig(answer, "metadata", "resourceVersion"))
    except TimeoutError as error:
        raise Unreachable(f"no answer about the lift within {_SECONDS:g} s", code="timeout") from error


async def holds_under(writer: ClusterWriter, lift: Lift) -> tuple[Hold, ...]:
    """Holds of the lifted order that lie in one cluster now: a takedown of it may have kept one since it was planned.

    To be asked after the lift is written: a takedown looks for the lift after its hold is kept, so that one of the two
    always knows. Raises `ClusterError`.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            found = [hold for item in await records_in(writer) if (hold := read_hold(item))]
    except TimeoutError as error:
        raise Unreachable(f"no answer about its holds within {_SECONDS:g} s", code="timeout") from error
    return tuple(hold for hold in found if hold.digest == lift.digest)


async def _create(writer: ClusterWriter, config_map: JsonObject, lift: Lift) -> JsonObject:
    try:
        return await in_our_namespace(writer, lambda: writer.create(config_map))
    except Conflict:
        there = await writer.get(ref_of(config_map))
        known = read_lift(there) if there else None
        if there is not None and known is not None and known.digest == lift.digest:
            return there
        # What lies under its name lifts nothing: damaged, or of another version.
        return await writer.apply(config_map, force=True)


async def _actor(writer: ClusterWriter) -> str:
    try:
        return await writer.actor()
    except Unreachable:
        raise
    except ClusterError:
        return ""
