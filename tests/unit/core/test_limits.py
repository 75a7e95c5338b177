"""What a cluster may take is limited; how long we kept its request waiting counts for nothing."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.core.limits import left_out, limited, timed, unmeasured
from tests.unit.delivery.clocks import ManualClock


async def test_what_is_left_out_counts_for_no_limit_around_it() -> None:
    async with limited(0.2), limited(0.1):
        with left_out():
            await asyncio.sleep(0.4)
        await asyncio.sleep(0.01)


async def test_everything_else_counts_also_what_came_before() -> None:
    """Several short waits of ours in between give nobody a second limit."""
    taken = 0.0
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError):
        async with limited(0.2):
            for _ in range(100):
                with left_out():
                    await asyncio.sleep(0.01)
                began = loop.time()
                await asyncio.sleep(0.05)
                taken += loop.time() - began
    assert taken < 0.5


async def test_two_waits_at_once_are_left_out_until_the_longer_one_is_over() -> None:
    async def wait(seconds: float) -> None:
        with left_out():
            await asyncio.sleep(seconds)

    async with limited(0.15):
        await asyncio.gather(wait(0.05), wait(0.4))
    with pytest.raises(TimeoutError):
        async with limited(0.05):
            await asyncio.gather(wait(0.1), wait(0.1))
            await asyncio.sleep(10)


async def test_a_limit_that_is_ended_while_something_is_left_out_stays_ended() -> None:
    """As a transport does that is closed."""
    with pytest.raises(TimeoutError):
        async with limited(60) as limit:
            asyncio.get_running_loop().call_later(0.05, limit.reschedule, 0)
            with left_out():
                await asyncio.sleep(60)


def test_a_stopwatch_counts_only_what_is_not_left_out() -> None:
    clock = ManualClock()
    with timed(clock) as passed:
        clock.seconds += 3
        with left_out(), left_out():
            clock.seconds += 100
        clock.seconds += 4
        assert passed.seconds == 7


async def test_what_outlives_a_limit_knows_nothing_of_it() -> None:
    async with limited(0.1):
        with unmeasured(), left_out():
            pass
        with pytest.raises(TimeoutError):
            async with limited(0.01):
                with unmeasured():
                    await asyncio.sleep(10)
