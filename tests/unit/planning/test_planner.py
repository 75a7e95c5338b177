"""The plan as a whole: waves, silent clusters, identities."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.model import Adoption, Model
from orchestrator.core.ports import Identity
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason, Want
from orchestrator.errors import UsageError
from orchestrator.planning import plan, reads
from tests.unit.planning.samples import (
    CLUSTERS,
    DEPLOYMENT,
    MODEL,
    NAMESPACE,
    ROUTE,
    SERVICE,
    asked,
    request,
    snapshot,
    wish,
)

EU, US, AP = CLUSTERS
EMPTY = {cluster.name: snapshot(cluster=cluster) for cluster in CLUSTERS}


def test_every_object_is_read_once_and_the_catalogues_objects_of_the_model_as_well() -> None:
    assert asked(wish()) == (NAMESPACE, SERVICE, DEPLOYMENT, ROUTE)
    assert reads(request(wish()))[EU.name].models == ("fable-5",)


def test_what_is_adopted_is_asked_for_by_its_selector() -> None:
    adoption = Adoption(selector={"app": "fable"})
    asked_for = reads(request(wish(model=Model(name="fable-5", adopt=adoption))))[EU.name]
    assert (asked_for.refs, asked_for.adoptions) == ((), {"fable-5": adoption})


def test_clusters_come_in_the_fleets_order() -> None:
    made = plan(request(wish(cluster=AP), wish(cluster=EU), wish(cluster=US)), EMPTY)
    assert [part.cluster.name for part in made.waves[0].clusters] == [EU.name, US.name, AP.name]


def test_the_models_of_a_cluster_stay_together() -> None:
    other = replace(MODEL, name="mythos-5")
    made = plan(request(wish(), wish(cluster=US), wish(model=other), wish(model=other, cluster=US)), EMPTY)
    assert [[item.subject.model.name for item in part.items] for part in made.waves[0].clusters] == [
        ["fable-5", "mythos-5"],
        ["fable-5", "mythos-5"],
    ]
    assert made.models == made.waves[0].models == ("fable-5", "mythos-5")


def test_a_cluster_without_answer_is_named_and_the_others_are_planned() -> None:
    reason = Reason(code="certificate", message="unknown authority")
    dead = ClusterSnapshot(cluster=US, failure=reason)
    made = plan(request(wish(), wish(cluster=US)), {**EMPTY, US.name: dead})
    assert [part.cluster.name for part in made.waves[0].clusters] == [EU.name]
    assert made.waves[0].unreachable == ((US, reason),)


def test_steps_stay_in_order() -> None:
    made = plan(request(wish(step="canary"), wish(cluster=US, step="rest")), EMPTY)
    assert [wave.step for wave in made.waves] == ["canary", "rest"]


def test_a_model_is_set_once_in_a_cluster() -> None:
    twice = request(wish(step="on"), wish(Want.DISABLED, step="off"))
    for ask in (lambda: reads(twice), lambda: plan(twice, EMPTY)):
        with pytest.raises(UsageError, match="fable-5 in eu-1 is set by the steps on and off"):
            ask()


def test_two_names_for_one_cluster_are_an_error() -> None:
    twin = replace(EMPTY[US.name], identity=Identity(uid="uid-eu-1", sandbox=True))
    with pytest.raises(UsageError, match="eu-1 and us-1 are the same cluster"):
        plan(request(wish(), wish(cluster=US)), {**EMPTY, US.name: twin})


def test_it_is_a_rehearsal_only_where_every_cluster_of_the_plan_is_a_sandbox() -> None:
    assert plan(request(wish()), EMPTY).rehearsal
    real = replace(EMPTY[US.name], identity=Identity(uid="u", sandbox=False))
    assert not plan(request(wish(), wish(cluster=US)), {**EMPTY, US.name: real}).rehearsal
    silent = ClusterSnapshot(cluster=EU, failure=Reason(code="unreachable", message="no answer"))
    assert not plan(request(wish()), {EU.name: silent}).rehearsal


NAMES = st.lists(st.text("abcdef", min_size=1, max_size=4), unique=True, min_size=1, max_size=8)


@settings(deadline=None)
@given(NAMES, st.data())
def test_every_wish_is_planned_exactly_once_whatever_the_order(names: list[str], data: st.DataObject) -> None:
    fleet = Fleet(name="f", clusters=tuple(Cluster(name=name, region="r") for name in names))
    chosen = data.draw(st.permutations(fleet.clusters))
    steps = [data.draw(st.sampled_from(["one", "two", "three"])) for _ in chosen]
    dead = data.draw(st.sets(st.sampled_from(names)))
    failure = Reason(code="unreachable", message="no answer")
    found = {
        cluster.name: ClusterSnapshot(cluster=cluster, failure=failure)
        if cluster.name in dead
        else snapshot(cluster=cluster)
        for cluster in fleet.clusters
    }
    wishes = [wish(cluster=cluster, step=step) for cluster, step in zip(chosen, steps, strict=True)]
    made = plan(request(*wishes, fleet=fleet), found)
    planned = [(wave.step, part.cluster.name) for wave in made.waves for part in wave.clusters]
    unreachable = [(wave.step, cluster.name) for wave in made.waves for cluster, _ in wave.unreachable]
    assert sorted(planned + unreachable) == sorted((one.step, one.cluster.name) for one in wishes)
    assert {name for _, name in unreachable} == dead
    for wave in made.waves:
        places = [names.index(part.cluster.name) for part in wave.clusters]
        assert places == sorted(places), "the fleet's order"
