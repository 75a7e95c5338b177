"""Which pods are a model's, and whether a pod is still there.

Any one sign suffices: our label, the selector of one of the model's workloads, an owner among them, or the model's
`match`. Weights are looked for as plain text within all that a container is told (arguments, environment, hooks,
probes, mounts; also as variables put it together), volumes and annotations, so a longer URI counts, too: for a proof of
absence one pod too many is the smaller error. What a pod reads from a ConfigMap or Secret is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator import plugins
from orchestrator.core.images import repository_of
from orchestrator.core.model import Match, SharedWorkload
from orchestrator.core.objects import LABEL_MODEL, GroupKind, JsonObject, ObjectRef, dig, matches_labels, ref_of
from orchestrator.core.observation import Observation, Subject

POD = GroupKind("", "Pod")
_MIRROR = "kubernetes.io/config.mirror"


class Presence(StrEnum):
    """Whether a pod still runs something."""

    PRESENT = "present"
    GONE = "gone"
    """It has ended, on a node that says so: only its record is left."""
    UNCERTAIN = "uncertain"
    """Its node does not answer or is not there: nobody can say what its processes do."""
    UNCLEAR = "unclear"
    """It is said to have ended, and of some container nobody says that it has."""


@dataclass(frozen=True, slots=True)
class ModelPod:
    """A pod of the model."""

    pod: JsonObject
    presence: Presence
    is_switched: bool
    """Whether it belongs to a workload that is switched off by its replicas; anything else nobody stops for us."""
    shared_with: str | None = None
    """What else it serves, in words."""

    @property
    def ref(self) -> ObjectRef:
        """Its name, for people."""
        namespace, name = dig(self.pod, "metadata", "namespace", default=""), dig(self.pod, "metadata", "name")
        return ObjectRef("v1", "Pod", str(namespace), str(name))

    @property
    def is_mirror(self) -> bool:
        """Whether it only shows what a node starts from a file of its own: stopping it takes that node."""
        return _MIRROR in dig(self.pod, "metadata", "annotations", default={})

    @property
    def is_terminating(self) -> bool:
        """Whether it has been asked to go."""
        return dig(self.pod, "metadata", "deletionTimestamp") is not None


@dataclass(frozen=True, slots=True)
class _Owner:
    """A workload whose pods are the model's."""

    namespace: str
    selector: JsonObject | None
    uid: str | None
    is_scalable: bool


def model_pods(subject: Subject, observation: Observation) -> tuple[ModelPod, ...]:
    """Every pod among those observed that is the model's, in any phase."""
    owners = tuple(_owners(subject, observation))
    uids = _owning_uids(owners, observation)
    named = {one.ref for one in subject.expectations if one.ref.group_kind == POD}
    nodes = {str(dig(node, "metadata", "name")): node for node in observation.nodes}
    found = []
    for pod in observation.pods:
        owner = _owner_of(pod, owners, uids)
        labels = labels_of(pod)
        shared = named_as_shared(subject, pod, labels)
        label = labels.get(LABEL_MODEL)
        is_named = any((ref.namespace, ref.name) == _place(pod) for ref in named)
        if owner or is_named or shared or label == subject.model.name or fits(subject.model.match, pod):
            other = f"it is labelled as {label}" if label not in (None, subject.model.name) else None
            is_switched = owner is not None and owner.is_scalable
            shared = shared or other or fits_others(subject, pod)
            shared_with = None if subject.include_shared else shared
            found.append(ModelPod(pod, presence_of(pod, nodes), is_switched, shared_with))
    return tuple(found)


def fits_others(subject: Subject, pod: JsonObject) -> str | None:
    """Whose marks a pod carries besides, in words."""
    also = sorted(name for name, match in subject.others.items() if fits(match, pod))
    return f"it carries marks of {', '.join(also)}, too" if also else None


def namespaces_of(subject: Subject) -> tuple[str, ...]:
    """Where pods of the model are looked for: the subject's namespaces, and those of everything expected."""
    named = {one.ref.namespace for one in subject.expectations if one.ref.namespace}
    return tuple(sorted({*subject.namespaces, *named}))


def labels_of(obj: JsonObject) -> dict[str, str]:
    """Its labels; empty when it has none."""
    labels = dig(obj, "metadata", "labels", default={})
    return labels if isinstance(labels, dict) else {}


def _place(obj: JsonObject) -> tuple[str, str]:
    ref = ref_of(obj)
    return ref.namespace, ref.name


def _owners(subject: Subject, observation: Observation) -> Iterator[_Owner]:
    for expectation in subject.expectations:
        kind = plugins.kinds().get(expectation.ref.group_kind)
        obj = observation.objects.get(expectation.ref) or expectation.manifest
        if kind is not None and kind.workload is not None and obj is not None:
            uid = dig(obj, "metadata", "uid")
            selector = kind.workload.selector(obj)
            yield _Owner(expectation.ref.namespace, selector, uid, kind.workload.is_scalable)


def _owning_uids(owners: tuple[_Owner, ...], observation: Observation) -> Mapping[str, _Owner]:
    uids = {owner.uid: owner for owner in owners if owner.uid}
    through = {
        str(dig(replica_set, "metadata", "uid")): uids[parent]
        for replica_set in observation.replica_sets
        if (parent := controller_uid(replica_set)) in uids
    }
    return {**uids, **through}


def controller_uid(obj: JsonObject) -> str | None:
    """uid of the controlling owner."""
    for owner in dig(obj, "metadata", "ownerReferences", default=[]):
        if owner.get("controller"):
            return str(owner.get("uid"))
    return None


def _owner_of(pod: JsonObject, owners: tuple[_Owner, ...], uids: Mapping[str, _Owner]) -> _Owner | None:
    if (uid := controller_uid(pod)) in uids and uid is not None:
        return uids[uid]
    namespace, _ = _place(pod)
    for owner in owners:
        if owner.namespace == namespace and matches_labels(owner.selector, labels_of(pod)):
            return owner
    return None


def named_as_shared(subject: Subject, pod: JsonObject, labels: dict[str, str]) -> str | None:
    """Why the model itself says that these pods serve others, too; None where it does not."""
    if any(_selects(shared, pod, labels) for shared in subject.model.shared_in):
        return "the model names it in sharedIn"
    return None


def _selects(shared: SharedWorkload, pod: JsonObject, labels: dict[str, str]) -> bool:
    if shared.namespaces and _place(pod)[0] not in shared.namespaces:
        return False
    return bool(shared.selector) and matches_labels({"matchLabels": shared.selector}, labels)


def fits(match: Match, pod: JsonObject) -> bool:
    """Whether the model's `match` recognises a pod: by all its labels, by any of its weights, or by any image."""
    if match.labels and matches_labels({"matchLabels": match.labels}, labels_of(pod)):
        return True
    if match.images and {repository_of(image) for image in match.images} & set(_repositories(pod)):
        return True
    return bool(match.weights) and any(uri in text for text in _texts(pod) for uri in match.weights)


def containers_of(pod: JsonObject) -> Iterator[JsonObject]:
    """Every container of a pod: init and ephemeral ones included."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from dig(pod, "spec", kind, default=[])


def _repositories(pod: JsonObject) -> Iterator[str]:
    for container in containers_of(pod):
        yield repository_of(str(container.get("image") or ""))
    for volume in dig(pod, "spec", "volumes", default=[]):
        if reference := dig(volume, "image", "reference"):
            yield repository_of(str(reference))


def _texts(pod: JsonObject) -> Iterator[str]:
    for container in containers_of(pod):
        variables = {str(one.get("name")): str(one.get("value") or "") for one in container.get("env") or []}
        for field in _TELLING_FIELDS:
            for text in _strings(container.get(field)):
                yield text
                if "$(" in text:
                    yield _expanded(text, variables)
    yield from _strings(dig(pod, "spec", "volumes"))
    yield from _strings(dig(pod, "metadata", "annotations"))


_TELLING_FIELDS = (
    "command", "args", "env", "lifecycle", "startupProbe", "livenessProbe", "readinessProbe", "volumeMounts",
)  # fmt: skip


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """The text with `$(NAME)` replaced, as the kubelet does; variables may be made of others.

    Source: the API reference of `Container.args`. A reference that cannot be resolved stays as it is.
    """
    for _ in range(_NESTED):
        pieces, length, end = [], 0, 0
        for found in _REFERENCE.finditer(text):
            pieces += [text[end : found.start()], variables.get(found[1], found[0])]
            length += len(pieces[-1])
            end = found.end()
            if length > _LONGEST_TEXT:
                # No container could be started with that; a hostile one shall not fill our memory.
                return text
        longer = "".join([*pieces, text[end:]])
        if longer == text:
            return text
        text = longer
    return text


_REFERENCE = re.compile(r"\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_NESTED, _LONGEST_TEXT = 8, 1024 * 1024


def _strings(value: Any) -> Iterator[str]:
    """Every text within a JSON value."""
    pending = [value]
    while pending:
        match pending.pop():
            case str() as text:
                yield text
            case dict() as mapping:
                pending.extend(mapping.values())
            case list() as items:
                pending.extend(items)


def presence_of(pod: JsonObject, nodes: Mapping[str, JsonObject]) -> Presence:
    """Whether a pod is gone, there, or nobody can say.

    A pod that has ended (Failed, Evicted, Succeeded) outlives its workload's scale to zero. It counts as gone only
    where its node is Ready and reports every container terminated, or where it was never given a node. `nodes` may be
    empty while none was needed; then no pod that has ended counts as gone.

    A phase alone proves nothing: a kubelet that has restarted may reject a pod whose containers still run, and writes
    no container statuses then (`rejectPod` in its `kubelet.go`), just as for one that it never started.
    """
    node = dig(pod, "spec", "nodeName")
    has_ended = dig(pod, "status", "phase") in ("Failed", "Succeeded")
    if not node:
        return Presence.GONE if has_ended else Presence.PRESENT
    is_trusted = is_ready(nodes[node]) if node in nodes else False
    if not has_ended:
        return Presence.PRESENT if is_trusted or not nodes else Presence.UNCERTAIN
    if not is_trusted:
        return Presence.UNCERTAIN
    states = _states(pod)
    if any("running" in state for state in states.values()):
        return Presence.PRESENT
    is_over = bool(states) and all("terminated" in state for state in states.values())
    return Presence.GONE if is_over else Presence.UNCLEAR


def _states(pod: JsonObject) -> dict[tuple[str, str], JsonObject]:
    """The state of each container that a pod names or reports; empty for one of which nothing is said."""
    states: dict[tuple[str, str], JsonObject] = {}
    for kind in ("initContainer", "container", "ephemeralContainer"):
        states |= {(kind, str(one.get("name"))): {} for one in dig(pod, "spec", f"{kind}s", default=[])}
        reported = dig(pod, "status", f"{kind}Statuses", default=[])
        states |= {(kind, str(one.get("name"))): one.get("state") or {} for one in reported}
    return states


def is_ready(node: JsonObject) -> bool:
    """Whether a node says, and its cluster believes, that it is Ready."""
    conditions = dig(node, "status", "conditions", default=[])
    return any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in conditions)
