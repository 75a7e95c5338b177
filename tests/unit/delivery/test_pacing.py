"""Requests and connections that begin in handfuls: a thousand at once would all be late."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from orchestrator.delivery import pacing
from orchestrator.delivery.channel import at_once
from orchestrator.delivery.pacing import PacedConnector, Turns, limited
from orchestrator.delivery.timeouts import Timeouts
from orchestrator.delivery.transport import Request, Transport
from orchestrator.errors import Unreachable


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


async def test_a_write_that_does_not_get_its_turn_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It rests on a lock that was fresh when it was asked for; a read may come as late as it likes."""
    monkeypatch.setattr(pacing, "_PAUSE", 0.5)
    async with _Server() as url:
        transport = Transport(Timeouts())

        def request(method: str) -> Request:
            return Request(method=method, url=url, tls=None, timeout=0.2)

        try:
            for _ in range(pacing._REQUESTS):
                await transport._turns.turn()
            with pytest.raises(Unreachable):
                await transport.exchange(request("PATCH"))
            assert (await transport.exchange(request("GET"))).status == 200
        finally:
            await transport.close()


class _Server:
    """Answers every connection's first request, or none."""

    def __init__(self, *, answers: bool = True) -> None:
        self._answers = answers

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    async def __aexit__(self, *error: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if self._answers:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        else:
            await reader.read()
        writer.close()


@pytest.mark.parametrize(("clusters", "requests"), [(1, 24), (32, 16), (64, 8), (1000, 4)])
def test_each_of_many_clusters_gets_fewer_requests_at_once(clusters: int, requests: int) -> None:
    """Each needs a connection of its own, and so a handshake and memory."""
    assert at_once(clusters) == requests
