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

    def seconds_of(self, status: int, since: float, until: float) -> float:
        """From the first to the last request of this time that was answered so."""
        at = [at for at, found in self.answers if found == status and since <= at < until]
        return max(at) - min(at) if at else 0.0


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
