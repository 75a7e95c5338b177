"""Clients that never stop asking: what a cut and a restore looked like to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.traffic.gateways import Gateway

_CLIENTS = 4


@dataclass
class Load:
    """Every answer so far: when its request was sent, and its status; None where none came."""

    answers: list[tuple[float, int | None]] = field(default_factory=list)

    def statuses(self, since: float, until: float = float("inf")) -> list[int | None]:
        """Of the requests that were sent in this time (`time.monotonic`)."""
        return [status for at, status in self.answers if since <= at < until]

    def longest(self, status: int, since: float, until: float) -> float:
        """Seconds of the longest time in which every request was answered so."""
        longest, begun = 0.0, None
        for at, found in sorted(self.answers, key=lambda answer: answer[0]):
            if not since <= at < until or found != status:
                begun = None
                continue
            begun = at if begun is None else begun
            longest = max(longest, at - begun)
        return longest


@contextmanager
def load(edge: Gateway, host: str) -> Iterator[Load]:
    """Ask all the while, each request on a new connection."""
    found, done = Load(), threading.Event()

    def ask() -> None:
        while not done.is_set():
            at = time.monotonic()
            answer = edge.ask(host)
            found.answers.append((at, answer.status if answer else None))
            done.wait(0.02)

    threads = [threading.Thread(target=ask) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        done.set()
        for thread in threads:
            thread.join()
