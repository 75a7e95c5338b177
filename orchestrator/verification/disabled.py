"""When a model is off: nothing of it runs, nothing of it serves, and nothing can bring it back.

No controller's word is enough: `status.replicas` leaves out pods that are terminating, and a pod that has failed
outlives a scale to zero. The pods themselves are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator import plugins
from orchestrator.core.kind import Kind, Pause
from orchestrator.core.objects import JsonObject, dig, ref_of
from orchestrator.core.observation import Expectation, Observation, Subject
from orchestrator.core.verdict import Assessment, Readiness
from orchestrator.verification.enabled import health_rule
from orchestrator.verification.findings import READING_ERRORS, finding, unreadable
from orchestrator.verification.recognition import POD, ModelPod, Presence, labels_of, model_pods, namespaces_of
from orchestrator.verification.waking import findings_on_waking

_RELEVANT = frozenset({"objects", "pods", "endpoint_slices", "scalers", "reverters"})
_WAKING = frozenset({"scalers", "reverters"})
_WAKING_CODES = frozenset({"can-wake", "not-switchable", "scaler-unsettled", "unknown-kind"})
_SERVICE_NAME = "kubernetes.io/service-name"


class DisabledRules:
    """What there is to say about a model that should be off."""

    def __init__(self, subject: Subject, observation: Observation) -> None:
        self._subject = subject
        self._observation = observation

    def findings(self) -> Iterator[Assessment]:
        """Every finding; none that is not done may be missing."""
        for reason in self._observation.unseen:
            if reason.field in _RELEVANT:
                yield self._unless_guarded(Assessment(Readiness.UNKNOWN, (reason,)), reason.field in _WAKING)
        yield from self._on_being_found()
        for expectation in self._subject.expectations:
            try:
                for assessment in list(self._on_object(expectation)):
                    yield self._unless_guarded(assessment, is_waking(assessment))
            except READING_ERRORS as error:
                yield unreadable(expectation.ref, error)
        try:
            yield from list(self._on_pods_and_endpoints())
        except READING_ERRORS as error:
            yield unreadable("pods", error)
        for assessment in findings_on_waking(self._subject, self._observation):
            yield self._unless_guarded(assessment, True)
        yield from self._on_probes()
        if self._subject.guard == "absent":
            words = "no proven guard keeps it off: whoever starts it again is not refused"
            yield finding(Readiness.UNKNOWN, "guard-absent", words)

    def _on_being_found(self) -> Iterator[Assessment]:
        """Whether there was anything to look for. Everywhere, marks alone will do: ours, or those of its `match`."""
        if self._subject.is_everywhere and not self._rests_on_selector():
            return
        if not self._subject.expectations or not namespaces_of(self._subject):
            words = "nothing of it was found here, and nothing says where to look"
            yield finding(Readiness.UNKNOWN, "found-nowhere", words)
        elif self._has_lost_its_marks():
            words = "the workloads that were adopted are gone, and nothing else tells which pods were theirs"
            yield finding(Readiness.UNKNOWN, "found-nowhere", words)

    def _unless_guarded(self, assessment: Assessment, is_about_waking: bool) -> Assessment:
        """Who could bring it back is only named where the API server itself refuses that."""
        is_moot = is_about_waking and assessment.readiness is Readiness.UNKNOWN and self._subject.guard == "proven"
        return Assessment(Readiness.DONE, assessment.reasons) if is_moot else assessment

    def _has_lost_its_marks(self) -> bool:
        """Whether nobody could tell an orphaned pod: an adopted template has no label of ours, only its selector."""
        objects = self._observation.objects
        return self._rests_on_selector() and not any(one.ref in objects for one in self._subject.expectations)

    def _rests_on_selector(self) -> bool:
        """Whether only the selectors of its workloads tell which pods are the model's."""
        match = self._subject.model.match
        return self._subject.model.adopt is not None and not (match.labels or match.weights or match.images)

    def _on_object(self, expectation: Expectation) -> Iterator[Assessment]:
        ref, live = expectation.ref, self._observation.objects.get(expectation.ref)
        kind = plugins.kinds().get(ref.group_kind)
        if live is None or ref.group_kind == POD:
            return
        rule = health_rule(self._subject, ref.group_kind)
        is_inert = rule is not None and rule.inert
        if kind is None and not is_inert:
            words = "it is there, and no rule says whether this kind runs pods"
            yield finding(Readiness.UNKNOWN, "unknown-kind", words, object_=ref)
        elif kind is not None and kind.deploys and not is_inert:
            words = "it deploys workloads by itself, which are not stopped with it and not looked for"
            yield finding(Readiness.UNKNOWN, "not-switchable", words, object_=ref)
        elif kind is not None and kind.workload is not None:
            yield kind.workload.assess_stopped(live, expectation.wanted)

    def _on_pods_and_endpoints(self) -> Iterator[Assessment]:
        pods = model_pods(self._subject, self._observation)
        for one in pods:
            if (assessment := assess_pod(one)) is not None:
                yield assessment
        for slice_ in self._observation.endpoint_slices:
            yield from self._on_endpoints(slice_, pods)

    def _on_endpoints(self, slice_: JsonObject, pods: tuple[ModelPod, ...]) -> Iterator[Assessment]:
        mine = {(one.ref.namespace, one.ref.name) for one in pods}
        others = {
            (str(dig(pod, "metadata", "namespace")), str(dig(pod, "metadata", "name")))
            for pod in self._observation.pods
        } - mine
        slice_ref = ref_of(slice_)
        service = labels_of(slice_).get(_SERVICE_NAME)
        is_own = (slice_ref.namespace, service) in self._services()
        serving = 0
        for endpoint in dig(slice_, "endpoints", default=[]):
            target = dig(endpoint, "targetRef", default={})
            pod = (str(target.get("namespace") or slice_ref.namespace), str(target.get("name")))
            is_pods = target.get("kind") == "Pod"
            belongs = (is_pods and pod in mine) or (is_own and not (is_pods and pod in others))
            serving += belongs and _serves(endpoint)
        if serving:
            words = f"{serving} endpoints still serve through the service {service}"
            yield finding(Readiness.PROGRESSING, "endpoint", words, object_=slice_ref)

    def _services(self) -> set[tuple[str, str | None]]:
        """Services of the model: those of its manifests; and none that only its pods' endpoints lead to."""
        return {
            (one.ref.namespace, one.ref.name)
            for one in self._subject.expectations
            if str(one.ref.group_kind) == "Service"
        }

    def _on_probes(self) -> Iterator[Assessment]:
        outcomes, served = self._observation.probes, set(self._subject.model.served_names)
        if len(outcomes) < len(self._subject.model.probes):
            yield finding(Readiness.UNKNOWN, "probe-not-asked", "its probes were not asked yet")
        for outcome in outcomes:
            listed = sorted(served.intersection(outcome.names or ()))
            if listed:
                words = f"{outcome.url} still lists {', '.join(listed)}"
                yield finding(Readiness.PROGRESSING, "probe-lists", words)
            elif outcome.names is None and not outcome.refused:
                words = f"{outcome.url} neither lists models nor refuses: {outcome.message}"
                yield finding(Readiness.UNKNOWN, "probe-silent", words)


def is_waking(assessment: Assessment) -> bool:
    """Whether it only says that something could start pods, not that any is there."""
    return all(reason.code in _WAKING_CODES for reason in assessment.reasons)


def assess_pod(one: ModelPod) -> Assessment | None:
    """What a pod of the model means for its absence; None when it is gone."""
    phase = dig(one.pod, "status", "phase", default="in an unknown phase")
    match one.presence:
        case Presence.GONE:
            return None
        case Presence.UNCERTAIN:
            words = f"it is {phase}, and its node {dig(one.pod, 'spec', 'nodeName')} is not ready or not there"
            return finding(Readiness.UNKNOWN, "node-not-ready", words, object_=one.ref)
        case Presence.UNCLEAR:
            words = f"it is {phase}, and its node does not say that each of its containers has ended: delete the pod"
            return finding(Readiness.UNKNOWN, "pod-unclear", words, object_=one.ref)
        case Presence.PRESENT:
            return _assess_running(one, str(phase))


def _assess_running(one: ModelPod, phase: str) -> Assessment:
    if one.is_mirror:
        words = (
            f"node {dig(one.pod, 'spec', 'nodeName')} starts it from a file of its own: only there can it be stopped"
        )
        return finding(Readiness.UNKNOWN, "mirror-pod", words, object_=one.ref)
    if one.shared_with is not None:
        words = f"it is {phase} and serves other models, too ({one.shared_with}): it is not stopped"
        return finding(Readiness.UNKNOWN, "shared", words, object_=one.ref)
    if one.is_terminating or one.is_switched:
        words = f"it is {phase} and terminating" if one.is_terminating else f"it is {phase}"
        return finding(Readiness.PROGRESSING, "pod-left", words, object_=one.ref)
    words = f"it is {phase}, and no workload that can be scaled to zero owns it"
    return finding(Readiness.UNKNOWN, "stray", words, object_=one.ref)


def is_stopped(subject: Subject, observation: Observation) -> bool:
    """Whether every controller says that it runs nothing; pods may still be there, terminating."""
    for expectation in subject.expectations:
        kind, live = plugins.kinds().get(expectation.ref.group_kind), observation.objects.get(expectation.ref)
        if live is None or kind is None or kind.workload is None:
            continue
        try:
            assessment = kind.workload.assess_stopped(live, expectation.wanted)
            still = {"terminating-left", "can-wake"} if _is_paused(kind, live) else {"terminating-left"}
            if any(reason.code not in still for reason in assessment.reasons):
                return False
        except READING_ERRORS:
            return False
    return True


def _is_paused(kind: Kind, live: JsonObject) -> bool:
    """Whether everything is written that keeps it from starting anything: what it could do besides is no fault of its.

    A DaemonSet stays one that could run wherever a node fits.
    """
    return kind.pause is not None and kind.pause(live) == Pause()


def _serves(endpoint: JsonObject) -> bool:
    """Ready, or serving while it terminates; an unknown readiness counts as ready, as clients take it.

    Source: the API reference of `EndpointConditions`.
    """
    ready, serving = (dig(endpoint, "conditions", part) for part in ("ready", "serving"))
    return ready is not False or serving is True
