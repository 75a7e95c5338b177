"""Connections that begin in handfuls: a thousand at once would all be late."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.delivery import pacing
from orchestrator.delivery.channel import at_once
from orchestrator.delivery.pacing import PacedConnector


async def test_connections_begin_a_handful_at_a_time_and_in_order() -> None:
    """Whoever gave up meanwhile takes nobody's turn, and however long one then takes, the next ones begin."""
    async with PacedConnector() as connector:
        begun: list[int] = []
        last = asyncio.Event()

        async def open_one(number: int) -> None:
            await connector._turn()
            begun.append(number)
            if number == 3 * pacing._HANDFUL - 1:
                last.set()
            await asyncio.sleep(3600)

        tasks = [asyncio.create_task(open_one(number)) for number in range(3 * pacing._HANDFUL)]
        await asyncio.sleep(0)
        assert begun == list(range(pacing._HANDFUL))
        tasks[pacing._HANDFUL].cancel()
        await asyncio.wait_for(last.wait(), 30)
        assert begun == [number for number in range(len(tasks)) if number != pacing._HANDFUL]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(("clusters", "requests"), [(1, 24), (32, 16), (64, 8), (1000, 4)])
def test_each_of_many_clusters_gets_fewer_requests_at_once(clusters: int, requests: int) -> None:
    """Each needs a connection of its own, and so a handshake and memory."""
    assert at_once(clusters) == requests
