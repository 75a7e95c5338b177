"""What is repeated, how often, and how long it takes: on a clock that only sleeping moves."""

from __future__ import annotations

import pytest

from orchestrator.delivery.faults import NotSent
from orchestrator.delivery.retries import LONGEST_PAUSE, Backoff, is_lost_answer, policy, with_retries
from orchestrator.delivery.statuses import Busy
from orchestrator.delivery.timeouts import Timeouts
from orchestrator.errors import ClusterError, Conflict, Forbidden, Invalid, Unauthenticated, Unreachable
from tests.unit.delivery.clocks import ManualClock

LOST = Unreachable("reset", code="connection-lost")
REFUSED = NotSent("refused", code="connection-refused")
TURNED_AWAY = Busy("later", status=429, retry_after=None)
SERVER_ERROR = Busy("oops", status=500, retry_after=None)


def busy(status: int, retry_after: float | None) -> Busy:
    return Busy("busy", status=status, retry_after=retry_after)


class Attempts:
    """Fails with these errors in turn, then succeeds; the last one for ever when it says so."""

    def __init__(self, *errors: ClusterError, for_ever: bool = False) -> None:
        self.errors, self.for_ever, self.count = list(errors), for_ever, 0

    async def __call__(self) -> str:
        self.count += 1
        if not self.errors:
            return "done"
        raise self.errors[0] if self.for_ever and len(self.errors) == 1 else self.errors.pop(0)


async def outcome(attempts: Attempts, clock: ManualClock, *, repeatable: bool = True, known: bool = True) -> str:
    rules = policy(Timeouts(), clock, repeatable=repeatable, answered_before=known)
    try:
        return await with_retries(attempts, rules)
    except ClusterError as error:
        return error.code


@pytest.mark.parametrize("error", [LOST, REFUSED, TURNED_AWAY, SERVER_ERROR, busy(503, None)])
async def test_reads_are_repeated(error: ClusterError) -> None:
    attempts = Attempts(error, error)
    assert await outcome(attempts, ManualClock()) == "done"
    assert attempts.count == 3


@pytest.mark.parametrize("error", [REFUSED, TURNED_AWAY, busy(503, 1)])
async def test_what_did_nothing_is_always_repeated(error: ClusterError) -> None:
    """Never sent, or turned away: harmless for any write."""
    assert await outcome(Attempts(error), ManualClock(), repeatable=False) == "done"


@pytest.mark.parametrize("error", [LOST, SERVER_ERROR, busy(503, None), busy(504, 1)])
async def test_lost_answers_are_not_repeated_unless_harmless(error: ClusterError) -> None:
    attempts = Attempts(error)
    assert await outcome(attempts, ManualClock(), repeatable=False) == error.code
    assert attempts.count == 1


@pytest.mark.parametrize(
    "error",
    [Forbidden("no"), Conflict("no"), Invalid("no"), Unauthenticated("no"), NotSent("bad", code="certificate")],
)
async def test_final_answers_are_not_repeated(error: ClusterError) -> None:
    attempts = Attempts(error)
    assert await outcome(attempts, ManualClock()) == error.code
    assert attempts.count == 1


async def test_budget_bounds_a_dead_cluster() -> None:
    """No attempt begins after the request time-out, or after the connect time-out where nothing ever answered."""
    for known, limit in ((True, Timeouts().request), (False, Timeouts().connect)):
        clock = ManualClock()
        attempts = Attempts(REFUSED, for_ever=True)
        assert await outcome(attempts, clock, known=known) == "connection-refused"
        assert clock.seconds - 1000 < limit
        assert 3 < attempts.count < 60


async def test_pauses_are_jittered_and_grow() -> None:
    """Each pause is somewhere between nothing and a bound that doubles; no two clients do the same."""
    runs = []
    for _ in range(20):
        clock = ManualClock()
        await outcome(Attempts(*[LOST] * 4), clock)
        runs.append(tuple(clock.slept))
    assert len(set(runs)) == 20
    for number, bound in enumerate((0.25, 0.5, 1.0, 2.0)):
        assert all(0 <= run[number] <= bound for run in runs if len(run) > number)


async def test_retry_after_is_the_least_and_is_capped() -> None:
    """A server's wish is granted, up to half a minute, and within the patience of a minute in all."""
    clock = ManualClock()
    await outcome(Attempts(busy(429, 7)), clock)
    assert 7 <= clock.slept[0] <= 7.25
    clock = ManualClock()
    attempts = Attempts(busy(429, 86400), for_ever=True)
    assert await outcome(attempts, clock) == "overloaded"
    assert clock.slept[0] <= 30.25
    assert clock.seconds - 1000 < 60


def test_backoff_for_loops() -> None:
    """The bound doubles up to the longest pause, and begins anew after a success."""
    backoff = Backoff()
    drawn = [backoff.pause() for _ in range(300)]
    assert max(drawn) <= LONGEST_PAUSE
    assert min(drawn[10:]) < 1 < max(drawn[10:])
    backoff.reset()
    assert backoff.pause() <= 0.25


def test_lost_answer() -> None:
    """Only where the request may have been carried out."""
    assert [is_lost_answer(error) for error in (LOST, SERVER_ERROR, busy(504, 1))] == [True] * 3
    finals = (REFUSED, TURNED_AWAY, busy(503, 1), Forbidden("x"), Unauthenticated("x"), Conflict("x"), None)
    assert not any(is_lost_answer(error) for error in finals)
