"""How findings are added up, however many there are."""

from __future__ import annotations

import pytest

from orchestrator.core.verdict import Judgement, Readiness, ReplicaCount, State
from orchestrator.verification.findings import combined, finding, is_lasting


@pytest.mark.parametrize(("passing", "expected"), [(0, True), (1, False), (30, False)])
def test_what_only_somebodys_decision_changes_ends_a_wait_however_often_it_was_found(
    passing: int, expected: bool
) -> None:
    """Of fifty mirror pods twenty are told; one finding that may pass is worth waiting for, wherever it stands."""
    found = [finding(Readiness.UNKNOWN, "mirror-pod", f"pod {number}") for number in range(50)]
    found += [finding(Readiness.UNKNOWN, "node-not-ready", f"pod {number}") for number in range(passing)]
    added = combined(found)
    assert len(added.reasons) == 21
    assert added.reasons[-1].code == "more"
    judgement = Judgement(readiness=added.readiness, state=State.MIXED, reasons=added.reasons, replicas=ReplicaCount())
    assert is_lasting(judgement) is expected
