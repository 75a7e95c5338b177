"""Which failures are tried again, when, and for how long.

A request that never left, or that the server turned away before doing anything (429; 503 with Retry-After), is repeated
whatever it is. After a *lost answer* (reset, time-out, 5xx) nobody knows whether a write took effect, so only what may
happen twice is repeated:

- reads, dry-runs and access reviews;
- server-side apply, which says what should be, and is checked against other managers each time;
- delete by uid, which cannot hit a successor of the same name;
- what carries a precondition (uid or resourceVersion) or can succeed only once (create of a named object, replace):
  where the lost write did take effect, the repetition meets 404 or 409, and the caller looks whether what is there now
  is what it wrote.

A write without precondition is not repeated: meanwhile somebody else may have written, for instance a takedown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import SystemRandom
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential
from tenacity.wait import wait_base

from orchestrator.core.limits import Stopwatch, timed
from orchestrator.core.ports import Clock
from orchestrator.delivery.faults import NotSent
from orchestrator.delivery.statuses import Busy
from orchestrator.delivery.timeouts import Timeouts
from orchestrator.errors import Unauthenticated, Unreachable

T = TypeVar("T")

LONGEST_PAUSE = 5.0
_FIRST_PAUSE = 0.25
_RETRY_AFTER_CAP = 30.0
# Failures that another attempt cannot mend within seconds.
_FINAL_CODES = ("certificate", "address", "closed", "not-http", "tls", "redirect", "too-large", "context")


def full_jitter() -> wait_base:
    """Pauses anywhere between nothing and a bound that doubles from 0.25 s to `LONGEST_PAUSE`."""
    return wait_random_exponential(multiplier=_FIRST_PAUSE, max=LONGEST_PAUSE)


class Backoff:
    """Full jitter for loops that tenacity cannot drive, because they hand out values between attempts."""

    def __init__(self) -> None:
        self._random = SystemRandom()
        self.reset()

    def reset(self) -> None:
        """Something went well: begin with short pauses again."""
        self._bound = _FIRST_PAUSE

    def pause(self) -> float:
        """Seconds to wait now."""
        bound, self._bound = self._bound, min(2 * self._bound, LONGEST_PAUSE)
        return self._random.uniform(0, bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How one call is repeated."""

    repeatable: bool
    """Whether it may happen twice, see above."""
    budget: float
    """Seconds after which no further attempt begins."""
    patience: float
    """The same, where the server itself asks us to come back later."""
    clock: Clock
    """Its elapsed time and its sleep are used."""


def policy(timeouts: Timeouts, clock: Clock, *, repeatable: bool, answered_before: bool) -> RetryPolicy:
    """The policy of a call; a cluster that never answered is not waited for as long as one that has.

    That goes for one that turns us away from the start as well: a plan waits for the first answer of every cluster.
    """
    budget, patience = (
        (timeouts.request, timeouts.patience)
        if answered_before
        else (timeouts.connect, min(timeouts.request, timeouts.patience))
    )
    return RetryPolicy(repeatable=repeatable, budget=budget, patience=patience, clock=clock)


async def with_retries(attempt: Callable[[], Awaitable[T]], rules: RetryPolicy) -> T:
    """The result of the first attempt that succeeds; raises what the last one raised."""
    with timed(rules.clock) as passed:
        try:
            # Nearly every call ends here, and pays for no machinery.
            return await attempt()
        except Exception as error:
            if not _may_repeat(error, repeatable=rules.repeatable):
                raise
            first = error
        return await _repeated(attempt, rules, passed, first)


async def _repeated(attempt: Callable[[], Awaitable[T]], rules: RetryPolicy, passed: Stopwatch, first: Exception) -> T:
    failed = [first]

    async def again() -> T:
        if failed:
            raise failed.pop()
        return await attempt()

    def is_over(state: RetryCallState) -> bool:
        limit = rules.patience if _was_turned_away(_failure(state)) else rules.budget
        return passed.seconds + state.upcoming_sleep >= limit

    retrying = AsyncRetrying(
        sleep=rules.clock.sleep,
        wait=_Pause(),
        stop=is_over,
        retry=retry_if_exception(lambda error: _may_repeat(error, repeatable=rules.repeatable)),
        reraise=True,
    )
    return await retrying(again)


class _Pause(wait_base):
    """What the server asks for, else full jitter; in both cases random, so that many clients do not return together."""

    def __init__(self) -> None:
        self._jitter = full_jitter()

    def __call__(self, retry_state: RetryCallState) -> float:
        pause = self._jitter(retry_state)
        error = _failure(retry_state)
        if isinstance(error, Busy) and error.retry_after is not None:
            return min(error.retry_after, _RETRY_AFTER_CAP) + pause
        return pause


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _may_repeat(error: BaseException, *, repeatable: bool) -> bool:
    if isinstance(error, Unauthenticated) or getattr(error, "code", None) in _FINAL_CODES:
        return False
    if isinstance(error, NotSent) or _was_turned_away(error):
        return True
    return repeatable and is_lost_answer(error)


def _was_turned_away(error: BaseException | None) -> bool:
    return isinstance(error, Busy) and (error.status == 429 or (error.status == 503 and error.retry_after is not None))


def is_lost_answer(error: BaseException | None) -> bool:
    """Whether the request may have taken effect although we were not told."""
    if isinstance(error, NotSent) or _was_turned_away(error):
        return False
    return isinstance(error, Busy) or (isinstance(error, Unreachable) and not isinstance(error, Unauthenticated))
