"""The order in which objects are applied: what others need comes first, what leads traffic in comes last."""

from __future__ import annotations

from typing import Final

from orchestrator.core.objects import GroupKind, ObjectRef

_FIRST: Final = (
    "Namespace",
    "apiextensions.k8s.io/CustomResourceDefinition",
    "scheduling.k8s.io/PriorityClass",
    "storage.k8s.io/StorageClass",
    "node.k8s.io/RuntimeClass",
    "ResourceQuota",
    "LimitRange",
    "ServiceAccount",
    "rbac.authorization.k8s.io/ClusterRole",
    "rbac.authorization.k8s.io/Role",
    "rbac.authorization.k8s.io/ClusterRoleBinding",
    "rbac.authorization.k8s.io/RoleBinding",
    "ConfigMap",
    "Secret",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "networking.k8s.io/NetworkPolicy",
    "Service",
    "policy/PodDisruptionBudget",
)
_LAST: Final = (
    "autoscaling/HorizontalPodAutoscaler",
    "keda.sh/ScaledObject",
    "gateway.networking.k8s.io/Gateway",
    "networking.k8s.io/Ingress",
)
_OTHERS: Final = len(_FIRST)
_ROUTES: Final = _OTHERS + len(_LAST) + 1
_PLACES: Final = {GroupKind.parse(text): place for place, text in enumerate(_FIRST)} | {
    GroupKind.parse(text): _OTHERS + 1 + place for place, text in enumerate(_LAST)
}


def apply_order(ref: ObjectRef) -> tuple[int, ObjectRef]:
    """Sorts objects in the order of applying; deletions go the other way. Workloads and unknown kinds stand between."""
    kind = ref.group_kind
    if kind.group == "gateway.networking.k8s.io" and kind.kind.endswith("Route"):
        return _ROUTES, ref
    return _PLACES.get(kind, _OTHERS), ref
