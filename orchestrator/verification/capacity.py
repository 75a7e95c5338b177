"""Whether any node of a cluster could ever take a pod, even when empty.

Only what does not change by itself is weighed: what the pod asks for against what nodes offer in all, its nodeSelector
and its required node affinity. Taints, other pods and nodes that are not ready pass, so they doom nothing. An operator
or a quantity that is not understood counts as fitting.
"""

from __future__ import annotations

from decimal import Decimal

from orchestrator.core.objects import JsonObject
from orchestrator.core.scheduling import allocatable_of, plain, requests_of, selects
from orchestrator.core.text import printable


def why_never_fits(pod: JsonObject, nodes: tuple[JsonObject, ...]) -> str | None:
    """Why no node could ever take this pod, in a sentence; None where one could, or where no node is known."""
    if not nodes:
        return None
    candidates = [node for node in nodes if selects(pod, node)]
    if not candidates:
        return f"none of {len(nodes)} nodes matches its node selector and affinity"
    needed = requests_of(pod)
    offers = [allocatable_of(node) for node in candidates]
    for resource, amount in needed.items():
        largest = max(offer.get(resource, Decimal(0)) for offer in offers)
        if amount > largest:
            return f"it asks for {plain(amount)} {printable(resource)}, the largest node has {plain(largest)}"
    if not any(all(offer.get(resource, 0) >= amount for resource, amount in needed.items()) for offer in offers):
        words = ", ".join(f"{plain(amount)} {printable(resource)}" for resource, amount in needed.items())
        return f"no node has all that it asks for: {words}"
    return None
