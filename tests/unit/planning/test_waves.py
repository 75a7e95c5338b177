"""What holds of every order of work: nothing lost, nothing doubled, and no model set by two steps in one cluster."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.model import Model
from orchestrator.core.wish import Wish
from orchestrator.errors import UsageError
from orchestrator.planning.waves import check_set_once, clusters_of
from tests.unit.planning.samples import MODEL, request, wish

FLEET = Fleet(name="f", clusters=tuple(Cluster(name=f"c{number}", region="r") for number in range(5)))
MODELS = tuple(replace(MODEL, name=f"m{number}") for number in range(3))
STEPS = ("one", "two", "three")

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""
places = st.tuples(st.sampled_from(FLEET.clusters), st.sampled_from(MODELS))
once = st.lists(st.tuples(st.sampled_from(STEPS), places), unique_by=lambda one: (one[1][0].name, one[1][1].name))


def wishes_of(chosen: list[tuple[str, tuple[Cluster, Model]]]) -> list[Wish]:
    return [wish(cluster=cluster, model=model, step=step) for step, (cluster, model) in chosen]


@unhurried
@given(once)
def test_a_step_has_each_of_its_wishes_once_by_the_fleets_order_of_clusters(
    chosen: list[tuple[str, tuple[Cluster, Model]]],
) -> None:
    """Whatever the order in which they were wished; within a cluster that order stays."""
    names = [cluster.name for cluster in FLEET.clusters]
    for wave in request(*wishes_of(chosen), fleet=FLEET).waves:
        found = clusters_of(wave, FLEET)
        assert list(found) == [name for name in names if name in found]
        assert all(one.cluster.name == name for name, wishes in found.items() for one in wishes)
        for name, wishes in found.items():
            assert [one.model.name for one in wishes] == [
                one.model.name for one in wave.wishes if one.cluster.name == name
            ]
        assert sum(map(len, found.values())) == len(wave.wishes)


@unhurried
@given(once, st.data())
def test_the_order_of_the_wishes_changes_no_clusters_place(
    chosen: list[tuple[str, tuple[Cluster, Model]]], data: st.DataObject
) -> None:
    """Two pipelines that list the same things differently do them in the same order."""
    shuffled = data.draw(st.permutations(chosen))
    before, after = (
        {wave.step: list(clusters_of(wave, FLEET)) for wave in request(*wishes_of(one), fleet=FLEET).waves}
        for one in (chosen, shuffled)
    )
    assert before == after


@unhurried
@given(st.lists(st.tuples(st.sampled_from(STEPS), places), max_size=8))
def test_two_steps_for_one_model_in_one_cluster_are_refused_and_nothing_else_is(
    chosen: list[tuple[str, tuple[Cluster, Model]]],
) -> None:
    steps: dict[tuple[str, str], set[str]] = {}
    for step, (cluster, model) in chosen:
        steps.setdefault((cluster.name, model.name), set()).add(step)
    contested = [place for place, names in steps.items() if len(names) > 1]
    asked = request(*wishes_of(chosen), fleet=FLEET)
    if not contested:
        check_set_once(asked)
        return
    with pytest.raises(UsageError) as caught:
        check_set_once(asked)
    assert any(cluster in caught.value.message and model in caught.value.message for cluster, model in contested)


@unhurried
@given(once)
def test_no_wish_is_lost_between_the_steps(chosen: list[tuple[str, tuple[Cluster, Model]]]) -> None:
    planned = Counter(
        (wave.step, name, one.model.name)
        for wave in request(*wishes_of(chosen), fleet=FLEET).waves
        for name, wishes in clusters_of(wave, FLEET).items()
        for one in wishes
    )
    assert planned == Counter((step, cluster.name, model.name) for step, (cluster, model) in chosen)
