"""Pod that stands alone in the manifests; those of workloads are judged through their owners."""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, condition, explain, failed, progressing


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Ready, or ended with success."""
    if dig(live, "metadata", "deletionTimestamp"):
        return progressing(live, "terminating", "it is being deleted", "metadata.deletionTimestamp")
    match dig(live, "status", "phase"):
        case "Succeeded":
            return DONE
        case "Failed":
            return failed(live, "pod-failed", explain(dig(live, "status", default={})), "status.phase")
        case "Running" if condition(live, "Ready").get("status") == "True":
            return DONE
        case _:
            unready = condition(live, "Ready") or condition(live, "PodScheduled")
            return progressing(live, "not-ready", f"not ready: {explain(unready)}")


PLUGIN = Kind(
    resource=Resource("", "v1", "pods", "Pod"),
    assess=assess,
    basis=Basis("It runs and is Ready, or has succeeded.", ("status.phase", "status.conditions[Ready]")),
)
