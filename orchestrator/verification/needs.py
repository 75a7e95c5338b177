"""What has to be read of a cluster to judge a subject: pure, and as little as possible.

On: the objects themselves and their pods. Off: workloads and kinds that nobody knows, pods, endpoints and scalers;
what runs nothing does not matter then. ReplicaSets and nodes are read only where a pod makes them matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from orchestrator import plugins
from orchestrator.core.objects import LABEL_MODEL, ObjectRef, dig
from orchestrator.core.observation import Expectation, Observation, Subject
from orchestrator.core.ports import Keep
from orchestrator.core.verdict import Want
from orchestrator.verification.doomed import unscheduled, why_doomed
from orchestrator.verification.findings import READING_ERRORS
from orchestrator.verification.keeping import pods_to_keep
from orchestrator.verification.recognition import POD, model_pods, namespaces_of


@dataclass(frozen=True, slots=True)
class Need:
    """One list of objects of one kind."""

    part: str
    """Field of `Observation` that it fills."""
    api_version: str
    kind: str
    namespace: str = ""
    labels: str = ""
    """Label selector, where leaving out an object can only make an answer worse."""
    names: frozenset[str] = frozenset()
    """Objects that matter; every one when empty."""
    model: str = ""
    """Whose objects `keep` picks; part of what tells one need from another."""
    wholly: tuple[str, ...] = ()
    """Namespaces of which `keep` picks everything; it tells one need from another, too."""
    keep: Keep | None = field(default=None, compare=False)
    """Whether an object can matter at all; everything does when absent."""


NODES = Need("nodes", "v1", "Node")


def needs_of(subject: Subject) -> tuple[Need, ...]:
    """Everything to be read at first."""
    is_on = subject.want is Want.ENABLED
    matter = [one for one in subject.expectations if is_on or matters_when_off(one)]
    found = list(_objects(matter, subject))
    if looks_everywhere(subject):
        wholly = namespaces_of(subject)
        found.append(Need("pods", "v1", "Pod", model=subject.model.name, wholly=wholly, keep=pods_to_keep(subject)))
    for namespace in namespaces_of(subject):
        if not looks_everywhere(subject):
            found.append(Need("pods", "v1", "Pod", namespace))
        if not is_on:
            found.append(Need("endpoint_slices", "discovery.k8s.io/v1", "EndpointSlice", namespace))
            found.extend(
                Need("scalers", kind.resource.api_version, kind.resource.kind, namespace)
                for kind in plugins.kinds().values()
                if kind.scaler is not None
            )
    return tuple(found)


def looks_everywhere(subject: Subject) -> bool:
    """Whether pods are looked for in all namespaces at once."""
    return subject.is_everywhere and subject.want is Want.DISABLED


def later_needs(subject: Subject, observation: Observation, *, exhaustively: bool) -> tuple[Need, ...]:
    """What else matters, after what was seen.

    On: where a pod is in trouble, ReplicaSets tell whether it is one of the newest; where it finds no node and none
    will be added, nodes tell whether any could take it. Off: a pod that has ended counts as gone only on a node that
    is ready; `exhaustively`, for a last word, the node of any pod that is left matters. Where pods may not be read in
    all namespaces they still are in those that are known. Where an object cannot be read nothing more is needed: no
    judgement gets past it.
    """
    try:
        return _later_needs(subject, observation, exhaustively=exhaustively)
    except READING_ERRORS:
        return ()


def _later_needs(subject: Subject, observation: Observation, *, exhaustively: bool) -> tuple[Need, ...]:
    pods = model_pods(subject, observation)
    if subject.want is Want.DISABLED:
        on_nodes = [one.pod for one in pods if dig(one.pod, "spec", "nodeName")]
        ended = [pod for pod in on_nodes if dig(pod, "status", "phase") in ("Failed", "Succeeded")]
        nodes = (NODES,) if ended or (exhaustively and on_nodes) else ()
        return (*nodes, *_known_places(subject, observation))
    has_unscheduled = any(unscheduled(one.pod) for one in pods)
    if not has_unscheduled and not any(why_doomed(one.pod, ()) for one in pods):
        return ()
    sets = {one.ref.namespace for one in subject.expectations if one.ref.kind == "Deployment"}
    found = [Need("replica_sets", "apps/v1", "ReplicaSet", namespace) for namespace in sorted(sets)]
    if has_unscheduled and subject.capacity == "fixed":
        found.append(NODES)
    return tuple(found)


def _known_places(subject: Subject, observation: Observation) -> tuple[Need, ...]:
    is_barred = any((reason.field, reason.code) == ("pods", "forbidden") for reason in observation.unseen)
    if not (is_barred and looks_everywhere(subject)):
        return ()
    return tuple(Need("pods", "v1", "Pod", namespace) for namespace in namespaces_of(subject))


def matters_when_off(expectation: Expectation) -> bool:
    """Whether an object is read where the model is wanted off: it may run something, or nobody can tell."""
    kind = plugins.kinds().get(expectation.ref.group_kind)
    return kind is None or kind.workload is not None or kind.deploys or kind.group_kind == POD


def _objects(expectations: list[Expectation], subject: Subject) -> Iterator[Need]:
    groups: dict[tuple[str, str, str, str], set[str]] = {}
    for expectation in expectations:
        ref = expectation.ref
        key = (ref.api_version, ref.kind, ref.namespace, _labels(expectation, subject))
        groups.setdefault(key, set()).add(ref.name)
    for (api_version, kind, namespace, labels), names in groups.items():
        yield Need("objects", api_version, kind, namespace, labels, frozenset(names))


def _labels(expectation: Expectation, subject: Subject) -> str:
    """Our label, for what we applied ourselves and want to be there: an object that has lost it is not as applied.

    Never for what should be gone: a label that somebody took off must not hide it.
    """
    manifest = expectation.manifest
    if subject.want is not Want.ENABLED or manifest is None:
        return ""
    mine = dig(manifest, "metadata", "labels", LABEL_MODEL)
    return f"{LABEL_MODEL}={mine}" if mine == subject.model.name else ""


def ref_under(need: Need, name: str) -> ObjectRef:
    """The ref of an object that a need names."""
    return ObjectRef(need.api_version, need.kind, need.namespace, name)
