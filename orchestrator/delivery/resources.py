"""Where objects of a kind are found: a table of Kubernetes' own kinds, and what a server tells about any other.

Names become parts of a path only here; a name that would climb out of its path is refused.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import quote

from orchestrator.core.objects import JsonObject, Resource
from orchestrator.core.text import printable
from orchestrator.errors import Invalid

# group/version, then plural and kind; `*` marks the kinds without namespace. All of them are served by every
# Kubernetes that we support, so asking the server first would only cost a round trip.
_BUILT_IN = """
v1: configmaps ConfigMap, endpoints Endpoints, events Event, limitranges LimitRange, namespaces* Namespace,
    nodes* Node, persistentvolumeclaims PersistentVolumeClaim, persistentvolumes* PersistentVolume, pods Pod,
    podtemplates PodTemplate, replicationcontrollers ReplicationController, resourcequotas ResourceQuota,
    secrets Secret, serviceaccounts ServiceAccount, services Service
admissionregistration.k8s.io/v1: validatingadmissionpolicies* ValidatingAdmissionPolicy,
    validatingadmissionpolicybindings* ValidatingAdmissionPolicyBinding,
    validatingwebhookconfigurations* ValidatingWebhookConfiguration,
    mutatingwebhookconfigurations* MutatingWebhookConfiguration
apiextensions.k8s.io/v1: customresourcedefinitions* CustomResourceDefinition
apps/v1: controllerrevisions ControllerRevision, daemonsets DaemonSet, deployments Deployment,
    replicasets ReplicaSet, statefulsets StatefulSet
autoscaling/v2: horizontalpodautoscalers HorizontalPodAutoscaler
batch/v1: cronjobs CronJob, jobs Job
coordination.k8s.io/v1: leases Lease
discovery.k8s.io/v1: endpointslices EndpointSlice
networking.k8s.io/v1: ingressclasses* IngressClass, ingresses Ingress, networkpolicies NetworkPolicy
policy/v1: poddisruptionbudgets PodDisruptionBudget
rbac.authorization.k8s.io/v1: clusterrolebindings* ClusterRoleBinding, clusterroles* ClusterRole,
    rolebindings RoleBinding, roles Role
scheduling.k8s.io/v1: priorityclasses* PriorityClass
storage.k8s.io/v1: storageclasses* StorageClass
"""


# What clusters may have besides: kinds of others whose place is fixed; that their version is served is all one asks.
_OPTIONAL = """
gateway.networking.k8s.io/v1: gateways Gateway, gatewayclasses* GatewayClass, httproutes HTTPRoute, grpcroutes GRPCRoute
inference.networking.k8s.io/v1: inferencepools InferencePool
inference.networking.x-k8s.io/v1alpha2: inferencepools InferencePool
keda.sh/v1alpha1: scaledobjects ScaledObject
projectcontour.io/v1: httpproxies HTTPProxy
"""


def _parse(table: str) -> dict[tuple[str, str], Resource]:
    resources = {}
    for entry in table.replace("\n    ", " ").strip().splitlines():
        api_version, _, kinds = entry.partition(": ")
        group, _, version = api_version.rpartition("/")
        for pair in kinds.split(", "):
            plural, kind = pair.split()
            resources[api_version, kind] = Resource(group, version, plural.rstrip("*"), kind, not plural.endswith("*"))
    return resources


BUILT_IN: dict[tuple[str, str], Resource] = _parse(_BUILT_IN)
"""Kubernetes' own resources by (apiVersion, kind)."""
OPTIONAL: dict[tuple[str, str], Resource] = _parse(_OPTIONAL)
"""Resources of others by (apiVersion, kind), where a cluster serves them."""
SERVED_BY_ALL = frozenset(api_version for api_version, _ in BUILT_IN)
"""The groups and versions of Kubernetes' own resources."""


def discovered(api_version: str, answer: JsonObject) -> dict[str, Resource]:
    """The resources by kind that a server lists for one group and version (APIResourceList); subresources left out."""
    group, _, version = api_version.rpartition("/")
    entries: Any = answer.get("resources") or []
    found = {}
    for entry in entries if isinstance(entries, list) else []:
        name, kind = (entry.get("name"), entry.get("kind")) if isinstance(entry, dict) else (None, None)
        if isinstance(name, str) and isinstance(kind, str) and "/" not in name:
            found[kind] = Resource(group, version, name, kind, bool(entry.get("namespaced")))
    return found


@lru_cache(maxsize=1024)
def group_path(api_version: str) -> str:
    """Where a server tells about one group and version. Raises `Invalid` for what cannot be one."""
    if api_version.count("/") > 1:
        raise Invalid(f"{printable(api_version, 100)!r} is no apiVersion")
    return "/".join(["/apis" if "/" in api_version else "/api", *map(segment, api_version.split("/"))])


def resource_path(resource: Resource, namespace: str = "", name: str | None = None, subresource: str = "") -> str:
    """The path of a collection (no name), an object or its subresource.

    Raises `Invalid` for a name that cannot be part of a path, and for an object that needs a namespace and has none.
    """
    parts = [group_path(resource.api_version)]
    if resource.namespaced and namespace:
        parts += ["namespaces", segment(namespace)]
    elif resource.namespaced and name is not None:
        raise Invalid(f"{resource.group_kind} {printable(name, 100)} names no namespace")
    parts.append(segment(resource.plural))
    if name is not None:
        parts.append(segment(name))
    if subresource:
        parts.append(segment(subresource))
    return "/".join(parts)


@lru_cache(maxsize=4096)
def segment(name: str) -> str:
    """A name as one part of a path.

    Raises `Invalid` for what Kubernetes forbids there too (emptiness, `.`, `..`, `/`, `%`): servers decode a path
    before they take it apart, so quoting alone would not keep such a name in its place.
    """
    if name in ("", ".", "..") or "/" in name or "%" in name or not name.isprintable():
        raise Invalid(f"{printable(name, 100)!r} is no name of an object")
    return quote(name, safe="")
