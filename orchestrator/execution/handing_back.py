"""The steps that give back what a takedown took, in their order, and what is needed to undo them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from orchestrator import plugins
from orchestrator.core.holds import LABEL_ORDER, RestoreRecord
from orchestrator.core.objects import SYSTEM_NAMESPACE, ObjectRef, dig
from orchestrator.core.observation import Subject
from orchestrator.core.routes import RouteRules, uncut
from orchestrator.core.takedown import Restoration
from orchestrator.core.verdict import Reason
from orchestrator.errors import ClusterError, Conflict
from orchestrator.execution import changes
from orchestrator.execution.first_pods import wait_until_scheduled
from orchestrator.execution.observing import observe
from orchestrator.execution.outcome import StepTerms
from orchestrator.execution.putting_back import (
    REPLICAS,
    make_again,
    once_admitted,
    put_fields,
    put_replicas,
    start_one,
    values_of,
    wakes,
)
from orchestrator.execution.sending import Sender
from orchestrator.execution.stopping import unless_stopped

T = TypeVar("T")

_RACES: Final = 5


@dataclass(slots=True, kw_only=True)
class Undo:
    """What has to be undone to be dark again, as far as the restore came."""

    restoration: Restoration
    subject: Subject
    fields: list[tuple[RestoreRecord, dict[str, Any]]] = field(default_factory=list)
    """Fields that were put back, with what the takedown had made of them."""
    made: list[ObjectRef] = field(default_factory=list)
    """Objects that were made again."""


class HandingBack:
    """Gives back what the restore records say; `doubts` has what could not be."""

    def __init__(self, subject: Subject, sender: Sender, undo: Undo, terms: StepTerms) -> None:
        self._subject = subject
        self._sender = sender
        self._undo = undo
        self._terms = terms
        self._restoration = undo.restoration
        self.doubts: list[Reason] = []

    async def wake(self) -> None:
        """Replicas, then what was suspended, then autoscalers; where nodes come by themselves one replica first."""
        numbers = [
            (one, one.before[REPLICAS])
            for one in self._restoration.records
            if isinstance(one.before.get(REPLICAS), int)
        ]
        if self._subject.capacity == "elastic" and any(number > 1 for _, number in numbers):
            refs = [one.ref for one, number in numbers if number]
            for one in (record for record, number in numbers if number):
                await self._admitted(partial(start_one, self._sender, one))
            seconds = self._terms.progress_deadline
            await unless_stopped(
                wait_until_scheduled(self._sender.ports.writer, refs, seconds), self._sender.ports.stop
            )
        await self._scale(numbers)
        for record in self._restoration.records:
            if wakes(record) and not record.created:
                await self._put_fields(record)
        for record in self._restoration.records:
            if record.whole is not None:
                await self._make_again(record)

    async def _scale(self, numbers: list[tuple[RestoreRecord, int]]) -> None:
        for record, number in numbers:
            if not await self._admitted(partial(put_replicas, self._sender, record, number)):
                self._miss(record)

    async def _put_fields(self, record: RestoreRecord) -> None:
        fields = {pointer: value for pointer, value in record.before.items() if pointer != REPLICAS}
        if not fields:
            return
        live = await self._sender.ports.writer.get(record.ref)
        self._undo.fields.append((record, values_of(live or {}, fields)))
        if not await self._admitted(lambda: put_fields(self._sender, record, fields)):
            self._miss(record)

    async def _make_again(self, record: RestoreRecord) -> None:
        if await self._admitted(lambda: make_again(self._sender, record)):
            self._undo.made.append(record.ref)
        else:
            words = "somebody made it again: it was left as it is"
            self.doubts.append(Reason(code="not-ours", message=words, object=str(record.ref)))

    async def _admitted(self, write: Callable[[], Coroutine[Any, Any, T]]) -> T:
        ended = {self._restoration.lift.digest, *(hold.digest for hold in self._restoration.holds)}
        return await once_admitted(self._sender, ended, write)

    async def open_routes(self) -> None:
        """Everything that leads traffic to the model."""
        for record in self._restoration.records:
            if wakes(record) or record.created:
                continue
            kind = plugins.kinds().get(record.ref.group_kind)
            if kind is not None and kind.route is not None:
                await self._admitted(partial(self._uncut, record, kind.route))
            else:
                await self._put_fields(record)

    async def _uncut(self, record: RestoreRecord, rules: RouteRules) -> None:
        """What is still our cut becomes what it was; what somebody else changed stays, and is said."""
        writer, ref = self._sender.ports.writer, record.ref
        live = await writer.get(ref)
        if live is None:
            self._miss(record)
            return
        found = uncut(rules, record, live)
        self.doubts.extend(reason for reason in found.changed if reason not in self.doubts)
        if found.patch:
            uid = str(live["metadata"]["uid"])
            patch = [{"op": "test", "path": "/metadata/uid", "value": uid}, *found.patch]
            self._undo.fields.append((record, values_of(live, record.before)))
            await self._sender.send(
                "patch", ref, lambda: writer.patch(ref, patch, type_="json"), fields=sorted(record.before), uid=uid
            )

    async def tell_what_came_back(self) -> None:
        """Journal how everything on record stands now; what cannot be read was judged already."""
        for record in self._restoration.records:
            with suppress(ClusterError):
                live = await self._sender.ports.writer.get(record.ref)
                if live is not None:
                    observe(self._sender, live, "after")

    async def take_ours_away(self) -> None:
        """What the cut made, its records, the hold, and at last the records of what ran.

        As long as one of these is there, a later run knows that the model was on, and goes on; without any it would
        take what came back for something that had been off.
        """
        records = self._restoration.records
        for record in records:
            if record.created:
                await self._delete_made(record.ref)
        ran = [record for record in records if record.before.get(REPLICAS)]
        for record in records:
            if record not in ran:
                await self._delete_record(record)
        await delete_holds(self._sender, self._restoration)
        for record in ran:
            await self._delete_record(record)

    async def _delete_record(self, record: RestoreRecord) -> None:
        """Delete a record as it was before the sender looked for holds once more.

        A takedown keeps its hold first and then claims the record, which changes it: what it rests on is not deleted,
        however late this request arrives.
        """
        ref = ObjectRef("v1", "Secret", SYSTEM_NAMESPACE, record.object_name)
        for attempt in range(_RACES):
            live = await self._sender.ports.writer.get(ref)
            if live is None:
                return
            try:
                await changes.delete_as_read(self._sender, live)
            except Conflict:
                if attempt == _RACES - 1:
                    raise
            else:
                return

    async def _delete_made(self, ref: ObjectRef) -> None:
        live = await self._sender.ports.writer.get(ref)
        if live is None:
            return
        if not dig(live, "metadata", "labels", LABEL_ORDER):
            words = "it no longer says that a cut made it: it was left alone"
            self.doubts.append(Reason(code="not-ours", message=words, object=str(ref)))
            return
        await changes.delete(self._sender, ref, uid=str(live["metadata"]["uid"]))

    def _miss(self, record: RestoreRecord) -> None:
        words = "it is gone: what it was cannot be put back"
        self.doubts.append(Reason(code="gone", message=words, object=str(record.ref)))


async def delete_holds(sender: Sender, restoration: Restoration) -> None:
    """Delete the holds of the lifted order on this model."""
    for hold in restoration.holds:
        name = ObjectRef("v1", "ConfigMap", SYSTEM_NAMESPACE, hold.object_name)
        await changes.delete(sender, name, uid=None)
