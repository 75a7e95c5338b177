"""What every kind with a pod template has in common."""

from __future__ import annotations

from orchestrator.core.kind import Basis, Pause, WorkloadRules
from orchestrator.core.objects import JsonObject, dig
from orchestrator.core.takedown import FieldCut
from orchestrator.kinds._reading import assess_stopped, count


def replicas_of(live: JsonObject) -> int:
    """spec.replicas with the API's default."""
    return count(live, "spec", "replicas", default=1)


def selector_of(live: JsonObject) -> JsonObject | None:
    """The LabelSelector of its pods."""
    selector = dig(live, "spec", "selector")
    return selector if isinstance(selector, dict) else None


def template_of(live: JsonObject) -> JsonObject:
    """Its pod template."""
    template = dig(live, "spec", "template", default={})
    return template if isinstance(template, dict) else {}


def suspended(live: JsonObject) -> Pause:
    """By `spec.suspend`: a CronJob starts no job, a Job deletes its pods, Flux reconciles nothing."""
    before = dig(live, "spec", "suspend")
    return Pause() if before is True else Pause(fields=(FieldCut(pointer="/spec/suspend", before=before, after=True),))


_STOPPED = Basis(
    "It asks for 0 replicas, and its controller has seen that and reports none.",
    (
        "spec.replicas",
        "metadata.generation",
        "status.observedGeneration",
        "status.replicas",
        "status.terminatingReplicas",
    ),
)
SCALABLE = WorkloadRules(replicas_of, selector_of, template_of, assess_stopped, _STOPPED)
"""Kinds with `/scale`, stopped by zero replicas."""
