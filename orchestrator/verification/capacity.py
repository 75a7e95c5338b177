"""Whether any node of a cluster could ever take a pod, even when empty.

Only what does not change by itself is weighed: what the pod asks for against what nodes offer in all, its nodeSelector
and its required node affinity. Taints, other pods and nodes that are not ready pass, so they doom nothing. An operator
or a quantity that is not understood counts as fitting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from orchestrator.core.objects import JsonObject, dig
from orchestrator.core.quantity import parse_quantity
from orchestrator.core.text import printable

_Amounts = dict[str, Decimal]


def why_never_fits(pod: JsonObject, nodes: tuple[JsonObject, ...]) -> str | None:
    """Why no node could ever take this pod, in a sentence; None where one could, or where no node is known."""
    if not nodes:
        return None
    candidates = [node for node in nodes if _selects(pod, node)]
    if not candidates:
        return f"none of {len(nodes)} nodes matches its node selector and affinity"
    needed = requests_of(pod)
    offers = [_amounts(dig(node, "status", "allocatable", default={})) for node in candidates]
    for resource, amount in needed.items():
        largest = max(offer.get(resource, Decimal(0)) for offer in offers)
        if amount > largest:
            return f"it asks for {_plain(amount)} {printable(resource)}, the largest node has {_plain(largest)}"
    if not any(all(offer.get(resource, 0) >= amount for resource, amount in needed.items()) for offer in offers):
        words = ", ".join(f"{_plain(amount)} {printable(resource)}" for resource, amount in needed.items())
        return f"no node has all that it asks for: {words}"
    return None


def requests_of(pod: JsonObject) -> _Amounts:
    """What the scheduler reserves for a pod, by resource.

    Containers and sidecars add up; an init container needs its share beside the sidecars started before it. What is
    asked of the pod as a whole replaces the sum. Source: the API reference of `PodSpec` and KEP-753, KEP-2837.
    """
    running: _Amounts = {}
    peak: _Amounts = {}
    for container in dig(pod, "spec", "initContainers", default=[]):
        needed = _requested(container)
        if container.get("restartPolicy") == "Always":
            running = _sum(running, needed)
        else:
            peak = _most(peak, _sum(running, needed))
    for container in dig(pod, "spec", "containers", default=[]):
        running = _sum(running, _requested(container))
    total = {**_most(peak, running), **_requested(dig(pod, "spec", default={}))}
    total = _sum(total, _amounts(dig(pod, "spec", "overhead", default={})))
    return {resource: amount for resource, amount in total.items() if amount > 0}


def _requested(container: JsonObject) -> _Amounts:
    limits, requests = (dig(container, "resources", part, default={}) for part in ("limits", "requests"))
    return _amounts({**limits, **requests})


def _amounts(values: Mapping[str, object]) -> _Amounts:
    found: _Amounts = {}
    for resource, value in values.items():
        try:
            found[resource] = parse_quantity(value)
        except ValueError:
            continue
    return found


def _sum(one: _Amounts, other: _Amounts) -> _Amounts:
    return {key: one.get(key, Decimal(0)) + other.get(key, Decimal(0)) for key in {**one, **other}}


def _most(one: _Amounts, other: _Amounts) -> _Amounts:
    return {key: max(one.get(key, Decimal(0)), other.get(key, Decimal(0))) for key in {**one, **other}}


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _selects(pod: JsonObject, node: JsonObject) -> bool:
    labels = dig(node, "metadata", "labels", default={})
    selector = dig(pod, "spec", "nodeSelector", default={})
    if any(labels.get(key) != value for key, value in selector.items()):
        return False
    required = dig(
        pod, "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"
    )
    return not required or any(_term_fits(term, node) for term in required)


def _term_fits(term: JsonObject, node: JsonObject) -> bool:
    labels = dig(node, "metadata", "labels", default={})
    name = {"metadata.name": dig(node, "metadata", "name", default="")}
    rules = list(_rules(term, "matchExpressions", labels)) + list(_rules(term, "matchFields", name))
    return bool(rules) and all(rules)


def _rules(term: JsonObject, part: str, values: Mapping[str, str]) -> Iterator[bool]:
    for expression in term.get(part) or []:
        wanted, value = expression.get("values") or [], values.get(expression.get("key"))
        match expression.get("operator"):
            case "In":
                yield value in wanted
            case "NotIn":
                yield value not in wanted
            case "Exists":
                yield value is not None
            case "DoesNotExist":
                yield value is None
            case "Gt" | "Lt" as operator:
                yield _compares(value, operator, wanted)
            case _:
                yield True


def _compares(value: str | None, operator: str, wanted: list[str]) -> bool:
    try:
        number, limit = int(value or ""), int(wanted[0])
    except (ValueError, IndexError):
        return False
    return number > limit if operator == "Gt" else number < limit
