"""What an item saw of its cluster a moment ago: its first writes rest on that, bound to the versions that were seen.

A write that meets something newer is refused by the API server, and then everything is read anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.core.ports import ClusterReader
from orchestrator.errors import ClusterError


@dataclass(frozen=True, slots=True)
class Sight:
    """Objects by their refs, None for one that is not there; what could not be read is missing."""

    objects: Mapping[ObjectRef, JsonObject | None] = field(default_factory=dict)

    async def now(self, reader: ClusterReader, ref: ObjectRef) -> JsonObject | None:
        """The object as it was seen, else as it is. Raises `ClusterError`."""
        return self.objects[ref] if ref in self.objects else await reader.get(ref)


BLIND = Sight()
"""Nothing was seen: everything is read when it is needed."""


async def look_at(reader: ClusterReader, refs: Iterable[ObjectRef]) -> Sight:
    """Read these at once; what cannot be read is left to whoever needs it, and says so then."""
    found: dict[ObjectRef, JsonObject | None] = {}

    async def see(ref: ObjectRef) -> None:
        try:
            found[ref] = await reader.get(ref)
        except ClusterError:
            return

    await asyncio.gather(*(see(ref) for ref in dict.fromkeys(refs)))
    return Sight(found)
