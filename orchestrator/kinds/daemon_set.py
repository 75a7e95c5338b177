"""DaemonSet: as many pods as nodes fit; it has no replicas, so it cannot be switched off by a number."""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Pause, Wanted, WorkloadRules
from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.core.takedown import FieldCut
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, count, progressing, unknown, unless_observed
from orchestrator.kinds._workload import selector_of, template_of

_NOWHERE = "orchestrator.dev/nowhere"
"""A label that no node carries."""


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Source: kstatus `daemonsetConditions`, save for OnDelete; a set that fits no node runs nothing."""
    if stale := unless_observed(live, wanted):
        return stale
    desired = desired_of(live)
    if desired == 0:
        return progressing(live, "no-node", "no node fits its template", "status.desiredNumberScheduled")
    updated = count(live, "status", "updatedNumberScheduled")
    if updated < desired and dig(live, "spec", "updateStrategy", "type") == "OnDelete":
        words = f"{updated} of {desired} pods are of the new template, and OnDelete replaces none by itself"
        return unknown(live, "on-delete", words, "spec.updateStrategy.type")
    for field in ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"):
        if (number := count(live, "status", field)) < desired:
            return progressing(live, "rolling-out", f"{field}: {number} of {desired}", f"status.{field}")
    return DONE


def assess_stopped(live: JsonObject, wanted: Wanted) -> Assessment:
    """Stopped only while no node fits, which any new or relabelled node ends: never done."""
    if stale := unless_observed(live, wanted):
        return stale
    running = max(desired_of(live), count(live, "status", "currentNumberScheduled"))
    if running:
        return unknown(live, "not-switchable", f"it runs on {running} nodes and has no replicas to set to 0")
    return unknown(live, "can-wake", "it runs again as soon as a node fits")


def pause(live: JsonObject) -> Pause:
    """By a node selector that no node fits: its controller then removes every pod of it."""
    pointer, selector = "/spec/template/spec/nodeSelector", dig(live, "spec", "template", "spec", "nodeSelector")
    if selector is None:
        return Pause(fields=(FieldCut(pointer=pointer, after={_NOWHERE: "true"}),))
    if _NOWHERE in selector:
        return Pause()
    return Pause(fields=(FieldCut(pointer=f"{pointer}/{_NOWHERE.replace('/', '~1')}", after="true"),))


def desired_of(live: JsonObject) -> int:
    """On how many nodes it should run."""
    return count(live, "status", "desiredNumberScheduled")


PLUGIN = Kind(
    resource=Resource("apps", "v1", "daemonsets", "DaemonSet"),
    assess=assess,
    basis=Basis(
        "At its own generation, every node that fits has an updated, available and ready pod.",
        (
            "metadata.generation",
            "status.observedGeneration",
            "status.desiredNumberScheduled",
            "status.currentNumberScheduled",
            "status.updatedNumberScheduled",
            "status.numberAvailable",
            "status.numberReady",
        ),
    ),
    workload=WorkloadRules(
        desired_of,
        selector_of,
        template_of,
        assess_stopped,
        Basis(
            "It runs on no node, and no node may fit it again.",
            ("status.currentNumberScheduled", "status.desiredNumberScheduled"),
        ),
        is_scalable=False,
    ),
    pause=pause,
)
