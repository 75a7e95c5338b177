"""When a model went, for an item's times: what a watch saw from before the stop on, told the moment it is seen."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime

from orchestrator.core.events import EventType
from orchestrator.core.observation import Departure, Settled, Subject
from orchestrator.execution.sending import Sender


class DepartureNews:
    """Tells of an item's last pod: each time that it goes, and each time once."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._told: datetime | None = None

    def watch(self, subject: Subject) -> AbstractAsyncContextManager[Departure]:
        """A watch that has to begin before the first write; it raises no `ClusterError`."""
        ports = self._sender.ports
        return ports.verifier.watch_departure(ports.writer, subject, tell=self.tell)

    def tell(self, at: datetime | None) -> None:
        """Say that the last pod went at this moment, unless that is said already; None says nothing."""
        if at is not None and at != self._told:
            self._told = at
            self._sender.emit(EventType.LAST_POD_GONE, {"at": at.isoformat()})


def with_moments(settled: Settled, departure: Departure) -> Settled:
    """The wait's end with the moments of the events; its own are those at which it looked.

    A controller says that it runs nothing after its pods are gone, if they go at once; none was there since, so it had
    stopped by then.
    """
    stopped_at = departure.stopped_at or settled.stopped_at
    last_pod_gone_at = departure.last_pod_gone_at or settled.last_pod_gone_at
    if stopped_at is not None and last_pod_gone_at is not None:
        stopped_at = min(stopped_at, last_pod_gone_at)
    return replace(settled, stopped_at=stopped_at, last_pod_gone_at=last_pod_gone_at)
