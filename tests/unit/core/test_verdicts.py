"""From a judgement to the last word."""

from __future__ import annotations

import pytest

from orchestrator.core.verdict import Judgement, Readiness, State, Verdict, Want
from orchestrator.core.verdicts import verdict_of, verdict_under_hold


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("want", list(Want))
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("readiness", [Readiness.PROGRESSING, Readiness.UNKNOWN, Readiness.FAILED])
def test_only_done_in_time_is_verified(readiness: Readiness, want: Want, state: State, late: bool) -> None:
    """Whatever else was seen."""
    assert verdict_of(Judgement(readiness, state), want, late=late) is not Verdict.VERIFIED


@pytest.mark.parametrize(
    ("readiness", "want", "state", "late", "verdict"),
    [
        (Readiness.DONE, Want.ENABLED, State.ENABLED, False, Verdict.VERIFIED),
        (Readiness.DONE, Want.DISABLED, State.DISABLED, False, Verdict.VERIFIED),
        (Readiness.DONE, Want.DISABLED, State.DISABLED, True, Verdict.UNVERIFIED),
        (Readiness.FAILED, Want.ENABLED, State.MIXED, False, Verdict.FAILED),
        (Readiness.PROGRESSING, Want.ENABLED, State.MIXED, True, Verdict.FAILED),
        (Readiness.PROGRESSING, Want.ENABLED, State.MIXED, False, Verdict.UNVERIFIED),
        (Readiness.PROGRESSING, Want.DISABLED, State.MIXED, True, Verdict.RESIDUE),
        (Readiness.PROGRESSING, Want.DISABLED, State.DISABLED, True, Verdict.UNVERIFIED),
        (Readiness.UNKNOWN, Want.DISABLED, State.MIXED, False, Verdict.RESIDUE),
        (Readiness.UNKNOWN, Want.DISABLED, State.DISABLED, True, Verdict.UNVERIFIED),
        (Readiness.UNKNOWN, Want.ENABLED, State.ENABLED, True, Verdict.UNVERIFIED),
    ],
)
def test_the_table(readiness: Readiness, want: Want, state: State, late: bool, verdict: Verdict) -> None:
    """Row by row, as in the function's own description."""
    assert verdict_of(Judgement(readiness, state), want, late=late) is verdict


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (State.DISABLED, Verdict.HELD),
        (State.ENABLED, Verdict.RESIDUE),
        (State.MIXED, Verdict.RESIDUE),
        (State.UNKNOWN, Verdict.UNVERIFIED),
    ],
)
def test_a_hold_is_kept_only_where_nothing_was_seen_running(state: State, verdict: Verdict) -> None:
    """`held` costs no exit code, so a model that runs under its hold must not have it."""
    assert verdict_under_hold(state) is verdict
