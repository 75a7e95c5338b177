"""Who may take a guard away: policies cannot guard themselves, so whoever may edit them is named."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.core.ports import ClusterReader
from orchestrator.core.text import printable
from orchestrator.errors import ClusterError

_GROUP = "admissionregistration.k8s.io"
_RESOURCES = {"validatingadmissionpolicies", "validatingadmissionpolicybindings", "*"}
_VERBS = {"update", "patch", "delete", "deletecollection", "*"}
_RBAC = "rbac.authorization.k8s.io"
_ROLES = Resource(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
_BINDINGS = Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)


async def editors(reader: ClusterReader) -> tuple[str, ...]:
    """Users, groups and service accounts whose cluster roles let them change policies or bindings, sorted.

    One sentence instead where roles may not be read. What other authorizers allow (a cloud's, a webhook), and who may
    take such a role by impersonation, escalation or by writing to etcd, is not seen.
    """
    try:
        roles = await reader.list(_ROLES)
        bindings = await reader.list(_BINDINGS)
    except ClusterError as error:
        return (f"not known: {printable(error.message)}",)
    powerful = {str(dig(role, "metadata", "name")) for role in roles.items if _may_edit(role)}
    found = {
        f"{subject} through {printable(dig(binding, 'roleRef', 'name', default=''), 253)}"
        for binding in bindings.items
        if dig(binding, "roleRef", "name") in powerful
        for subject in _subjects(binding)
    }
    return tuple(sorted(found))


def _may_edit(role: JsonObject) -> bool:
    return any(
        {_GROUP, "*"} & set(rule.get("apiGroups") or ())
        and _RESOURCES & set(rule.get("resources") or ())
        and _VERBS & set(rule.get("verbs") or ())
        for rule in dig(role, "rules", default=[])
    )


def _subjects(binding: JsonObject) -> Iterator[str]:
    for subject in dig(binding, "subjects", default=[]):
        name = printable(subject.get("name", ""), 253)
        place = f"{printable(subject['namespace'], 63)}/" if subject.get("namespace") else ""
        yield f"{printable(subject.get('kind', ''), 63)} {place}{name}"
