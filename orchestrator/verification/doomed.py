"""Pods that can never become ready without a change, so that a rollout need not wait for its deadline.

A workload is doomed when *all* running pods of its newest template are. Source: krane's `kubernetes_resource/pod.rb`
(Evicted and Preempted pods are replaced, so they say nothing), and `capacity` for requests that no node can satisfy.
"""

from __future__ import annotations

import re

from orchestrator.core.objects import JsonObject, ObjectRef, dig
from orchestrator.core.observation import Observation, Subject
from orchestrator.core.text import printable
from orchestrator.core.verdict import Assessment, Readiness, Reason
from orchestrator.verification.capacity import why_never_fits
from orchestrator.verification.findings import DONE
from orchestrator.verification.recognition import controller_uid, labels_of

_NOT_SYNCED = re.compile(r"failed to sync .* cache")
"""A kubelet that has just started has not read its ConfigMaps and Secrets yet: this passes."""
_NOT_FOUND = re.compile(r"not found|manifest unknown|does not exist", re.IGNORECASE)
_REVISION = "deployment.kubernetes.io/revision"
_MOST_CAUSES = 3


def assess_pods(ref: ObjectRef, live: JsonObject, subject: Subject, observation: Observation) -> Assessment:
    """What the newest pods of a workload say: failed when all are doomed, progressing where some wait for a node."""
    pods = [pod for pod in newest_pods(live, observation) if _is_running(pod)]
    nodes = observation.nodes if subject.capacity == "fixed" else ()
    causes = [why_doomed(pod, nodes) for pod in pods]
    if pods and all(causes):
        return Assessment(Readiness.FAILED, _reasons(ref, pods, causes))
    waiting = {str(entry.get("message")): pod for pod in pods if (entry := unscheduled(pod))}
    reasons = [
        Reason(code="unschedulable", message=printable(f"{_name(pod)}: {message}"), object=printable(ref))
        for message, pod in waiting.items()
    ]
    return Assessment(Readiness.PROGRESSING, tuple(reasons[:_MOST_CAUSES])) if reasons else DONE


def newest_pods(live: JsonObject, observation: Observation) -> list[JsonObject]:
    """Pods of the workload's newest template, as far as the controller tells which that is."""
    uid = dig(live, "metadata", "uid", default="")
    if live.get("kind") == "Deployment":
        revision = dig(live, "metadata", "annotations", _REVISION, default="")
        owned_sets = [one for one in observation.replica_sets if controller_uid(one) == uid]
        newest = {
            dig(one, "metadata", "uid")
            for one in owned_sets
            if revision and dig(one, "metadata", "annotations", _REVISION) == revision
        }
        return [pod for pod in observation.pods if controller_uid(pod) in newest]
    owned = [pod for pod in observation.pods if controller_uid(pod) == uid]
    if live.get("kind") == "StatefulSet":
        revision = dig(live, "status", "updateRevision", default="")
        return [pod for pod in owned if revision and labels_of(pod).get("controller-revision-hash") == revision]
    return owned


def why_doomed(pod: JsonObject, nodes: tuple[JsonObject, ...]) -> Reason | None:
    """Why this pod can never become ready; None while it may. `nodes` is every node where none is added by itself."""
    for part in ("initContainerStatuses", "containerStatuses"):
        for status in dig(pod, "status", part, default=[]):
            if cause := _why_container_is_doomed(status):
                return cause
    if unscheduled(pod) and (words := why_never_fits(pod, nodes)):
        return Reason(code="never-fits", message=words)
    return None


def unscheduled(pod: JsonObject) -> JsonObject | None:
    """The condition by which the scheduler says that it finds no node."""
    for entry in dig(pod, "status", "conditions", default=[]):
        if (entry.get("type"), entry.get("status"), entry.get("reason")) == ("PodScheduled", "False", "Unschedulable"):
            return dict(entry)
    return None


def _why_container_is_doomed(status: JsonObject) -> Reason | None:
    name = printable(status.get("name"), 100)
    reason, message = (str(dig(status, "state", "waiting", part, default="")) for part in ("reason", "message"))
    match reason:
        case "CrashLoopBackOff":
            code = dig(status, "lastState", "terminated", "exitCode")
            return Reason(code="crash-loop", message=f"container {name} crashes again and again (exit code {code})")
        case "ErrImagePull" | "ImagePullBackOff" if _NOT_FOUND.search(message):
            return Reason(code="image-not-found", message=f"container {name}: image {status.get('image')} is not found")
        case "InvalidImageName" | "ErrImageNeverPull":
            return Reason(code="image-invalid", message=f"container {name}: {reason}: {message}")
        case "CreateContainerConfigError" if not _NOT_SYNCED.search(message):
            return Reason(code="config-error", message=f"container {name}: {message}")
    ended = dig(status, "state", "terminated", default={})
    if ended.get("reason") == "ContainerCannotRun" and ended.get("exitCode") != 128:
        return Reason(code="cannot-run", message=f"container {name} cannot run: {ended.get('message')}")
    return None


def _reasons(ref: ObjectRef, pods: list[JsonObject], causes: list[Reason | None]) -> tuple[Reason, ...]:
    distinct: dict[tuple[str, str], Reason] = {}
    for pod, cause in zip(pods, causes, strict=True):
        if cause is not None and (cause.code, cause.message) not in distinct:
            words = f"{cause.message} (pod {_name(pod)}, {len(pods)} of {len(pods)} newest pods are doomed)"
            distinct[(cause.code, cause.message)] = Reason(
                code=cause.code, message=printable(words), object=printable(ref)
            )
    return tuple(distinct.values())[:_MOST_CAUSES]


def _is_running(pod: JsonObject) -> bool:
    ended = dig(pod, "status", "phase") in ("Failed", "Succeeded")
    return not ended and dig(pod, "metadata", "deletionTimestamp") is None


def _name(pod: JsonObject) -> str:
    return str(dig(pod, "metadata", "name", default=""))
