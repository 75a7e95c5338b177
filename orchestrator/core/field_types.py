"""What an API server knows about fields and JSON does not tell: how lists merge, what is a quantity, what is a default.

Sources: the `x-kubernetes-list-type`, `-list-map-keys` and `-map-type` markers of the OpenAPI documents of Kubernetes
1.30 to 1.37 and of Gateway API 1.x; defaults from the API reference. Held against a real API server by
`tests/cluster/verification/test_comparison.py`.

A path is the kind followed by field names, without list positions: `("Service", "spec", "ports", "protocol")`.
A pattern fits every path that ends with it; `*` stands for any one name. The longest pattern that fits counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias, TypeVar

Path: TypeAlias = tuple[str, ...]
_Value = TypeVar("_Value")

LIST_KEYS: Final[Mapping[Path, tuple[str, ...]]] = {
    ("containers",): ("name",),
    ("initContainers",): ("name",),
    ("ephemeralContainers",): ("name",),
    ("env",): ("name",),
    ("containers", "ports"): ("containerPort", "protocol"),
    ("initContainers", "ports"): ("containerPort", "protocol"),
    ("volumeMounts",): ("mountPath",),
    ("volumeDevices",): ("devicePath",),
    ("resources", "claims"): ("name",),
    ("volumes",): ("name",),
    ("spec", "imagePullSecrets"): ("name",),
    ("hostAliases",): ("ip",),
    ("topologySpreadConstraints",): ("topologyKey", "whenUnsatisfiable"),
    ("schedulingGates",): ("name",),
    ("resourceClaims",): ("name",),
    ("conditions",): ("type",),
    ("metadata", "ownerReferences"): ("uid",),
    ("Service", "spec", "ports"): ("port", "protocol"),
    ("ServiceAccount", "secrets"): ("name",),
    ("Gateway", "spec", "listeners"): ("name",),
    ("ValidatingAdmissionPolicy", "spec", "matchConditions"): ("name",),
    ("ValidatingAdmissionPolicy", "spec", "variables"): ("name",),
    ("webhooks",): ("name",),
    ("webhooks", "matchConditions"): ("name",),
}
"""Lists that are maps in disguise: entries that others added stay, so they are no difference."""

SETS: Final[frozenset[Path]] = frozenset({("metadata", "finalizers")})
"""Lists that are sets: what others added stays."""

ATOMIC: Final[frozenset[Path]] = frozenset(
    {
        ("nodeSelector",),
        ("selector",),
        ("labelSelector",),
        ("podSelector",),
        ("namespaceSelector",),
        ("objectSelector",),
        ("claimSelector",),
        ("configMapKeyRef",),
        ("secretKeyRef",),
        ("fieldRef",),
        ("resourceFieldRef",),
        ("nodeSelectorTerms",),
        ("requiredDuringSchedulingIgnoredDuringExecution",),
        ("dataSource",),
    }
)
"""Objects that are replaced whole: an entry that others added goes, so it is a difference."""

DEFAULTS: Final[Mapping[Path, tuple[Any, ...]]] = {
    ("ports", "protocol"): ("TCP",),
    ("fieldRef", "apiVersion"): ("v1",),
    ("resourceFieldRef", "divisor"): ("0",),
    ("serviceAccountToken", "expirationSeconds"): (3600,),
    ("subjects", "apiGroup"): ("", "rbac.authorization.k8s.io"),
    ("volumeClaimTemplates", "apiVersion"): ("v1",),
    ("volumeClaimTemplates", "kind"): ("PersistentVolumeClaim",),
    ("volumeClaimTemplates", "status"): ({"phase": "Pending"},),
    ("volumeClaimTemplates", "spec", "volumeMode"): ("Filesystem",),
    ("podFailurePolicy", "rules", "onPodConditions", "status"): ("True",),
    ("resourceRules", "scope"): ("*",),
    ("rules", "scope"): ("*",),
    ("parentRefs", "group"): ("gateway.networking.k8s.io",),
    ("parentRefs", "kind"): ("Gateway",),
    ("backendRefs", "group"): ("",),
    ("backendRefs", "kind"): ("Service",),
    ("backendRefs", "weight"): (1,),
    ("backendRef", "group"): ("",),
    ("backendRef", "kind"): ("Service",),
    ("HTTPRoute", "spec", "rules", "matches"): ([{"path": {"type": "PathPrefix", "value": "/"}}],),
    ("HTTPRoute", "spec", "rules", "matches", "path"): ({"type": "PathPrefix", "value": "/"},),
    ("matches", "path", "type"): ("PathPrefix",),
    ("matches", "path", "value"): ("/",),
    ("matches", "headers", "type"): ("Exact",),
    ("matches", "queryParams", "type"): ("Exact",),
    ("requestRedirect", "statusCode"): (302,),
    ("certificateRefs", "group"): ("",),
    ("certificateRefs", "kind"): ("Secret",),
    ("allowedRoutes", "kinds", "group"): ("gateway.networking.k8s.io",),
}
"""Values that the API server fills in inside atomic lists and objects, where anything else extra is a difference."""

COMPUTED: Final[frozenset[Path]] = frozenset(
    {
        ("LimitRange", "spec", "limits", "default", "*"),
        ("LimitRange", "spec", "limits", "defaultRequest"),
        ("LimitRange", "spec", "limits", "defaultRequest", "*"),
    }
)
"""Fields inside atomic lists that the API server fills in from other fields, with whatever value."""

QUANTITIES: Final[frozenset[Path]] = frozenset(
    {
        ("resources", "limits", "*"),
        ("resources", "requests", "*"),
        ("overhead", "*"),
        ("capacity", "*"),
        ("spec", "hard", "*"),
        ("limits", "max", "*"),
        ("limits", "min", "*"),
        ("limits", "default", "*"),
        ("limits", "defaultRequest", "*"),
        ("limits", "maxLimitRequestRatio", "*"),
        ("emptyDir", "sizeLimit"),
        ("resourceFieldRef", "divisor"),
        ("target", "averageValue"),
        ("target", "value"),
    }
)

INT_OR_STRING: Final[frozenset[Path]] = frozenset(
    {
        ("maxSurge",),
        ("maxUnavailable",),
        ("minAvailable",),
        ("targetPort",),
        ("httpGet", "port"),
        ("tcpSocket", "port"),
        ("ingress", "ports", "port"),
        ("egress", "ports", "port"),
    }
)

MEANINGFUL_EMPTY: Final[frozenset[Path]] = frozenset(
    {("emptyDir",), ("podSelector",), ("namespaceSelector",), ("objectSelector",), ("storageClassName",)}
)
"""Fields whose empty value says something else than their absence."""

OMITTED_ZEROS: Final[frozenset[Path]] = frozenset(
    {
        ("hostNetwork",),
        ("hostPID",),
        ("hostIPC",),
        ("readOnly",),
        ("stdin",),
        ("stdinOnce",),
        ("tty",),
        ("paused",),
        ("publishNotReadyAddresses",),
        ("minReadySeconds",),
        ("initialDelaySeconds",),
        ("hostPort",),
        ("nodePort",),
        ("healthCheckNodePort",),
    }
)
"""Booleans and numbers that the API server does not store when they are false or 0; for others, absence differs."""

_BUILT_IN_GROUPS = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apps",
        "autoscaling",
        "batch",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "gateway.networking.k8s.io",
        "networking.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)


def knows_defaults(api_version: str) -> bool:
    """Whether this page lists the defaults of that API group; elsewhere an extra field may be a default."""
    return api_version.rpartition("/")[0] in _BUILT_IN_GROUPS


def lookup(table: Mapping[Path, _Value], path: Path) -> _Value | None:
    """The value of the longest pattern that fits the end of the path."""
    return next((table[suffix] for suffix in _suffixes(path) if suffix in table), None)


def fits(patterns: frozenset[Path], path: Path) -> bool:
    """Whether any pattern fits the end of the path."""
    return any(suffix in patterns for suffix in _suffixes(path))


def _suffixes(path: Path) -> list[Path]:
    plain = [path[start:] for start in range(max(0, len(path) - 5), len(path))]
    return plain + [(*suffix[:-1], "*") for suffix in plain]
