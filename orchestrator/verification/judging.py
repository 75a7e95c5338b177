"""From what was seen to a judgement: pure, and the same for a live cluster as for a file of evidence."""

from __future__ import annotations

from orchestrator import plugins
from orchestrator.core.objects import ANNOTATION_REVISION, JsonObject, dig
from orchestrator.core.observation import Expectation, Observation, Subject
from orchestrator.core.verdict import Assessment, Judgement, ReplicaCount, State, Want
from orchestrator.verification.disabled import DisabledRules
from orchestrator.verification.enabled import EnabledRules
from orchestrator.verification.findings import READING_ERRORS, combined, unreadable
from orchestrator.verification.recognition import ModelPod, Presence, model_pods


def judge(subject: Subject, observation: Observation, since: Observation | None = None) -> Judgement:
    """What the rules say of one model in one cluster at one moment.

    `since` is the first observation of the same wait: a failure that stood there already is an earlier rollout's.
    """
    try:
        assessment = combined(_findings(subject, observation, since))
        state, replicas = _seen(subject, observation)
    except READING_ERRORS as error:
        assessment = unreadable(subject.model.name, error)
        state, replicas = State.UNKNOWN, ReplicaCount()
    return Judgement(assessment.readiness, state, assessment.reasons, replicas, _revision(observation))


def _findings(subject: Subject, observation: Observation, since: Observation | None) -> list[Assessment]:
    if subject.want is Want.ENABLED:
        return list(EnabledRules(subject, observation, since).findings())
    return list(DisabledRules(subject, observation).findings())


def present_pods(subject: Subject, observation: Observation) -> tuple[ModelPod, ...]:
    """The model's pods that are not known to be gone."""
    return tuple(one for one in model_pods(subject, observation) if one.presence is not Presence.GONE)


def _seen(subject: Subject, observation: Observation) -> tuple[State, ReplicaCount]:
    pods = model_pods(subject, observation)
    workloads = [
        _Numbers(one, subject.want, observation) for one in subject.expectations if _is_live_workload(one, observation)
    ]
    count = ReplicaCount(
        desired=sum(one.desired for one in workloads), ready=sum(one.ready for one in workloads), pods=len(pods)
    )
    is_running = any(one.presence is not Presence.GONE for one in pods)
    if any(reason.field in ("objects", "pods") for reason in observation.unseen):
        # What is hidden may be more of it, never less.
        return State.MIXED if is_running and subject.is_everywhere else State.UNKNOWN, count
    if not workloads and any(_is_not_understood(one, observation) for one in subject.expectations):
        return State.MIXED if is_running else State.UNKNOWN, count
    if not is_running and count.desired == 0:
        return State.DISABLED, count
    switched_on = [one for one in workloads if one.is_wanted]
    if switched_on and all(0 < one.desired <= one.ready for one in switched_on):
        return State.ENABLED, count
    return State.MIXED, count


class _Numbers:
    """Replicas of one live workload; its status counts only at the observed generation."""

    def __init__(self, expectation: Expectation, want: Want, observation: Observation) -> None:
        live = observation.objects[expectation.ref]
        kind = plugins.kinds()[expectation.ref.group_kind]
        self.desired = kind.workload.replicas(live) if kind.workload is not None else 0
        self.ready = _ready_replicas(live)
        may_run = want is Want.DISABLED or expectation.wanted.replicas != 0
        self.is_wanted = may_run and kind.workload is not None and kind.workload.is_scalable


def _ready_replicas(live: JsonObject) -> int:
    observed = dig(live, "status", "observedGeneration", default=0) >= dig(live, "metadata", "generation", default=0)
    fields = ("readyReplicas", "numberReady", "ready")
    return next((int(value) for field in fields if observed and (value := dig(live, "status", field))), 0)


def _is_live_workload(expectation: Expectation, observation: Observation) -> bool:
    kind = plugins.kinds().get(expectation.ref.group_kind)
    return kind is not None and kind.workload is not None and expectation.ref in observation.objects


def _is_not_understood(expectation: Expectation, observation: Observation) -> bool:
    return expectation.ref in observation.objects and expectation.ref.group_kind not in plugins.kinds()


def _revision(observation: Observation) -> str | None:
    revisions = {dig(live, "metadata", "annotations", ANNOTATION_REVISION) for live in observation.objects.values()}
    revision = next(iter(revisions)) if len(revisions) == 1 else None
    return revision if isinstance(revision, str) else None
