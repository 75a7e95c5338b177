"""Kubernetes objects as plain JSON, and how they are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from orchestrator.core.schema import DOCUMENT

JsonObject: TypeAlias = dict[str, Any]
"""A Kubernetes object as its API server sends it: JSON, never a typed model, so that no unknown field is lost."""

LABEL_MODEL = "orchestrator.dev/model"
"""On every object and pod template that we apply, and on adopted objects and their running pods."""
LABEL_RECORD = "orchestrator.dev/record"
"""On every ConfigMap, Secret and Lease of our namespace: what kind of record it is."""
LABEL_SANDBOX = "orchestrator.dev/sandbox"
"""On the kube-system namespace of a sandbox cluster: a rehearsal, never the real thing."""
ANNOTATION_REVISION = "orchestrator.dev/revision"
"""On every object that we apply: digest of the rendered manifests it came from."""
SYSTEM_NAMESPACE = "orchestrator-system"
FIELD_MANAGER = "orchestrator"


@dataclass(frozen=True, slots=True, order=True)
class GroupKind:
    """A kind in its API group, whatever the version; printed `apps/Deployment`, or `Service` for the core group."""

    group: str
    kind: str

    def __str__(self) -> str:
        return f"{self.group}/{self.kind}" if self.group else self.kind

    @classmethod
    def parse(cls, text: str) -> GroupKind:
        """Read `apps/Deployment` or `Service`."""
        group, _, kind = text.rpartition("/")
        return cls(group, kind)


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """An API resource: where objects of a kind are found."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def group_kind(self) -> GroupKind:
        """The kind in its group."""
        return GroupKind(self.group, self.kind)

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """One object of one cluster, by name."""

    __pydantic_config__ = DOCUMENT

    api_version: str
    kind: str
    namespace: str
    """Empty for cluster-scoped objects."""
    name: str

    @property
    def group_kind(self) -> GroupKind:
        """The kind in its group."""
        group, _, _ = self.api_version.rpartition("/")
        return GroupKind(group, self.kind)

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.group_kind} {place}"


def ref_of(obj: JsonObject) -> ObjectRef:
    """The name of an object that carries apiVersion, kind and metadata."""
    metadata = obj.get("metadata") or {}
    return ObjectRef(
        str(obj.get("apiVersion", "")),
        str(obj.get("kind", "")),
        str(metadata.get("namespace") or ""),
        str(metadata.get("name", "")),
    )


def dig(obj: Any, *path: str | int, default: Any = None) -> Any:
    """The value at a path of keys and indexes, or the default where any step is missing or of another shape."""
    for step in path:
        in_mapping = isinstance(obj, dict) and step in obj
        in_list = isinstance(obj, list) and isinstance(step, int) and -len(obj) <= step < len(obj)
        if in_mapping or in_list:
            obj = obj[step]
        else:
            return default
    return default if obj is None else obj


def find_condition(conditions: Any, type_: str) -> JsonObject:
    """A condition of a list by type; empty when there is none."""
    for entry in conditions if isinstance(conditions, list) else []:
        if isinstance(entry, dict) and entry.get("type") == type_:
            return entry
    return {}


def controller_of(obj: JsonObject) -> ObjectRef | None:
    """The controlling owner named in ownerReferences, in the object's own namespace."""
    for owner in dig(obj, "metadata", "ownerReferences", default=[]):
        if owner.get("controller"):
            namespace = dig(obj, "metadata", "namespace", default="")
            return ObjectRef(owner["apiVersion"], owner["kind"], namespace, owner["name"])
    return None


def matches_labels(selector: JsonObject | None, labels: dict[str, str]) -> bool:
    """Whether a LabelSelector (matchLabels, matchExpressions) selects these labels; a null selector selects nothing.

    Source: the API reference of `LabelSelector`. An operator that is not known selects nothing.
    """
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_satisfies(expression, labels) for expression in selector.get("matchExpressions") or [])


def _satisfies(expression: JsonObject, labels: dict[str, str]) -> bool:
    key, values = expression.get("key", ""), expression.get("values") or []
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False
