"""A write leaves only under a fresh lock, however long it has to wait; what never left is never called sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from orchestrator.core.dispatch import Question, check_permission
from orchestrator.core.events import Event, EventType
from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.execution.leases import LockLost
from orchestrator.execution.ports import ClusterPorts
from orchestrator.execution.sending import Sender
from orchestrator.execution.stopping import Interrupted
from tests.unit.execution.doubles import MODEL, JumpingClock, MemoryCluster, SilentProber, ToldVerifier

REF = ObjectRef("apps/v1", "Deployment", "serving", "fable")


class Locks:
    """A lock that is fresh when it is asked for, and as many times stale when the write leaves."""

    def __init__(self, stale: int) -> None:
        self.stale = stale
        self.asked = 0
        self.fails: Exception | None = None
        self.on_ask: Callable[[], None] = lambda: None

    async def ensure(self, model: str) -> Question:
        self.asked += 1
        self.on_ask()
        if self.fails is not None:
            raise self.fails
        is_fresh = self.asked > self.stale
        return lambda: is_fresh


def sender(locks: Locks, events: list[Event], *, needs_lock: bool = True) -> Sender:
    async def make_durable() -> None:
        return None

    ports = ClusterPorts(
        writer=MemoryCluster("a"),
        verifier=ToldVerifier(),
        prober=SilentProber(),
        checks={},
        clock=JumpingClock(),
        emit=events.append,
        make_durable=make_durable,
        ensure_lock=locks.ensure,
        needs_lock=needs_lock,
        stop=asyncio.Event(),
    )
    return Sender(ports, MODEL, "on")


async def write() -> JsonObject:
    check_permission()
    return {"metadata": {"uid": "u"}}


async def test_a_write_that_came_too_late_is_sent_under_a_lock_that_is_fresh_again() -> None:
    events: list[Event] = []
    locks = Locks(stale=2)
    sending = sender(locks, events)
    assert await sending.send("update", REF, write) == {"metadata": {"uid": "u"}}
    assert (locks.asked, len(sending.sent)) == (3, 1)
    assert [event.type for event in events] == [EventType.SENDING, EventType.ANSWERED]


async def test_a_lock_that_is_stale_whenever_the_write_could_leave_is_lost() -> None:
    events: list[Event] = []
    sending = sender(Locks(stale=1000), events)
    with pytest.raises(LockLost):
        await sending.send("update", REF, write)
    assert sending.sent == []
    assert [dict(event.data).get("sent") for event in events] == [None, False]


async def test_a_takedown_sends_in_the_end_whatever_becomes_of_its_lock() -> None:
    sending = sender(Locks(stale=1000), [], needs_lock=False)
    assert await sending.send("update", REF, write) == {"metadata": {"uid": "u"}}
    assert len(sending.sent) == 1


async def test_a_signal_ends_a_write_that_came_too_late() -> None:
    locks = Locks(stale=1000)
    sending = sender(locks, [])
    locks.on_ask = sending.ports.stop.set
    with pytest.raises(Interrupted):
        await sending.send("update", REF, write)
    assert (locks.asked, sending.sent) == (1, [])


async def test_what_ends_the_run_before_a_write_leaves_no_trace_of_one() -> None:
    """As the lift of an order does, which is found where the lock is asked for."""
    events: list[Event] = []
    locks = Locks(stale=0)
    locks.fails = Interrupted()
    sending = sender(locks, events)
    with pytest.raises(Interrupted):
        await sending.send("update", REF, write)
    assert sending.sent == [] and [event.type for event in events] == [EventType.SENDING]
