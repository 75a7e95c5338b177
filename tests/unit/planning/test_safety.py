"""The fleet's safety rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.fleet import Fleet, SafetyRule
from orchestrator.core.objects import ObjectRef
from orchestrator.core.plan import Plan
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason, Want
from orchestrator.errors import UsageError
from orchestrator.planning import plan, reads
from tests.unit.planning.samples import CLUSTERS, DEPLOYMENT, FLEET, applied, codes, recorded, request, snapshot, wish

EU, US, AP = CLUSTERS


def guarded(rule: str, value: int, **more: Any) -> Fleet:
    return replace(FLEET, safety=(SafetyRule(rule=rule, value=value, **more),))


def on(cluster: Any, ready: int = 3) -> ClusterSnapshot:
    live = applied(wish(cluster=cluster))
    live[DEPLOYMENT]["status"] = {"readyReplicas": ready}
    return snapshot(live, cluster=cluster, entry=recorded(wish(cluster=cluster)))


def everywhere(**changes: ClusterSnapshot) -> dict[str, ClusterSnapshot]:
    return {cluster.name: on(cluster) for cluster in CLUSTERS} | {one.cluster.name: one for one in changes.values()}


def planned(fleet: Fleet, *clusters: Any, found: dict[str, ClusterSnapshot] | None = None, **options: Any) -> Plan:
    wishes = [wish(Want.DISABLED, cluster=cluster) for cluster in clusters]
    return plan(request(*wishes, fleet=fleet, **options), found or everywhere())


def test_a_plan_that_leaves_too_few_clusters_on_is_refused_by_the_rules_name() -> None:
    made = planned(guarded("minEnabledClusters", 2), EU, US)
    (reason,) = made.refusals
    assert reason.code == "minEnabledClusters"
    assert "left on in 1 clusters, at least 2 are required" in reason.message


def test_a_plan_that_leaves_enough_is_not() -> None:
    assert not planned(guarded("minEnabledClusters", 2), EU).refusals


def test_a_cluster_that_does_not_answer_is_not_counted() -> None:
    dead = ClusterSnapshot(cluster=AP, failure=Reason(code="unreachable", message="no answer"))
    assert codes(planned(guarded("minEnabledClusters", 2), EU, found=everywhere(ap=dead)).refusals)


def test_a_cluster_whose_workloads_stand_at_zero_is_not_counted() -> None:
    idle = snapshot(applied(wish(cluster=AP), replicas=0), cluster=AP, entry=recorded(wish(cluster=AP)))
    assert codes(planned(guarded("minEnabledClusters", 2), EU, found=everywhere(ap=idle)).refusals)


def test_a_held_cluster_is_not_counted() -> None:
    held = replace(on(AP), holds=snapshot(holds=("directive-1",)).holds)
    assert codes(planned(guarded("minEnabledClusters", 2), EU, found=everywhere(ap=held)).refusals)


def test_what_the_same_plan_enables_counts() -> None:
    found = everywhere(ap=snapshot(cluster=AP))
    wishes = (wish(Want.DISABLED, cluster=EU, step="off"), wish(cluster=AP, step="on"))
    fleet = guarded("minEnabledClusters", 2)
    assert not plan(request(*wishes, fleet=fleet), found).refusals


def test_an_enable_that_a_hold_keeps_off_does_not_count() -> None:
    found = everywhere(ap=snapshot(cluster=AP, holds=("directive-1",)))
    wishes = (wish(Want.DISABLED, cluster=EU, step="off"), wish(cluster=AP, step="on"))
    assert codes(plan(request(*wishes, fleet=guarded("minEnabledClusters", 2)), found).refusals)


def test_switching_off_what_is_off_already_is_not_refused() -> None:
    off = {cluster.name: snapshot(cluster=cluster) for cluster in CLUSTERS}
    assert not planned(guarded("minEnabledClusters", 2), EU, found=off).refusals


def test_enabling_is_never_refused() -> None:
    made = plan(request(wish(), fleet=guarded("minEnabledClusters", 9)), {EU.name: snapshot()})
    assert not made.refusals


def test_a_rule_watches_the_models_it_names() -> None:
    assert not planned(guarded("minEnabledClusters", 2, models=("mythos-5",)), EU, US).refusals
    assert planned(guarded("minEnabledClusters", 2, models=("fable-5",)), EU, US).refusals


def test_too_many_clusters_at_once_are_refused() -> None:
    assert codes(planned(guarded("maxDisabledClusters", 1), EU, US).refusals) == ["maxDisabledClusters"]
    assert not planned(guarded("maxDisabledClusters", 2), EU, US).refusals


def test_too_few_ready_replicas_are_refused() -> None:
    few = everywhere(us=on(US, ready=1), ap=on(AP, ready=1))
    assert codes(planned(guarded("minReadyReplicas", 3), EU, found=few).refusals) == ["minReadyReplicas"]
    assert not planned(guarded("minReadyReplicas", 2), EU, found=few).refusals


def test_an_override_by_name_lets_it_through_and_keeps_the_reason() -> None:
    made = planned(guarded("minEnabledClusters", 2), EU, US, overridden_rules={"minEnabledClusters": "drill 7"})
    assert made.refusals == ()
    assert "overridden: drill 7" in made.overridden[0].message


def test_an_override_of_what_is_not_violated_is_not_reported() -> None:
    made = planned(guarded("minEnabledClusters", 1), EU, overridden_rules={"minEnabledClusters": "drill"})
    assert (made.refusals, made.overridden) == ((), ())


@pytest.mark.parametrize("ask", [reads, lambda asked: plan(asked, everywhere())])
def test_an_unknown_rule_is_an_error_with_a_suggestion(ask: Any) -> None:
    with pytest.raises(UsageError, match="no safety rule minEnabledCluster") as caught:
        ask(request(wish(Want.DISABLED), fleet=guarded("minEnabledCluster", 1)))
    assert caught.value.hint == "did you mean minEnabledClusters?"
    with pytest.raises(UsageError, match="no safety rule nonsense"):
        ask(request(wish(), overridden_rules={"nonsense": "because"}))


def test_clusters_outside_the_plan_are_read_where_a_rule_counts_them() -> None:
    fleet = guarded("minEnabledClusters", 2)
    asked = reads(request(wish(Want.DISABLED), fleet=fleet))
    assert sorted(asked) == sorted(cluster.name for cluster in CLUSTERS)
    assert (asked[AP.name].refs, asked[AP.name].models) == ((), ("fable-5",))
    assert sorted(reads(request(wish(), fleet=fleet))) == [EU.name], "an enable needs no count"


def test_a_cluster_outside_the_plan_is_no_part_of_its_waves() -> None:
    dead = ClusterSnapshot(cluster=AP, failure=Reason(code="unreachable", message="no answer"))
    made = planned(guarded("minEnabledClusters", 1), EU, found=everywhere(ap=dead))
    assert [part.cluster.name for part in made.waves[0].clusters] == [EU.name]
    assert made.waves[0].unreachable == ()


def test_the_live_object_that_counts_is_the_one_recorded() -> None:
    """A recorded workload under another name does not make the cluster count."""
    entry = replace(recorded(wish(cluster=AP)), objects=(("apps/v1", "Deployment", "fable", "other"),))
    other = snapshot(applied(wish(cluster=AP)), cluster=AP, entry=entry)
    assert ObjectRef("apps/v1", "Deployment", "fable", "other") not in other.live
    assert codes(planned(guarded("minEnabledClusters", 2), EU, found=everywhere(ap=other)).refusals)
