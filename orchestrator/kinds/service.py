"""Service: has its address; a load balancer's is given from outside."""

from __future__ import annotations

from orchestrator.core.kind import Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, progressing


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Source: kstatus `serviceConditions`, with the load balancer's address demanded."""
    type_ = dig(live, "spec", "type", default="ClusterIP")
    if type_ == "ExternalName":
        return DONE
    if not dig(live, "spec", "clusterIP"):
        return progressing(live, "no-address", "it has no cluster address yet", "spec.clusterIP")
    if type_ == "LoadBalancer" and not dig(live, "status", "loadBalancer", "ingress"):
        return progressing(live, "no-address", "no load balancer serves it yet", "status.loadBalancer.ingress")
    return DONE


PLUGIN = Kind(resource=Resource("", "v1", "services", "Service"), assess=assess)
