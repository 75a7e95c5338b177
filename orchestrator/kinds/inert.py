"""Core kinds that run nothing and report nothing: verified when live equals applied."""

from __future__ import annotations

from orchestrator.core.kind import Kind
from orchestrator.core.objects import Resource

_NAMESPACED = (
    ("", "v1", "configmaps", "ConfigMap"),
    ("", "v1", "secrets", "Secret"),
    ("", "v1", "serviceaccounts", "ServiceAccount"),
    ("", "v1", "endpoints", "Endpoints"),
    ("", "v1", "limitranges", "LimitRange"),
    ("", "v1", "resourcequotas", "ResourceQuota"),
    ("", "v1", "podtemplates", "PodTemplate"),
    ("coordination.k8s.io", "v1", "leases", "Lease"),
    ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    ("gateway.networking.k8s.io", "v1beta1", "referencegrants", "ReferenceGrant"),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"),
    ("rbac.authorization.k8s.io", "v1", "roles", "Role"),
    ("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
    ("resource.k8s.io", "v1", "resourceclaimtemplates", "ResourceClaimTemplate"),
)
_CLUSTER_SCOPED = (
    ("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
    ("networking.k8s.io", "v1", "ingressclasses", "IngressClass"),
    ("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass"),
    ("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole"),
    ("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding"),
    ("resource.k8s.io", "v1", "deviceclasses", "DeviceClass"),
    ("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass"),
    ("storage.k8s.io", "v1", "storageclasses", "StorageClass"),
)

PLUGINS = tuple(Kind(resource=Resource(*row)) for row in _NAMESPACED) + tuple(
    Kind(resource=Resource(*row, namespaced=False)) for row in _CLUSTER_SCOPED
)
