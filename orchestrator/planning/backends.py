"""Whom a backend of a route serves: this model alone, others as well, only others, or nobody can tell.

Pure. A Service serves a model alone when everything that its selector selects, pods as well as the templates of
workloads that run nothing now, is that model's and no other's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from orchestrator import plugins
from orchestrator.core.objects import (
    GroupKind,
    JsonObject,
    ObjectRef,
    Resource,
    controller_of,
    dig,
    matches_labels,
    ref_of,
)
from orchestrator.core.routes import SERVICE, Backend, is_cut_object

POD = GroupKind("", "Pod")
POOLS = (
    Resource("inference.networking.k8s.io", "v1", "inferencepools", "InferencePool"),
    Resource("inference.networking.x-k8s.io", "v1alpha2", "inferencepools", "InferencePool"),
)
_POOL_KINDS = frozenset(pool.group_kind for pool in POOLS)

Belongs = Callable[[JsonObject], bool]
"""Whether a pod, or the template of a workload's pods with its namespace, is the model's and no other's."""


class Leads(StrEnum):
    """Whom a backend serves."""

    MODEL = "model"
    SHARED = "shared"
    OTHERS = "others"
    NOBODY = "nobody"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind a backend, and the words for it."""

    leads: Leads
    words: str


@dataclass(frozen=True, slots=True)
class _Carrier:
    """Something that a selector may select: a pod, or a workload's template."""

    ref: ObjectRef
    labels: dict[str, str]
    is_models: bool


class Backends:
    """Judges backends by what was read of a cluster."""

    def __init__(self, objects: Iterable[JsonObject], model: str, belongs: Belongs, blind: Iterable[str] = ()) -> None:
        """`blind` are namespaces whose pods could not be read: there nobody can say that a Service serves one alone."""
        self._model = model
        self._blind = frozenset(blind)
        self._found = {(ref_of(obj).group_kind, ref_of(obj).namespace, ref_of(obj).name): obj for obj in objects}
        self._carriers = tuple(_carriers(self._found.values(), belongs))

    def find(self, kind: GroupKind, namespace: str, name: str) -> JsonObject | None:
        """An object that was read."""
        return self._found.get((kind, namespace, name))

    def behind(self, backend: Backend) -> Behind:
        """Whom a backend serves. What is in a namespace without workloads of the model does not serve it."""
        if backend.group_kind in _POOL_KINDS:
            return self._behind_pool(backend)
        if backend.group_kind != SERVICE:
            return Behind(Leads.UNKNOWN, f"{backend}, a kind of backend that is not known")
        service = self.find(SERVICE, backend.namespace, backend.name)
        if is_cut_object(backend.name, self._model):
            return Behind(Leads.NOBODY, f"{backend}")
        if service is not None and (target := _alias_of(service)) is not None:
            service = self.find(SERVICE, *target)
        if service is None:
            return self._behind_nothing(backend)
        return self._behind_service(backend, service)

    def _behind_nothing(self, backend: Backend) -> Behind:
        """A Service that was not found: it is not there, or in a namespace that has no business with the model."""
        has_services = any(kind == SERVICE and place == backend.namespace for kind, place, _ in self._found)
        return Behind(Leads.NOBODY if has_services else Leads.OTHERS, f"{backend}")

    def _behind_service(self, backend: Backend, service: JsonObject) -> Behind:
        rules = plugins.kinds()[SERVICE].route
        if rules is not None and any(rules.answer_if_cut(service, rule, self._model) for rule in rules.rules(service)):
            # Cut by an earlier run that was interrupted: whom it served is what was cut.
            return Behind(Leads.MODEL, f"{backend}, which is cut")
        selector = dig(service, "spec", "selector", default={})
        if not selector:
            return Behind(Leads.UNKNOWN, f"{backend}, which selects no pods by itself")
        return self._selected(backend, ref_of(service).namespace, {"matchLabels": selector})

    def _behind_pool(self, backend: Backend) -> Behind:
        """An endpoint picker chooses among its pods by what a request says: no rule knows for which model."""
        pool = self.find(backend.group_kind, backend.namespace, backend.name)
        selector = dig(pool, "spec", "selector", default={})
        labels = dig(selector, "matchLabels", default=selector)
        if not labels:
            return Behind(Leads.UNKNOWN, f"{backend}, which cannot be read")
        found = self._selected(backend, backend.namespace, {"matchLabels": labels})
        if found.leads in (Leads.OTHERS, Leads.NOBODY):
            return found
        return Behind(Leads.SHARED, f"{backend}, whose endpoint picker chooses by the request")

    def _selected(self, backend: Backend, namespace: str, selector: JsonObject) -> Behind:
        selected = [
            one for one in self._carriers if one.ref.namespace == namespace and matches_labels(selector, one.labels)
        ]
        others = sorted(one.ref for one in selected if not one.is_models)
        if not selected:
            return Behind(Leads.NOBODY, f"{backend}, which selects nothing")
        if len(others) == len(selected):
            return Behind(Leads.OTHERS, f"{backend}")
        if others:
            return Behind(Leads.SHARED, f"{backend}, which also selects {others[0]}")
        if namespace in self._blind:
            return Behind(Leads.SHARED, f"{backend}, of which nobody can say what else it selects")
        return Behind(Leads.MODEL, f"{backend}")


def _carriers(objects: Iterable[JsonObject], belongs: Belongs) -> Iterator[_Carrier]:
    for obj in objects:
        ref = ref_of(obj)
        if ref.group_kind == POD:
            if dig(obj, "status", "phase") not in ("Succeeded", "Failed"):  # these are no endpoints any more
                yield _Carrier(ref, _labels_of(obj), belongs(obj))
            continue
        kind = plugins.kinds().get(ref.group_kind)
        # What is controlled follows its owner: an old ReplicaSet's template says nothing of pods to come.
        if kind is not None and kind.workload is not None and controller_of(obj) is None:
            template = kind.workload.template(obj)
            metadata = {**dig(template, "metadata", default={}), "namespace": ref.namespace}
            pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": metadata}
            yield _Carrier(ref, _labels_of(pod), belongs(pod))


def _alias_of(service: JsonObject) -> tuple[str, str] | None:
    """Namespace and name of the Service of this cluster that an ExternalName stands for; None for anything else."""
    if dig(service, "spec", "type") != "ExternalName":
        return None
    parts = str(dig(service, "spec", "externalName", default="")).rstrip(".").split(".")
    if len(parts) >= 3 and parts[2] == "svc":
        return parts[1], parts[0]
    return None


def _labels_of(pod: JsonObject) -> dict[str, str]:
    labels = dig(pod, "metadata", "labels", default={})
    return labels if isinstance(labels, dict) else {}
