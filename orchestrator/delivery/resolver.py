"""Looks up names without ever making one cluster wait for another's dead name server."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult


class ThreadResolver(AbstractResolver):
    """A thread per name that is being looked up.

    The default executor has a handful of threads for everybody: a few dead name servers block it for all. Our threads
    are daemons, because the C library's lookup cannot be cancelled and must not keep the program from ending.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._running: dict[tuple[str, int, int], asyncio.Future[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises OSError when there are none, or none within the timeout (seconds)."""
        key = (host, port, int(family))
        answer = self._running.get(key)
        if answer is None:
            answer = self._running[key] = asyncio.get_running_loop().create_future()
            # Nobody may be left to take the error; that is not worth a warning.
            answer.add_done_callback(lambda done: None if done.cancelled() else done.exception() and None)
            threading.Thread(target=self._look_up, args=(key, answer, asyncio.get_running_loop()), daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.shield(answer)
        except TimeoutError:
            raise OSError(socket.EAI_AGAIN, f"no answer from the name servers within {self._timeout:g} s") from None

    async def close(self) -> None:
        """Stop waiting; threads still looking up end by themselves."""
        for answer in self._running.values():
            answer.cancel()
        self._running.clear()

    def _look_up(self, key: tuple[str, int, int], answer: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> None:
        host, port, family = key
        try:
            found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
            outcome: list[ResolveResult] | OSError = [_result(host, port, entry) for entry in found]
        except (OSError, UnicodeError) as error:
            outcome = error if isinstance(error, OSError) else OSError(socket.EAI_NONAME, "no valid host name")
        try:
            loop.call_soon_threadsafe(self._finish, key, answer, outcome)
        except RuntimeError:
            # The loop is closed: nobody waits for the answer any more.
            return

    def _finish(
        self, key: tuple[str, int, int], answer: asyncio.Future[Any], outcome: list[ResolveResult] | OSError
    ) -> None:
        self._running.pop(key, None)
        if answer.done():
            return
        if isinstance(outcome, OSError):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)


def _result(host: str, port: int, entry: tuple[Any, ...]) -> ResolveResult:
    family, _, proto, _, address = entry
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=str(address[0]), port=port, family=family, proto=proto, flags=flags)
