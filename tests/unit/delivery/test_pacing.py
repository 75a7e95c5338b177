"""Requests and connections that begin in handfuls: a thousand at once would all be late."""

from __future__ import annotations

import asyncio
import gc
import weakref

import aiohttp
import pytest

from orchestrator.core.dispatch import sent_only_while, urgently
from orchestrator.core.limits import limited
from orchestrator.delivery import pacing
from orchestrator.delivery.channel import at_once
from orchestrator.delivery.pacing import PacedConnector, Turns
from orchestrator.delivery.timeouts import Timeouts
from orchestrator.delivery.transport import Request, Transport
from orchestrator.errors import TooLate


async def test_a_handful_begins_at_once_and_the_others_in_order() -> None:
    """Whoever gave up meanwhile takes nobody's turn, and however long one then takes, the next ones begin."""
    turns, handful = Turns(8), 8
    begun: list[int] = []
    last = asyncio.Event()

    async def begin(number: int) -> None:
        await turns.turn()
        begun.append(number)
        if number == 3 * handful - 1:
            last.set()
        await asyncio.sleep(3600)

    tasks = [asyncio.create_task(begin(number)) for number in range(3 * handful)]
    await asyncio.sleep(0)
    assert begun == list(range(handful))
    tasks[handful].cancel()
    await asyncio.wait_for(last.wait(), 30)
    assert begun == [number for number in range(len(tasks)) if number != handful]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_no_time_out_counts_how_long_a_connection_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that answers at once is not too late because a thousand others were to be greeted first."""
    monkeypatch.setattr(pacing, "_PAUSE", 0.3)
    async with _Server() as url, aiohttp.ClientSession(connector=PacedConnector(limit=0)) as session:

        async def ask() -> int:
            async with limited(0.5), session.get(url) as answer:
                await answer.read()
                return answer.status

        began = asyncio.get_running_loop().time()
        assert await asyncio.gather(*(ask() for _ in range(4 * 8))) == [200] * 32
        assert asyncio.get_running_loop().time() - began > 0.6, "nobody waited longer than the time-out"


async def test_an_answer_that_does_not_come_is_waited_for_no_longer_than_allowed() -> None:
    """The time-out counts again from the turn on."""
    async with _Server(answers=False) as url, aiohttp.ClientSession(connector=PacedConnector(limit=0)) as session:
        with pytest.raises(TimeoutError):
            async with limited(0.2), session.get(url):
                pytest.fail("it has answered")


async def test_what_is_urgent_begins_before_whatever_waits_already() -> None:
    """A lock is renewed while thousands of reads wait, and before those the older of two renewals."""
    turns = Turns(2)
    begun: list[str] = []

    async def begin(name: str) -> None:
        await turns.turn()
        begun.append(name)

    async def begin_urgently(name: str) -> None:
        with urgently():
            await begin(name)

    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(begin(f"read {number}"))
        for number in range(3):
            group.create_task(begin_urgently(f"lock {number}"))
    assert begun == ["read 0", "read 1", "lock 0", "lock 1", "lock 2", *(f"read {number}" for number in range(2, 6))]


async def test_what_is_urgent_keeps_nobody_waiting_for_ever() -> None:
    """However many locks are to be renewed, a quarter of the turns is for everything else."""
    turns = Turns(8)
    begun: list[str] = []

    async def renew() -> None:
        with urgently():
            while True:
                await turns.turn()
                begun.append("lock")

    async def write() -> None:
        await turns.turn()
        begun.append("write")

    renewing = [asyncio.create_task(renew()) for _ in range(100)]
    await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.gather(*(write() for _ in range(20))), 30)
    assert begun.count("lock") > 2 * begun.count("write")
    for task in renewing:
        task.cancel()
    await asyncio.gather(*renewing, return_exceptions=True)


@pytest.mark.parametrize("queue", ["requests", "connections"])
async def test_a_write_that_may_be_sent_no_more_when_its_turn_has_come_is_not_sent(
    queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It rests on a lock that was fresh when it was asked for; a read may come as late as it likes."""
    monkeypatch.setattr(pacing, "_PAUSE", 0.3)
    async with _Server() as url:
        transport, may_be_sent = Transport(Timeouts()), True
        turns = transport._turns if queue == "requests" else transport._session.connector._turns  # type: ignore[union-attr]

        async def send(method: str) -> int:
            with sent_only_while(lambda: may_be_sent):
                answer = await transport.exchange(Request(method=method, url=url, tls=None, timeout=5))
                return answer.status

        try:
            assert await send("PATCH") == 200
            while turns._begun < turns._handful:
                await turns.turn()
            sending = [asyncio.create_task(send(method)) for method in ("PATCH", "GET", "PATCH")]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            may_be_sent = False
            first, read, last = await asyncio.gather(*sending, return_exceptions=True)
            assert isinstance(first, TooLate) and isinstance(last, TooLate) and read == 200
        finally:
            await transport.close()


async def test_a_connection_keeps_nothing_of_the_request_for_which_it_was_made() -> None:
    """It lives for a minute and longer: what a thousand clusters answered would stay in memory with it.

    The request after which idle connections are looked for the first time is kept until then: one in all.
    """

    class Answer:
        pass

    async with _Server(closes=False) as url:
        transport = Transport(Timeouts(connect=0.5))

        async def ask() -> Answer:
            await transport.exchange(Request(method="GET", url=url, tls=None, timeout=0.5))
            return Answer()

        try:
            tasks = [asyncio.create_task(ask()) for _ in range(6)]
            kept = [weakref.ref(answer) for answer in await asyncio.gather(*tasks)]
            del tasks
            # A time limit that was met is kept by the loop until it would have ended.
            await asyncio.sleep(0.6)
            gc.collect()
            assert sum(one() is not None for one in kept) <= 1
        finally:
            await transport.close()


class _Server:
    """Answers every connection's first request, or none."""

    def __init__(self, *, answers: bool = True, closes: bool = True) -> None:
        self._answers, self._closes = answers, closes

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def __aexit__(self, *error: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if self._answers:
            told = b"close" if self._closes else b"keep-alive"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: " + told + b"\r\n\r\n")
            await writer.drain()
        if not (self._answers and self._closes):
            await reader.read()
        writer.close()


@pytest.mark.parametrize(("clusters", "requests"), [(1, 24), (32, 16), (64, 8), (1000, 4)])
def test_each_of_many_clusters_gets_fewer_requests_at_once(clusters: int, requests: int) -> None:
    """Each needs a connection of its own, and so a handshake and memory."""
    assert at_once(clusters) == requests
