"""Job: healthy when complete; it runs pods until then, and none while suspended."""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Pause, Wanted, WorkloadRules
from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, condition, count, explain, failed, progressing, unknown
from orchestrator.kinds._workload import selector_of, suspended, template_of


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Source: kstatus `jobConditions`, save that a job which has merely started is not done."""
    if condition(live, "Failed").get("status") == "True":
        return failed(live, "job-failed", explain(condition(live, "Failed")))
    if _is_complete(live):
        return DONE
    if dig(live, "spec", "suspend"):
        return progressing(live, "suspended", "the job is suspended", "spec.suspend")
    return progressing(live, "job-running", "the job is not complete")


def assess_stopped(live: JsonObject, wanted: Wanted) -> Assessment:
    """Stopped when it has ended for good; a suspended job can be resumed by anybody, but by nothing of its own."""
    active = count(live, "status", "active") + count(live, "status", "terminating")
    if active:
        return unknown(live, "not-switchable", f"it runs {active} pods and has no replicas to set to 0")
    if _is_complete(live) or condition(live, "Failed").get("status") == "True":
        return DONE
    if dig(live, "spec", "suspend") and condition(live, "Suspended").get("status") == "True":
        return DONE
    return unknown(live, "can-wake", "it has not ended and is not suspended: it starts pods", "spec.suspend")


def pause(live: JsonObject) -> Pause:
    """Suspended; one that has ended starts nothing any more."""
    has_ended = _is_complete(live) or condition(live, "Failed").get("status") == "True"
    return Pause() if has_ended else suspended(live)


def _is_complete(live: JsonObject) -> bool:
    return condition(live, "Complete").get("status") == "True"


def _replicas_of(live: JsonObject) -> int:
    return 0 if dig(live, "spec", "suspend") else count(live, "status", "active")


PLUGIN = Kind(
    resource=Resource("batch", "v1", "jobs", "Job"),
    assess=assess,
    basis=Basis("It says Complete.", ("status.conditions[Complete]", "status.conditions[Failed]")),
    workload=WorkloadRules(
        _replicas_of,
        selector_of,
        template_of,
        assess_stopped,
        Basis(
            "It has ended for good or is suspended, and no pod of it is active.",
            (
                "spec.suspend",
                "status.active",
                "status.terminating",
                "status.conditions[Complete]",
                "status.conditions[Failed]",
                "status.conditions[Suspended]",
            ),
        ),
        is_scalable=False,
    ),
    pause=pause,
)
