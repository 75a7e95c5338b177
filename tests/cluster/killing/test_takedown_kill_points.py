"""A takedown that is killed anywhere: gone on with, or begun anew from the order alone, it comes to the same end."""

from __future__ import annotations

import pytest

from tests.cluster.killing.killings import Case, Killings, cases_of, check_recorded

STORY = "takedown"
SAMPLE = (
    ("after answered us-east-1 takedown scale apps/Deployment NS/fable", "bare"),
    ("before answered us-east-1 takedown update ConfigMap orchestrator-system/hold.DIGEST.NS verified", "resume"),
)


def test_the_recorded_points_are_those_of_an_undisturbed_run(killings: Killings) -> None:
    """A new kind of record is a new kill point: it must not go untested."""
    check_recorded(killings.undisturbed(STORY), STORY)


def test_what_was_there_before_is_kept(killings: Killings) -> None:
    """The end that every other run is held against keeps 3 replicas of the one workload and 1 of the other."""
    (state,) = killings.undisturbed(STORY).state.values()
    records = [obj["data"]["before"] for name, obj in state.items() if name.startswith("Secret restore.")]
    assert sorted(one["/spec/replicas"] for one in records if "/spec/replicas" in one) == [1, 3]
    assert state["pods"] == {}


@pytest.mark.parametrize("case", cases_of(STORY, "resume", "bare", sample=SAMPLE))
def test_killed_there_it_comes_to_the_same_end(killings: Killings, case: Case) -> None:
    """Every object as after an undisturbed run, records and guard included, and no lock."""
    killings.check(case)
