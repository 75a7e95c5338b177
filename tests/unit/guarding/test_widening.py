"""A guard that grows: never narrower, the same bytes from the same knowledge, and hostile notes add nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.model import Match
from orchestrator.core.objects import ObjectRef
from orchestrator.core.takedown import ANNOTATION_WORKLOADS, workloads_of_policy
from orchestrator.guarding import GuardRequest, build_guard
from orchestrator.guarding.policy import widened

FIRST = (ObjectRef("apps/v1", "Deployment", "ns", "fable"), {"matchLabels": {"app": "fable"}})
SECOND = (ObjectRef("apps/v1", "Deployment", "elsewhere", "second"), {"matchLabels": {"run": "second"}})
THIRD = (ObjectRef("batch/v1", "CronJob", "elsewhere", "tick"), None)
GUARD = build_guard(GuardRequest(order="directive", digest="a" * 64, model="fable-5", workloads=(FIRST,)))


def test_what_was_found_is_drawn_into_it_and_read_back_from_it() -> None:
    """Whatever the order in which it was found; and what it knows already changes nothing."""
    wide = widened(GUARD, Match(), (THIRD, SECOND))
    assert wide.workloads[0] == FIRST
    assert wide.policy == widened(GUARD, Match(), (SECOND, THIRD)).policy
    assert workloads_of_policy(wide.policy) == wide.workloads
    assert widened(wide, Match(), (SECOND, FIRST)) is wide
    assert wide.binding == GUARD.binding
    assert "elsewhere" in json.dumps(wide.policy["spec"]) and "elsewhere" not in json.dumps(GUARD.policy["spec"])


def test_a_kind_that_runs_no_pods_is_not_drawn_in() -> None:
    assert widened(GUARD, Match(), ((ObjectRef("v1", "ConfigMap", "ns", "x"), None),)) is GUARD


@pytest.mark.parametrize(
    "text",
    ["{", "7", "[7]", '[["v1"]]', '[["v1", "Pod", "ns", 7, null]]', '[["v1", "Pod", "ns", "p", "x"]]', "[" * 20_000, 7],
)
def test_a_note_that_nobody_understands_says_nothing(text: Any) -> None:
    """Whoever may edit policies may write anything there."""
    assert workloads_of_policy({"metadata": {"annotations": {ANNOTATION_WORKLOADS: text}}}) == ()
