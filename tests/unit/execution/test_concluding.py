"""From what happened to what is told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.core.result import ResultItem, Times
from orchestrator.core.verdict import State, Verdict, Want
from orchestrator.execution.concluding import told

AT = datetime(2026, 6, 12, tzinfo=UTC)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_only_what_is_verified_in_the_end_was_verified_at_some_time(verdict: Verdict) -> None:
    """A look that was satisfied, and then outweighed by a doubt, leaves no time of its own."""
    item = ResultItem(
        model="fable-5",
        cluster="here",
        region="here",
        country=None,
        want=Want.DISABLED,
        state=State.DISABLED,
        verdict=verdict,
        times=Times(stopped=AT, verified=AT),
    )
    assert told(item).times == Times(stopped=AT, verified=AT if verdict is Verdict.VERIFIED else None)
