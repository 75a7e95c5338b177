"""What an API server spends on a guard: unrelated giants are admitted; a guard that it cannot carry is not drawn."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from orchestrator.core.model import Match
from orchestrator.core.objects import JsonObject
from orchestrator.guarding import GuardImpossible
from tests.cluster.guarding.stage import DRY_RUN, Stage

CREATE = ("create", DRY_RUN, "-f", "-")
CONTAINERS, VARIABLES, MEGABYTE = 20, 200, 1024 * 1024


def unlike(count: int, model: str) -> tuple[str, ...]:
    """URIs with as little in common as 50 buckets of 50 owners have."""

    def word(*parts: Any) -> str:
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]

    return tuple(f"s3://{word(model, number)}/weights/{word(number, model)}" for number in range(count))


def strangers(count: int, model: str) -> tuple[str, ...]:
    """URIs that share nothing but their scheme."""
    return tuple(f"s3://{hashlib.sha256(f'{model}{number}'.encode()).hexdigest()[:40]}" for number in range(count))


def containers(text: str, size: int) -> list[JsonObject]:
    """Together a little more than 1 MB for a size of 245."""
    value = (text * size)[:size]
    variables = [{"name": f"VARIABLE_{number}", "value": value} for number in range(VARIABLES)]
    return [{"name": f"c{number}", "image": "registry.example/a", "env": variables} for number in range(CONTAINERS)]


async def test_an_unrelated_pod_of_a_megabyte_is_admitted_under_fifty_weights(stage: Stage) -> None:
    """Whether its texts have nothing in common with the weights, or as much as any texts can that are none of them."""
    uris = unlike(50, stage.model)
    await stage.bind(stage.guard(match=Match(weights=uris)))
    for text in ("x", "s3://", "/weights/", uris[0][:-1]):
        pod = stage.pod("giant", spec={"containers": containers(text, 245)})
        assert len(repr(pod)) > MEGABYTE
        assert not await stage.is_refused(*CREATE, stdin=pod), text
    pod["spec"]["containers"][-1]["env"][-1] = {"name": "W", "value": uris[-1]}
    assert await stage.is_refused(*CREATE, stdin=pod), "the last variable of the last container"


async def test_an_unrelated_deployment_of_a_megabyte_is_rolled_and_scaled(stage: Stage) -> None:
    """An update looks at what is new and at what is gone: two megabytes, below the limit of each call as well.

    Of these weights six share nothing, so that they are looked for one by one.
    """
    await stage.bind(stage.guard(match=Match(weights=unlike(50, "m3"))))
    giant = stage.workload(name="giant", is_ours=False, replicas=0, spec={"containers": containers("/weights/", 235)})
    await stage.create(giant)
    giant["spec"]["replicas"] = 1
    giant["spec"]["template"]["spec"]["containers"] = containers("s3://weights/", 235)
    assert not await stage.is_refused("replace", "--dry-run=server", "-f", "-", stdin=giant)


async def test_the_largest_guard_that_is_drawn_is_carried(stage: Stage) -> None:
    """What is refused to be drawn begins where 1 MiB of text could not be searched any more."""
    most = max(count for count in range(50, 120) if is_drawn(stage, count))
    assert 50 < most < 119
    await stage.bind(stage.guard(match=Match(weights=strangers(most, stage.model))))
    pod = stage.pod("giant", spec={"containers": containers("s3://", 245)})
    assert not await stage.is_refused(*CREATE, stdin=pod)


def is_drawn(stage: Stage, count: int) -> bool:
    try:
        stage.guard(match=Match(weights=strangers(count, stage.model)))
    except GuardImpossible:
        return False
    return True


async def test_hundreds_of_weights_of_one_model_are_one_search(stage: Stage) -> None:
    """Shards in one folder share what they are found by."""
    uris = tuple(f"s3://weights/{stage.model}/shard-{number:05}" for number in range(300))
    await stage.bind(stage.guard(match=Match(weights=uris)))
    pod = stage.pod("giant", spec={"containers": containers("s3://weights/other/shard-", 245)})
    assert not await stage.is_refused(*CREATE, stdin=pod)
    assert await stage.is_refused_to_create(stage.pod("p", args=[uris[299]]))
    assert not await stage.is_refused_to_create(stage.pod("p", args=[uris[299][:-1] + "x"]))


async def test_a_guard_is_stored_as_it_was_written(stage: Stage) -> None:
    """Nothing is filled in by defaults, so that whatever differs later was changed by somebody."""
    match = Match(labels={"a": "b"}, weights=("s3://a",), images=("x", "y.example/z"))
    guard = await stage.bind(stage.guard(stage.workload(), match=match))
    for wanted, kind in (
        (guard.policy, "validatingadmissionpolicies"),
        (guard.binding, "validatingadmissionpolicybindings"),
    ):
        assert (await stage.get(kind, guard.name))["spec"] == wanted["spec"]


@pytest.mark.parametrize("match", [Match(weights=("",)), Match(images=(" ",))])
def test_marks_that_match_everything_are_no_guard(stage: Stage, match: Match) -> None:
    with pytest.raises(GuardImpossible):
        stage.guard(match=match)
