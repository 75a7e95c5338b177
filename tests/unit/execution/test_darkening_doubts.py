"""What a takedown must not forget: nodes that fell silent, workloads that others share, a hold that became none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.holds import Hold, read_hold, read_restore_record
from orchestrator.core.model import Match, SharedWorkload
from orchestrator.core.objects import JsonObject, ObjectRef, ref_of
from orchestrator.core.observation import PodTrace, Traces
from orchestrator.core.plan import Plan
from orchestrator.core.verdict import Verdict
from orchestrator.errors import Forbidden, Unreachable
from orchestrator.execution.keeping import KEPT_FOR
from tests.unit.execution.doubles import WORKLOAD
from tests.unit.execution.test_darkening import DIGEST, DarkWorld, darkening, replicas_in
from tests.unit.execution.world import codes

HOLD = Hold(name="directive", model="fable-5", digest=DIGEST)
NODE = ObjectRef("v1", "Node", "", "n1")


def node(*, ready: bool) -> JsonObject:
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "status": {"conditions": conditions}}


def world_with_pod_on_node(**changed: Any) -> DarkWorld:
    """The search sees one pod, on n1; when it is looked at, nothing is left."""
    world = DarkWorld("a", **changed)
    metadata = {"name": "p", "namespace": "serving", "uid": "u1"}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r", "controller": True}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "ownerReferences": [owner]},
           "spec": {"nodeName": "n1"}}  # fmt: skip
    world.verifier.traces["a"] = Traces(pods=(PodTrace(pod=pod, presence="present"),))
    return world


async def test_a_node_that_fell_silent_after_the_search_leaves_its_pods_unproven() -> None:
    """Deleted by force, they are out of sight; nobody saw them end."""
    world = world_with_pod_on_node()
    world.clusters["a"]._store(NODE, node(ready=False))
    item = await world.take_one_dark()
    assert (item.verdict, "node-not-ready" in codes(item)) == (Verdict.UNVERIFIED, True)
    world = world_with_pod_on_node()
    world.clusters["a"]._store(NODE, node(ready=True))
    assert (await world.take_one_dark()).verdict is Verdict.VERIFIED


async def test_a_last_search_that_is_not_answered_leaves_absence_unproven() -> None:
    """What came between the first search and the guard would start as soon as the guard is gone."""
    world = DarkWorld("a")
    answers, first = world.verifier.search, []

    async def search(*asked: Any) -> Traces:
        first.append(asked)
        if len(first) > 1:
            raise Unreachable("no answer")
        return await answers(*asked)

    world.verifier.search = search  # type: ignore[method-assign]
    item = await world.take_one_dark()
    assert (item.verdict, "not-searched" in codes(item)) == (Verdict.UNVERIFIED, True)


async def test_a_node_whose_object_is_gone_or_cannot_be_read_proves_nothing() -> None:
    assert (await world_with_pod_on_node().take_one_dark()).verdict is Verdict.UNVERIFIED
    world = world_with_pod_on_node()
    world.clusters["a"]._store(NODE, node(ready=True))
    world.refuse("a", kind="Node", verb="get", error=Forbidden("not permitted: get nodes", status=403))
    item = await world.take_one_dark()
    assert (item.verdict, {"forbidden", "node-not-ready"} <= set(codes(item))) == (Verdict.UNVERIFIED, True)


async def test_a_second_takedown_does_not_forget_a_silent_node() -> None:
    """By then its pods are nowhere to be seen: only the hold remembers it, until the node answers."""
    world = world_with_pod_on_node()
    world.clusters["a"]._store(NODE, node(ready=False))
    await world.take_one_dark()
    world.verifier.traces["a"] = Traces()
    assert (await world.take_one_dark()).verdict is Verdict.UNVERIFIED
    world.clusters["a"]._store(NODE, node(ready=True))
    assert (await world.take_one_dark()).verdict is Verdict.VERIFIED
    kept = read_hold(world.clusters["a"].objects[ref_of(HOLD.to_config_map())])
    assert kept is not None and kept.silent_nodes == ()


@pytest.mark.parametrize(
    "subject",
    [
        {"model": {"shared_in": (SharedWorkload(selector={"app": "router"}),)}},
        {"others": {"mythos-5": Match(weights=("s3://w/mythos-5",))}},
    ],
    ids=["named in sharedIn", "carries marks of two"],
)
@pytest.mark.parametrize("include_shared", [False, True])
async def test_a_workload_whose_pods_serve_others_is_stopped_only_when_asked_for(
    subject: dict[str, Any], include_shared: bool
) -> None:
    world = DarkWorld("a")
    template = {"metadata": {"labels": {"app": "router"}}, "spec": {"containers": [{"args": ["s3://w/mythos-5"]}]}}
    workload = world.clusters["a"].objects[WORKLOAD]
    workload["spec"]["template"] = template
    item = await world.take_one_dark(shared(world.plan(darkening=darkening(include_shared=include_shared)), subject))
    assert (replicas_in(world, "a"), "shared" in codes(item)) == ((0, False) if include_shared else (3, True))


def shared(plan: Plan, changes: dict[str, Any]) -> Plan:
    (wave,) = plan.waves
    (part,) = wave.clusters
    (item,) = part.items
    model = replace(item.subject.model, **changes.get("model", {}))
    subject = replace(item.subject, model=model, others=changes.get("others", {}))
    part = replace(part, items=(replace(item, subject=subject),))
    return replace(plan, waves=(replace(wave, clusters=(part,)),))


@pytest.mark.parametrize("damage", ["label", "data"])
async def test_what_stands_in_the_place_of_the_hold_and_holds_nothing_is_written_anew(damage: str) -> None:
    """Without its label nobody reads it as a hold, and with another digest it is another order's."""
    world = DarkWorld("a")
    broken = HOLD.to_config_map()
    if damage == "label":
        broken["metadata"]["labels"] = {"somebody": "else"}
    else:
        broken["data"]["digest"] = "b" * 64
    world.clusters["a"]._store(ref_of(broken), broken)
    assert (await world.take_one_dark()).verdict is Verdict.VERIFIED
    kept = read_hold(world.clusters["a"].objects[ref_of(broken)])
    assert kept is not None and (kept.digest, kept.model) == (DIGEST, "fable-5")


async def test_a_hold_of_a_later_version_is_left_as_it_is() -> None:
    world = DarkWorld("a")
    later = HOLD.to_config_map()
    later["data"]["apiVersion"] = "orchestrator/v9"
    world.clusters["a"]._store(ref_of(later), later)
    await world.take_one_dark()
    assert world.clusters["a"].objects[ref_of(later)]["data"]["apiVersion"] == "orchestrator/v9"


@pytest.mark.parametrize(("holds", "expected"), [([], 3), (["directive"], 9), (["other"], 9), (["strange"], 9)])
async def test_what_was_kept_counts_while_any_hold_rests_on_it(holds: list[str], expected: int) -> None:
    """Holds that were deleted by hand, and a model switched on since: what was before that is not what is to return."""
    world = DarkWorld("a")
    cluster = world.clusters["a"]
    old = replace(darkening().records[0], before={"/spec/replicas": 9}).to_secret()
    orders = {"directive": DIGEST, "other": "c" * 64, "strange": "d" * 64}
    old["metadata"]["annotations"] = {KEPT_FOR: f"{DIGEST[:16]} {'c' * 16}"}
    cluster._store(ref_of(old), old)
    for name in holds:
        hold = replace(HOLD, name=name, digest=orders[name]).to_config_map()
        if name == "strange":
            hold["data"]["apiVersion"] = "orchestrator/v9"
        cluster._store(ref_of(hold), hold)
    await world.take_one_dark()
    kept = read_restore_record(cluster.objects[ref_of(old)])
    assert kept is not None and kept.before == {"/spec/replicas": expected}
