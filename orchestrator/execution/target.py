"""Where a rollback leads: pure, from what was planned and what was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.core.kind import Wanted
from orchestrator.core.objects import ANNOTATION_REVISION, JsonObject, ObjectRef, ref_of
from orchestrator.core.observation import Expectation, Subject
from orchestrator.core.plan import ItemPlan, Verb
from orchestrator.core.verdict import Want
from orchestrator.execution.outcome import Written


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a cluster is to be again."""

    want: Want
    revision: str | None = None
    manifests: Mapping[ObjectRef, JsonObject] = field(default_factory=dict)
    """What was applied before, where the revision differs from this run's."""
    replicas: Mapping[ObjectRef, int] = field(default_factory=dict)
    """Replicas of the workloads that this run scaled and that were there before."""

    @property
    def words(self) -> str:
        """For people: `revision 0123…`, `disabled` or `what was there before`."""
        if self.want is Want.DISABLED:
            return "disabled"
        return f"revision {self.revision}" if self.revision else "what was there before"


def target_of(item: ItemPlan, written: tuple[Written, ...], kept: tuple[JsonObject, ...] | None) -> Target:
    """What the cluster said before the run; without an entry, what the workloads themselves were.

    What was switched off stays off, whatever number was seen: a rollback never switches a model on.
    """
    created = {write.ref for write in written if write.created}
    before: dict[ObjectRef, int] = {}
    for write in written:
        if write.verb is Verb.SCALE and write.replicas_before is not None and write.ref not in created:
            before.setdefault(write.ref, write.replicas_before)
    previous = item.previous
    if previous is None:
        want = Want.ENABLED if any(before.values()) else Want.DISABLED
        return Target(want=want, replicas=before)
    if previous.want is Want.DISABLED:
        before = dict.fromkeys(before, 0)
    return Target(
        want=previous.want,
        revision=previous.revision,
        manifests={ref_of(manifest): _of_revision(manifest, previous.revision) for manifest in kept or ()},
        replicas=before,
    )


def subject_of(item: ItemPlan, target: Target, rewritten: tuple[Written, ...]) -> Subject:
    """What the verifier has to find after the rollback."""
    manifests: tuple[tuple[ObjectRef, JsonObject | None], ...]
    if target.want is Want.ENABLED and target.manifests:
        manifests = tuple(target.manifests.items())
    else:
        gone = set(item.absent_before)
        manifests = tuple(
            (expected.ref, expected.manifest if target.revision else None)
            for expected in item.subject.expectations
            if expected.ref not in gone or target.want is Want.DISABLED
        )
    expectations = tuple(
        Expectation(ref, manifest, _wanted(ref, item, target, rewritten)) for ref, manifest in manifests
    )
    places = {*item.subject.namespaces, *(expected.ref.namespace for expected in expectations)}
    return replace(
        item.subject,
        want=target.want,
        revision=target.revision,
        expectations=expectations,
        namespaces=tuple(sorted(places - {""})),
    )


def _wanted(ref: ObjectRef, item: ItemPlan, target: Target, rewritten: tuple[Written, ...]) -> Wanted:
    planned = {expected.ref: expected.wanted for expected in item.subject.expectations}.get(ref, Wanted())
    generations = [write.generation for write in rewritten if write.ref == ref and write.generation is not None]
    replicas = target.replicas.get(ref, planned.replicas)
    if target.want is Want.DISABLED and replicas is not None:
        replicas = 0
    return Wanted(generation=generations[-1] if generations else None, replicas=replicas)


def _of_revision(manifest: JsonObject, revision: str | None) -> JsonObject:
    metadata = manifest.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), ANNOTATION_REVISION: revision}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}
