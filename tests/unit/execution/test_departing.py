"""The moments of an item are those of the events, in an order that makes sense."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.core.observation import Settled
from orchestrator.core.verdict import Judgement, Readiness, State
from orchestrator.execution.departing import with_moments

EARLY = datetime(2026, 6, 12, 8, 0, tzinfo=UTC)
LATE = EARLY + timedelta(seconds=1)


@dataclass
class Seen:
    """What a watch saw of a model's departure."""

    stopped_at: datetime | None = None
    last_pod_gone_at: datetime | None = None
    nodes: frozenset[str] = frozenset()

    def extend(self, subject: object) -> None:
        raise AssertionError("nothing more is watched")


@pytest.mark.parametrize(
    ("stopped", "gone", "expected"),
    [
        (EARLY, LATE, (EARLY, LATE)),
        (LATE, EARLY, (EARLY, EARLY)),
        (None, EARLY, (None, EARLY)),
        (LATE, None, (LATE, None)),
    ],
)
def test_a_model_has_stopped_by_the_time_its_last_pod_is_gone(
    stopped: datetime | None, gone: datetime | None, expected: tuple[datetime | None, datetime | None]
) -> None:
    """A controller may say so later: it counts its pods after they went."""
    settled = Settled(judgement=Judgement(readiness=Readiness.DONE, state=State.DISABLED))
    found = with_moments(settled, Seen(stopped, gone))
    assert (found.stopped_at, found.last_pod_gone_at) == expected
