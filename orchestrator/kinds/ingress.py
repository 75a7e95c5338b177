"""Ingress: a controller has given it an address, the only sign that anybody serves it."""

from __future__ import annotations

from orchestrator.core.kind import Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, progressing


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Where a controller publishes no address, the model's `health` has to say that the kind is inert."""
    if not dig(live, "status", "loadBalancer", "ingress"):
        return progressing(live, "no-address", "no ingress controller serves it yet", "status.loadBalancer.ingress")
    return DONE


PLUGIN = Kind(resource=Resource("networking.k8s.io", "v1", "ingresses", "Ingress"), assess=assess)
