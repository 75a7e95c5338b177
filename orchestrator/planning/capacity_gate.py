"""Whether a cluster has room for what is to come back: free capacity, node by node, against what its pods ask for.

Pure. What the gate promises is room at the moment of the look; it reserves nothing. Spread and anti-affinity between
pods are not weighed, so it may promise too much, and never asks for more than the scheduler would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from orchestrator import plugins
from orchestrator.core.objects import JsonObject, ObjectRef, dig, matches_labels
from orchestrator.core.scheduling import Amounts, add, allocatable_of, plain, requests_of, selects, tolerates
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason

_PODS = "pods"
"""The resource by which a node counts how many pods it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Pods of one workload that are not there yet."""

    ref: ObjectRef
    template: JsonObject
    """Its pod template."""
    count: int


def demands_of(
    replicas: Mapping[ObjectRef, int], live: Mapping[ObjectRef, JsonObject], pods: Iterable[JsonObject]
) -> tuple[Demand, ...]:
    """What has to find room so that these workloads have these replicas; pods of theirs that are there count."""
    known = tuple(pods)
    found: list[Demand] = []
    for ref, wanted in replicas.items():
        kind, obj = plugins.kinds().get(ref.group_kind), live.get(ref)
        if kind is None or kind.workload is None or obj is None:
            continue
        selector = kind.workload.selector(obj)
        there = sum(
            dig(pod, "metadata", "namespace") == ref.namespace
            and dig(pod, "status", "phase") not in ("Succeeded", "Failed")
            and matches_labels(selector, dig(pod, "metadata", "labels", default={}))
            for pod in known
        )
        if wanted > there:
            found.append(Demand(ref=ref, template=kind.workload.template(obj), count=wanted - there))
    return tuple(found)


@dataclass(slots=True)
class _Room:
    """What is left on one node."""

    node: JsonObject
    free: Amounts

    def takes(self, pod: JsonObject, needed: Amounts) -> bool:
        fits = all(self.free.get(resource, Decimal(0)) >= amount for resource, amount in needed.items())
        return fits and selects(pod, self.node) and tolerates(pod, self.node)

    def give(self, needed: Amounts) -> None:
        self.free = {key: left - needed.get(key, Decimal(0)) for key, left in self.free.items()}


def shortages(demands: Iterable[Demand], nodes: Iterable[JsonObject], pods: Iterable[JsonObject]) -> tuple[Reason, ...]:
    """By how much each workload is short; empty where everything finds room.

    Room is what Ready, schedulable nodes can allocate, less what unfinished pods ask for, those that wait for a node
    included: they stand first in line. Large pods are placed first.
    """
    rooms = _rooms(nodes, tuple(pods))
    found: list[Reason] = []
    wanted = ((demand, _needs({"spec": dig(demand.template, "spec", default={})})) for demand in demands)
    for demand, needed in sorted(wanted, key=lambda pair: sorted(pair[1].values(), reverse=True), reverse=True):
        pod = {"spec": dig(demand.template, "spec", default={})}
        placed = sum(_place(rooms, pod, needed) for _ in range(demand.count))
        if placed < demand.count:
            found.append(_shortage(demand, placed, needed, rooms))
    return tuple(found)


def _rooms(nodes: Iterable[JsonObject], pods: tuple[JsonObject, ...]) -> list[_Room]:
    used: dict[str, Amounts] = {}
    waiting: list[JsonObject] = []
    for pod in pods:
        if dig(pod, "status", "phase") in ("Succeeded", "Failed"):
            continue
        name = dig(pod, "spec", "nodeName")
        if name:
            used[name] = add(used.get(name, {}), _needs(pod))
        elif not dig(pod, "metadata", "deletionTimestamp"):
            waiting.append(pod)
    rooms: list[_Room] = []
    for node in nodes:
        if _is_open(node):
            taken = used.get(str(dig(node, "metadata", "name")), {})
            free = {key: offer - taken.get(key, Decimal(0)) for key, offer in allocatable_of(node).items()}
            rooms.append(_Room(node, free))
    for pod in waiting:
        _place(rooms, pod, _needs(pod))
    return rooms


def _is_open(node: JsonObject) -> bool:
    conditions = dig(node, "status", "conditions", default=[])
    is_ready = any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in conditions)
    return is_ready and not dig(node, "spec", "unschedulable", default=False)


def _needs(pod: JsonObject) -> Amounts:
    return {**requests_of(pod), _PODS: Decimal(1)}


def _place(rooms: list[_Room], pod: JsonObject, needed: Amounts) -> bool:
    """Take the room of one pod on the fullest node that has it, as that leaves most to larger ones."""
    fitting = [room for room in rooms if room.takes(pod, needed)]
    if not fitting:
        return False
    min(fitting, key=lambda room: sum(room.free.get(resource, Decimal(0)) for resource in needed)).give(needed)
    return True


def _shortage(demand: Demand, placed: int, needed: Amounts, rooms: list[_Room]) -> Reason:
    missing = demand.count - placed
    pod = {"spec": dig(demand.template, "spec", default={})}
    eligible = [room for room in rooms if selects(pod, room.node) and tolerates(pod, room.node)]
    lacks: list[str] = []
    for resource, amount in needed.items():
        free = sum((max(Decimal(0), room.free.get(resource, Decimal(0))) for room in eligible), Decimal(0))
        if free < amount * missing:
            words = f"{plain(amount * missing - free)} {printable(resource, 80)}"
            lacks.append(f"{words} (needs {plain(amount * missing)} more, {plain(free)} free)")
    if not eligible:
        why = "no ready node may take them"
    elif lacks:
        why = "short by " + ", ".join(lacks)
    else:
        each = ", ".join(f"{plain(amount)} {printable(resource, 80)}" for resource, amount in needed.items())
        why = f"enough is free in all, but on no single node: each pod asks for {each}"
    message = f"{missing} of {demand.count} pods find no room: {why}"
    return Reason(code="capacity", message=message, object=str(demand.ref))
