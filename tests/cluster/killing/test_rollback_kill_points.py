"""A failing rollout that is killed anywhere, also while it is rolled back: gone on with, the old revision is back."""

from __future__ import annotations

import pytest

from tests.cluster.killing.killings import Case, Killings, cases_of, check_recorded
from tests.cluster.killing.scenery import OLD

STORY = "rollback"
SAMPLE = (("before answered us-east-1 one apply apps/Deployment NS/server #2", "resume"),)


def test_the_recorded_points_are_those_of_an_undisturbed_run(killings: Killings) -> None:
    """A new kind of record is a new kill point: it must not go untested."""
    check_recorded(killings.undisturbed(STORY), STORY)


def test_the_old_image_is_back_everywhere(killings: Killings) -> None:
    """The end that every other run is held against: the old image in both clusters, with the replicas of before."""
    first, second = killings.undisturbed(STORY).state.values()
    assert first["pods"] == {f"server {OLD} ready": 2}
    assert second["pods"] == {f"server {OLD} ready": 1}


@pytest.mark.parametrize("case", cases_of(STORY, "resume", sample=SAMPLE))
def test_killed_there_it_comes_to_the_same_end(killings: Killings, case: Case) -> None:
    """Every object as before the rollout and as after an undisturbed rollback, and no lock."""
    killings.check(case)
