"""What a bundle says of a region: when its last item passed each step, and nothing of a step that one never passed."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.evidence.timeline import regions_of

RECEIVED = "2026-11-23T20:40:00+00:00"


def item(
    cluster: str = "eu-west-1a", region: str = "eu-west", verdict: str = "verified", **times: Any
) -> dict[str, Any]:
    return {"model": "fable-5", "cluster": cluster, "region": region, "verdict": verdict, "times": times}


def times_of(*items: dict[str, Any]) -> dict[str, Any]:
    (region,) = regions_of(items, RECEIVED)
    found: dict[str, Any] = region["times"]
    return found


def test_a_region_is_as_late_as_its_last_item() -> None:
    first = item("eu-west-1a", guarded="2026-11-23T20:45:01Z", verified="2026-11-23T20:45:20Z")
    last = item("eu-west-1b", guarded="2026-11-23T20:45:02Z", verified="2026-11-23T20:45:19Z")
    times = times_of(first, last)
    assert (times["guarded"], times["verified"]) == ("2026-11-23T20:45:02Z", "2026-11-23T20:45:20Z")


def test_times_are_compared_as_times_not_as_texts() -> None:
    """The same moment can be written in many zones and precisions."""
    early = item("a", stopped="2026-11-23T23:00:00+02:00")
    late = item("b", stopped="2026-11-23T21:00:00.5Z")
    assert times_of(early, late)["stopped"] == "2026-11-23T21:00:00.5Z"


def test_a_step_that_one_item_never_passed_has_no_time() -> None:
    assert times_of(item("a", guarded="2026-11-23T20:45:01Z"), item("b", guarded=None))["guarded"] is None


@pytest.mark.parametrize("verdict", ["residue", "unverified", "failed", "unreachable", "held", "not_run"])
def test_a_region_is_verified_only_where_every_item_is(verdict: str) -> None:
    """An item may carry the time at which its pods stayed away, and still be no proof: a route of it is open."""
    proven = item("a", verified="2026-11-23T20:45:20Z")
    doubtful = item("b", verdict=verdict, verified="2026-11-23T20:45:21Z")
    assert times_of(proven, doubtful)["verified"] is None


@pytest.mark.parametrize("hostile", ["", "soon", 5, [], {}, True])
def test_what_is_no_time_is_none(hostile: Any) -> None:
    assert times_of(item("a", guarded=hostile))["guarded"] is None


def test_items_without_times_are_no_proof() -> None:
    assert set(times_of({"region": "eu-west", "verdict": "verified"}).values()) == {RECEIVED, None}


def test_each_region_stands_for_itself_by_name() -> None:
    regions = regions_of(
        [item("c", "us-east", "residue"), item("a"), item("b"), {**item("a"), "model": "mythos-5"}], RECEIVED
    )
    assert [one["region"] for one in regions] == ["eu-west", "us-east"]
    assert regions[0]["clusters"] == ["a", "b"]
    assert regions[0]["models"] == ["fable-5", "mythos-5"]
    assert [one["verdicts"] for one in regions] == [{"verified": 3}, {"residue": 1}]
    assert {one["times"]["orderReceived"] for one in regions} == {RECEIVED}
