"""Room for what is to come back: by resource, by node, and said by how much it is short."""

from __future__ import annotations

from typing import Any

from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.planning.capacity_gate import Demand, shortages

REF = ObjectRef("apps/v1", "Deployment", "serving", "fable")


def _node(name: str, *, ready: str = "True", spec: JsonObject | None = None, **allocatable: str) -> JsonObject:
    offers = {"pods": "110", **{key.replace("gpu", "nvidia.com/gpu"): value for key, value in allocatable.items()}}
    conditions = [{"type": "Ready", "status": ready}]
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": spec or {},
        "status": {"allocatable": offers, "conditions": conditions},
    }


def _pod(node: str | None = None, phase: str = "Running", **requests: str) -> JsonObject:
    spec = {**_template(**requests)["spec"], **({"nodeName": node} if node else {})}
    return {"metadata": {"name": "p"}, "spec": spec, "status": {"phase": phase}}


def _template(**requests: str) -> JsonObject:
    amounts = {key.replace("gpu", "nvidia.com/gpu"): value for key, value in requests.items()}
    return {"spec": {"containers": [{"name": "c", "resources": {"requests": amounts}}]}}


def _short(count: int, nodes: list[JsonObject], pods: list[JsonObject], **requests: str) -> list[str]:
    found = shortages([Demand(ref=REF, template=_template(**requests), count=count)], nodes, pods)
    assert all(reason.code == "capacity" and reason.object == str(REF) for reason in found)
    return [reason.message for reason in found]


def test_what_fits_exactly_is_no_shortage() -> None:
    assert _short(4, [_node("a", gpu="8")], [], gpu="2") == []


def test_it_says_by_how_much_a_resource_is_short() -> None:
    (words,) = _short(3, [_node("a", gpu="8", cpu="64")], [_pod("a", gpu="4")], gpu="2", cpu="1")
    assert words == "1 of 3 pods find no room: short by 2 nvidia.com/gpu (needs 2 more, 0 free)"


def test_enough_in_sum_is_not_enough_on_a_node() -> None:
    (words,) = _short(1, [_node("a", gpu="4"), _node("b", gpu="4")], [], gpu="8")
    assert "on no single node" in words


def test_finished_pods_give_their_room_back_and_waiting_ones_stand_first() -> None:
    nodes = [_node("a", gpu="4")]
    assert _short(1, nodes, [_pod("a", "Succeeded", gpu="4"), _pod("a", "Failed", gpu="4")], gpu="4") == []
    assert _short(1, nodes, [_pod(None, "Pending", gpu="4")], gpu="4") != []


def test_nodes_that_are_not_ready_cordoned_or_tainted_offer_nothing() -> None:
    taint: dict[str, Any] = {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}
    closed = [_node("a", ready="Unknown", gpu="8"), _node("b", spec={"unschedulable": True}, gpu="8")]
    assert _short(1, [*closed, _node("c", spec=taint, gpu="8")], [], gpu="1") == [
        "1 of 1 pods find no room: no ready node may take them"
    ]
    template = _template(gpu="1")
    template["spec"]["tolerations"] = [{"key": "gpu", "operator": "Exists"}]
    demand = Demand(ref=REF, template=template, count=8)
    assert shortages([demand], [_node("c", spec=taint, gpu="8")], []) == ()


def test_the_number_of_pods_a_node_takes_counts() -> None:
    (words,) = _short(3, [_node("a", cpu="64", pods="2")], [], cpu="1")
    assert "short by 1 pods" in words


def test_workloads_share_the_room() -> None:
    """Two that fit alone and not together: one of them is short."""
    demands = [Demand(ref=ObjectRef("apps/v1", "Deployment", "s", name), template=_template(gpu="3"), count=1)
               for name in ("one", "two")]  # fmt: skip
    assert len(shortages(demands, [_node("a", gpu="4")], [])) == 1
    assert shortages(demands, [_node("a", gpu="6")], []) == ()
