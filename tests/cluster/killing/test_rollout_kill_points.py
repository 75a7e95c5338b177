"""A rollout in two waves that is killed anywhere: gone on with, or applied once more, it comes to the same end."""

from __future__ import annotations

import pytest

from tests.cluster.killing.killings import Case, Killings, cases_of, check_recorded
from tests.cluster.killing.scenery import NEW

STORY = "rollout"
SAMPLE = (("before answered eu-west-1 two create apps/Deployment NS/server", "resume"),)


def test_the_recorded_points_are_those_of_an_undisturbed_run(killings: Killings) -> None:
    """A new kind of record is a new kill point: it must not go untested."""
    check_recorded(killings.undisturbed(STORY), STORY)


def test_the_new_image_is_everywhere(killings: Killings) -> None:
    """The end that every other run is held against: the new image in both clusters, with their own replicas."""
    first, second = killings.undisturbed(STORY).state.values()
    assert first["pods"] == {f"server {NEW} ready": 2}
    assert second["pods"] == {f"server {NEW} ready": 3}


@pytest.mark.parametrize("case", cases_of(STORY, "resume", "anew", sample=SAMPLE))
def test_killed_there_it_comes_to_the_same_end(killings: Killings, case: Case) -> None:
    """Every object as after an undisturbed rollout, the passed soak on record, and no lock."""
    killings.check(case)
