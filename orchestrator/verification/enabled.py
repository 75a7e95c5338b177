"""When a model is on: everything that was applied is there, unchanged, of the wanted revision, and healthy."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator import plugins
from orchestrator.core.comparison import differences
from orchestrator.core.kind import WorkloadRules
from orchestrator.core.model import HealthRule
from orchestrator.core.objects import ANNOTATION_REVISION, GroupKind, JsonObject, dig
from orchestrator.core.observation import Expectation, Observation, ProbeOutcome, Subject
from orchestrator.core.text import printable
from orchestrator.core.verdict import Assessment, Readiness
from orchestrator.verification.custom import assess_custom
from orchestrator.verification.doomed import assess_pods
from orchestrator.verification.findings import READING_ERRORS, finding, unreadable
from orchestrator.verification.recognition import POD

_MOST_DRIFT = 5
_RELEVANT = frozenset({"objects", "pods"})
"""Parts of an observation without which nothing can be said; the others only make an answer come sooner."""


def health_rule(subject: Subject, kind: GroupKind) -> HealthRule | None:
    """The model's own rule for a kind; none counts for kinds that are known to run pods."""
    known = plugins.kinds().get(kind)
    if kind == POD or (known is not None and known.workload is not None):
        return None
    return next((rule for rule in subject.model.health if GroupKind.parse(rule.kind) == kind), None)


class EnabledRules:
    """What there is to say about a model that should be on."""

    def __init__(self, subject: Subject, observation: Observation, since: Observation | None) -> None:
        """`since` is what was seen when the wait began; None when nobody waits."""
        self._subject = subject
        self._observation = observation
        self._since = since

    def findings(self) -> Iterator[Assessment]:
        """Every finding; none that is not done may be missing."""
        is_done = True
        for one in self._on_everything():
            is_done = is_done and one.readiness is Readiness.DONE
            yield one
        if not is_done:
            yield from self._on_what_would_tell_sooner()

    def _on_everything(self) -> Iterator[Assessment]:
        for reason in self._observation.unseen:
            if reason.field in _RELEVANT:
                yield Assessment(Readiness.UNKNOWN, (reason,))
        yield from self._on_the_whole()
        for expectation in self._subject.expectations:
            try:
                yield from list(self._on_object(expectation))
            except READING_ERRORS as error:
                yield unreadable(expectation.ref, error)
        yield from _on_probes(self._subject, self._observation.probes)

    def _on_what_would_tell_sooner(self) -> Iterator[Assessment]:
        """Parts that could not be seen and would say why it is not done; to what is done they matter nothing."""
        for reason in self._observation.unseen:
            if reason.field not in _RELEVANT:
                yield Assessment(Readiness.UNKNOWN, (reason,))

    def _on_the_whole(self) -> Iterator[Assessment]:
        subject = self._subject
        if not subject.expectations and subject.model.adopt:
            yield finding(Readiness.UNKNOWN, "nothing-to-adopt", "no workload is there that could be adopted")
            return
        running = [expectation for expectation in subject.expectations if _runs_something(expectation, subject)]
        if not running:
            yield finding(Readiness.UNKNOWN, "nothing-runs", "none of its objects runs anything that can be judged")
        elif all(expectation.wanted.replicas == 0 for expectation in running):
            words = "0 replicas are wanted of every workload: nothing serves; give it replicas here, or disable it"
            yield finding(Readiness.UNKNOWN, "scaled-to-zero", words)

    def _on_object(self, expectation: Expectation) -> Iterator[Assessment]:
        ref, live = expectation.ref, self._observation.objects.get(expectation.ref)
        if live is None:
            yield finding(Readiness.PROGRESSING, "missing", "it is not there, or has lost our label", object_=ref)
            return
        if dig(live, "metadata", "deletionTimestamp"):
            yield finding(Readiness.PROGRESSING, "terminating", "it is being deleted", object_=ref)
            return
        if expectation.manifest is not None:
            yield from self._on_content(expectation, expectation.manifest, live)
        yield from self._on_health(expectation, live)

    def _on_content(self, expectation: Expectation, manifest: JsonObject, live: JsonObject) -> Iterator[Assessment]:
        wanted, ref = self._subject.revision, expectation.ref
        revision = dig(live, "metadata", "annotations", ANNOTATION_REVISION)
        if wanted is not None and revision != wanted:
            words = f"it is of revision {revision or 'unknown'}, not {wanted}"
            yield finding(Readiness.PROGRESSING, "revision", words, object_=ref)
        for change in differences(manifest, live)[:_MOST_DRIFT]:
            # Values stay out: an environment or an argument may hold a secret.
            path = printable(change.path)
            words = f"{path} is not what was applied"
            yield finding(Readiness.PROGRESSING, "drift", words, object_=ref, field=path)

    def _on_health(self, expectation: Expectation, live: JsonObject) -> Iterator[Assessment]:
        ref = expectation.ref
        kind, rule = plugins.kinds().get(ref.group_kind), health_rule(self._subject, ref.group_kind)
        if rule is not None:
            yield assess_custom(rule, live, expectation.wanted)
        elif kind is None:
            words = "no rule says when this kind is healthy: give one in the model's health"
            yield finding(Readiness.UNKNOWN, "unknown-kind", words, object_=ref)
        elif kind.assess is not None:
            assessment = kind.assess(live, expectation.wanted)
            if assessment.readiness is Readiness.FAILED and self._is_old_failure(expectation, live):
                words = "an earlier rollout failed; waiting for a sign of this one"
                assessment = finding(Readiness.PROGRESSING, "earlier-failure", words, object_=ref)
            yield assessment
            if kind.workload is not None:
                yield from self._on_pods(expectation, live, kind.workload, assessment)
        elif expectation.manifest is None:
            yield finding(Readiness.UNKNOWN, "no-manifest", "nothing is known to compare it with", object_=ref)

    def _on_pods(
        self, expectation: Expectation, live: JsonObject, workload: WorkloadRules, assessment: Assessment
    ) -> Iterator[Assessment]:
        if assessment.readiness is not Readiness.DONE:
            # A status of an older generation does not tell which pods are the newest.
            if all(reason.code != "stale" for reason in assessment.reasons):
                yield assess_pods(expectation.ref, live, self._subject, self._observation)
        elif self._is_idle(expectation, live, workload):
            words = "it runs no replicas, and no autoscaler of the model will raise them"
            yield finding(Readiness.PROGRESSING, "no-replicas", words, object_=expectation.ref)

    def _is_old_failure(self, expectation: Expectation, live: JsonObject) -> bool:
        """Whether a failed rollout is an earlier one's, whose condition the controller has not replaced yet.

        The Deployment controller keeps `ProgressDeadlineExceeded` at the new generation until something moves
        (`DeploymentTimedOut` in its `util/deployment_util.go`): what stood there when the wait began is no news.
        """
        before = self._since.objects.get(expectation.ref) if self._since is not None else None
        if before is None or expectation.ref.group_kind != GroupKind("apps", "Deployment"):
            return False
        return _rollout(before) == _rollout(live)

    def _is_idle(self, expectation: Expectation, live: JsonObject, workload: WorkloadRules) -> bool:
        if not workload.is_scalable or expectation.wanted.replicas == 0 or workload.replicas(live) > 0:
            return False
        for other in self._subject.expectations:
            rules = plugins.kinds().get(other.ref.group_kind)
            scaler = self._observation.objects.get(other.ref)
            if rules is None or rules.scaler is None or scaler is None:
                continue
            named = {(one.group_kind, one.namespace, one.name) for one in rules.scaler.targets(scaler)}
            ref = expectation.ref
            reason = rules.scaler.can_wake(scaler)
            # One that merely has not said that it leaves a zero alone is no promise to raise it.
            wakes = reason is not None and reason.code == "can-wake"
            if wakes and (ref.group_kind, ref.namespace, ref.name) in named:
                return False
        return True


def _runs_something(expectation: Expectation, subject: Subject) -> bool:
    kind = plugins.kinds().get(expectation.ref.group_kind)
    if kind is None:
        rule = health_rule(subject, expectation.ref.group_kind)
        return rule is None or not rule.inert
    return kind.workload is not None or kind.group_kind == POD


def _rollout(live: JsonObject) -> tuple[object, ...]:
    for entry in dig(live, "status", "conditions", default=[]):
        if entry.get("type") == "Progressing":
            return entry.get("status"), entry.get("reason"), entry.get("lastUpdateTime"), entry.get("message")
    return ()


def _on_probes(subject: Subject, outcomes: tuple[ProbeOutcome, ...]) -> Iterator[Assessment]:
    if len(outcomes) < len(subject.model.probes):
        yield finding(Readiness.UNKNOWN, "probe-not-asked", "its probes were not asked yet")
    for outcome in outcomes:
        if outcome.names is None and not outcome.refused:
            words = f"no list of models from {outcome.url}: {outcome.message}"
            yield finding(Readiness.UNKNOWN, "probe-silent", words)
            continue
        missing = [name for name in subject.model.served_names if name not in (outcome.names or ())]
        if missing:
            words = f"{outcome.url} does not list {', '.join(missing)}"
            yield finding(Readiness.PROGRESSING, "probe-misses", words)
