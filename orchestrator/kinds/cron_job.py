"""CronJob: nothing to wait for when enabled; dark only while suspended."""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Wanted, WorkloadRules
from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, progressing, unknown
from orchestrator.kinds._workload import suspended


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """It waits for its schedule: being there, and not suspended, is all there is to see."""
    if dig(live, "spec", "suspend"):
        return progressing(live, "suspended", "it is suspended", "spec.suspend")
    return DONE


def assess_stopped(live: JsonObject, wanted: Wanted) -> Assessment:
    """Suspended and without a running job."""
    active = dig(live, "status", "active", default=[])
    if active:
        return unknown(live, "not-switchable", f"it runs {len(active)} jobs and has no replicas to set to 0")
    if dig(live, "spec", "suspend"):
        return DONE
    return unknown(live, "can-wake", "its schedule starts pods", "spec.suspend")


def _template_of(live: JsonObject) -> JsonObject:
    template = dig(live, "spec", "jobTemplate", "spec", "template", default={})
    return template if isinstance(template, dict) else {}


PLUGIN = Kind(
    resource=Resource("batch", "v1", "cronjobs", "CronJob"),
    assess=assess,
    basis=Basis("It is there and not suspended.", ("spec.suspend",)),
    workload=WorkloadRules(
        lambda live: 0,
        lambda live: None,
        _template_of,
        assess_stopped,
        Basis("It is suspended, and none of its jobs is active.", ("spec.suspend", "status.active")),
        is_scalable=False,
    ),
    pause=suspended,
)
