"""What a pod asks of a node, and whether a node may take it: the scheduler's rules, as far as objects tell them.

Pure. A quantity or an operator that is not understood counts as fitting: nothing is called impossible by guesswork.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from orchestrator.core.objects import JsonObject, dig
from orchestrator.core.quantity import parse_quantity

Amounts = dict[str, Decimal]
"""By resource (`cpu`, `nvidia.com/gpu`): an amount in its base unit."""


def requests_of(pod: JsonObject) -> Amounts:
    """What the scheduler reserves for a pod (or one of a pod template), by resource.

    Containers and sidecars add up; an init container needs its share beside the sidecars started before it. What is
    asked of the pod as a whole replaces the sum. Source: the API reference of `PodSpec` and KEP-753, KEP-2837.
    """
    running: Amounts = {}
    peak: Amounts = {}
    for container in dig(pod, "spec", "initContainers", default=[]):
        needed = _requested(container)
        if container.get("restartPolicy") == "Always":
            running = add(running, needed)
        else:
            peak = _most(peak, add(running, needed))
    for container in dig(pod, "spec", "containers", default=[]):
        running = add(running, _requested(container))
    total = {**_most(peak, running), **_requested(dig(pod, "spec", default={}))}
    total = add(total, amounts_of(dig(pod, "spec", "overhead", default={})))
    return {resource: amount for resource, amount in total.items() if amount > 0}


def allocatable_of(node: JsonObject) -> Amounts:
    """What a node offers in all."""
    return amounts_of(dig(node, "status", "allocatable", default={}))


def amounts_of(values: Mapping[str, object]) -> Amounts:
    """Quantities by resource; those that are not understood are left out."""
    found: Amounts = {}
    for resource, value in values.items():
        try:
            found[resource] = parse_quantity(value)
        except ValueError:
            continue
    return found


def add(one: Amounts, other: Amounts) -> Amounts:
    """Both together."""
    return {key: one.get(key, Decimal(0)) + other.get(key, Decimal(0)) for key in {**one, **other}}


def plain(amount: Decimal) -> str:
    """An amount for people, without an exponent."""
    return f"{amount.normalize():f}"


def selects(pod: JsonObject, node: JsonObject) -> bool:
    """Whether a pod's nodeSelector and required node affinity allow a node."""
    labels = dig(node, "metadata", "labels", default={})
    selector = dig(pod, "spec", "nodeSelector", default={})
    if any(labels.get(key) != value for key, value in selector.items()):
        return False
    required = dig(
        pod, "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"
    )
    return not required or any(_term_fits(term, node) for term in required)


def tolerates(pod: JsonObject, node: JsonObject) -> bool:
    """Whether a pod tolerates every taint of a node that keeps pods off. Source: the API reference of `Toleration`."""
    tolerations = dig(pod, "spec", "tolerations", default=[])
    return all(
        any(_covers(toleration, taint) for toleration in tolerations)
        for taint in dig(node, "spec", "taints", default=[])
        if taint.get("effect") in ("NoSchedule", "NoExecute")
    )


def _covers(toleration: JsonObject, taint: JsonObject) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    key, operator = toleration.get("key"), toleration.get("operator") or "Equal"
    if not key:
        return operator == "Exists"
    if key != taint.get("key"):
        return False
    if operator == "Equal":
        return (toleration.get("value") or "") == (taint.get("value") or "")
    return True


def _requested(container: JsonObject) -> Amounts:
    limits, requests = (dig(container, "resources", part, default={}) for part in ("limits", "requests"))
    return amounts_of({**limits, **requests})


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {key: max(one.get(key, Decimal(0)), other.get(key, Decimal(0))) for key in {**one, **other}}


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
