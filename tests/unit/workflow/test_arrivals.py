"""Who counts as late, and that nobody who is late is lost."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.core.fleet import Cluster
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason
from orchestrator.workflow import arrivals
from orchestrator.workflow.arrivals import looking

REFUSED = Reason(code="unreachable", message="connection refused")


def answer(name: str, *, failure: Reason | None = None) -> ClusterSnapshot:
    return ClusterSnapshot(cluster=Cluster(name=name, region=name), failure=failure)


class Fleet:
    """Clusters that answer when they are told to."""

    def __init__(self, *names: str) -> None:
        self.answers: dict[str, asyncio.Future[ClusterSnapshot]] = {name: asyncio.Future() for name in names}

    async def look(self, name: str) -> ClusterSnapshot:
        return await self.answers[name]

    def tell(self, name: str, *, failure: Reason | None = None) -> None:
        self.answers[name].set_result(answer(name, failure=failure))


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "QUIET_SECONDS", 0.05)


async def test_who_is_silent_while_others_answer_is_late_and_is_heard_all_the_same() -> None:
    fleet = Fleet("ie", "us", "jp")
    async with looking(fleet.answers, fleet.look) as arriving:
        fleet.tell("us")
        fleet.tell("ie", failure=REFUSED)
        assert set(await arriving.prompt()) == {"us", "ie"}
        fleet.tell("jp")
        assert list(await arriving.everybody()) == ["ie", "us", "jp"]


async def test_each_answer_makes_the_others_wait_anew() -> None:
    """A fleet that answers one after the other, as a thousand clusters do, has nobody late in it."""
    names = [f"c{number}" for number in range(6)]
    fleet = Fleet(*names)
    async with looking(fleet.answers, fleet.look) as arriving:
        waiting = asyncio.ensure_future(arriving.prompt())
        for name in names:
            await asyncio.sleep(0.03)
            fleet.tell(name)
        assert set(await waiting) == set(names)


async def test_while_nobody_can_be_trusted_everybody_is_waited_for() -> None:
    """A takedown of no cluster at all would be nothing to begin with."""
    fleet = Fleet("ie", "us")
    async with looking(fleet.answers, fleet.look) as arriving:
        fleet.tell("ie", failure=REFUSED)
        waiting = asyncio.ensure_future(arriving.prompt())
        await asyncio.sleep(0.2)
        assert not waiting.done()
        fleet.tell("us")
        assert set(await waiting) == {"ie", "us"}


async def test_nobody_is_asked_any_more_once_it_is_over() -> None:
    fleet = Fleet("ie", "us")
    fleet.tell("us")
    async with looking(fleet.answers, fleet.look) as arriving:
        await arriving.prompt()
    assert fleet.answers["ie"].cancelled()
