"""A restore that is killed anywhere: gone on with, it gives back what it had not given back yet, and nothing twice."""

from __future__ import annotations

import pytest

from tests.cluster.killing.killings import Case, Killings, cases_of, check_recorded

STORY = "restore"
SAMPLE = (("before answered us-east-1 restore delete ConfigMap orchestrator-system/hold.DIGEST.NS", "resume"),)


@pytest.mark.slow
def test_the_recorded_points_are_those_of_an_undisturbed_run(killings: Killings) -> None:
    """A new kind of record is a new kill point: it must not go untested."""
    check_recorded(killings.undisturbed(STORY), STORY)


def test_what_was_there_before_is_back(killings: Killings) -> None:
    """The end that every other run is held against: 3 and 1 replicas, no guard, no hold and no record but the lift."""
    (state,) = killings.undisturbed(STORY).state.values()
    replicas = [state[name]["spec"]["replicas"] for name in ("Deployment fable", "StatefulSet shard")]
    assert replicas == [3, 1]
    assert not [
        name for name in state if "guard" in name or " hold." in name or " restore." in name or " lock." in name
    ]
    assert "ConfigMap lift.ORDER" in state


@pytest.mark.parametrize("case", cases_of(STORY, "resume", sample=SAMPLE))
def test_killed_there_it_comes_to_the_same_end(killings: Killings, case: Case) -> None:
    """Every object as after an undisturbed restore: the replicas of before, open routes, a lift, and no lock."""
    killings.check(case)
