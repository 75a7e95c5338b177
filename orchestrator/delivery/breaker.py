"""Leaves a cluster alone for a while after it failed repeatedly, so that whoever asks next is told at once."""

from __future__ import annotations

from orchestrator.core.ports import Clock
from orchestrator.delivery.faults import NotSent
from orchestrator.errors import Unreachable

_FAILURES = 2


class CircuitBreaker:
    """Counts whole calls, each with its retries. After its rest one call may try; any answer closes it again."""

    def __init__(self, clock: Clock, rest: float) -> None:
        self._clock, self._rest = clock, rest
        self._failures = 0
        self._resting_until = 0.0
        self._cause: Unreachable | None = None

    def admit(self) -> None:
        """Raise `NotSent` with the known cause while the cluster is left alone."""
        if self._cause is None or self._failures < _FAILURES:
            return
        if self._clock.elapsed() < self._resting_until:
            raise NotSent(f"{self._cause.message} (failed {self._failures} times)", code=self._cause.code)
        # This call is the trial; the others wait for what it finds.
        self._resting_until = self._clock.elapsed() + self._rest

    def failed(self, cause: Unreachable) -> None:
        """A call got no answer that can be trusted."""
        self._failures += 1
        self._cause = cause
        self._resting_until = self._clock.elapsed() + self._rest

    def answered(self) -> None:
        """The cluster answered, whatever it said."""
        self._failures = 0
        self._cause = None
