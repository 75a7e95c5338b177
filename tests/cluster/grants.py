"""Users of a control plane who have the shipped roles and nothing else, or one verb less."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.conftest import ControlPlanes

RBAC = Path(__file__).parents[2] / "manifests" / "rbac"
OURS = "orchestrator-system"
_NAMED = ("name", "namespace")


@dataclass(frozen=True)
class Permission:
    """One verb on one resource, and which rule of which shipped role gives it."""

    role: str
    """`ClusterRole/orchestrator-viewer`."""
    rule: int
    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f".{self.group}" if self.group else "")


def shipped() -> list[dict[str, Any]]:
    """Every object of `manifests/rbac`, in order."""
    return [obj for path in sorted(RBAC.glob("*.yaml")) for obj in yaml.safe_load_all(path.read_text())]


def permissions() -> Iterator[Permission]:
    """Every verb on every resource that the shipped roles give."""
    for obj in shipped():
        for number, rule in enumerate(obj.get("rules") or ()):
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        yield Permission(_title(obj), number, group, resource, verb)


def _title(role: dict[str, Any]) -> str:
    return f"{role['kind']}/{role['metadata']['name']}"


def lacking(roles: list[dict[str, Any]], missing: Permission) -> list[dict[str, Any]]:
    """The same roles without one permission."""
    roles = copy.deepcopy(roles)
    (role,) = (role for role in roles if _title(role) == missing.role)
    rule = role["rules"].pop(missing.rule)
    others = [resource for resource in rule["resources"] if resource != missing.resource]
    verbs = [verb for verb in rule["verbs"] if verb != missing.verb]
    if others:
        role["rules"].append({**rule, "resources": others})
    if verbs:
        role["rules"].append({**rule, "resources": [missing.resource], "verbs": verbs})
    return roles


@dataclass(frozen=True)
class Administrator:
    """Gives permissions in one cluster, under names of one test's own."""

    planes: ControlPlanes
    cluster: str
    prefix: str
    given: list[dict[str, Any]] = field(default_factory=list)

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """kubectl with every right."""
        return self.planes.kubectl(self.cluster, *arguments, stdin=stdin, check=check)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects."""
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def grant(self, subject: dict[str, str], names: tuple[str, ...], missing: Permission | None = None) -> None:
        """Bind the shipped roles of these names to a subject; one permission may be left out."""
        roles = [obj for obj in shipped() if obj["kind"] in ("ClusterRole", "Role")]
        roles = [role for role in roles if role["metadata"]["name"].removeprefix("orchestrator-") in names]
        bindings = []
        for role in lacking(roles, missing) if missing else roles:
            role["metadata"]["name"] = name = f"{self.prefix}-{role['metadata']['name']}"
            role["rules"] = role["rules"] or []
            ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": role["kind"], "name": name}
            binding = {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": f"{role['kind']}Binding",
                "metadata": {**role["metadata"]},
                "roleRef": ref,
                "subjects": [subject],
            }
            bindings += [role, binding]
        namespace = next(obj for obj in shipped() if obj["kind"] == "Namespace")
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {key: subject.get(key) for key in _NAMED}}
        self.apply(namespace, *bindings, *([account] if subject["kind"] == "ServiceAccount" else ()))
        self.given.extend(bindings)

    def withdraw(self, *objects: dict[str, Any]) -> None:
        """Delete every role and binding of this test, and these objects."""
        everything = yaml.safe_dump_all([*self.given, *objects])
        self.kubectl("delete", "--wait=false", "--ignore-not-found", "-f", "-", stdin=everything)

    def token(self, subject: dict[str, str]) -> dict[str, str]:
        """A service account's kubeconfig user."""
        name, namespace = subject["name"], subject["namespace"]
        return {"token": self.kubectl("create", "token", name, "-n", namespace, "--duration", "1h").strip()}

    def kubeconfig(self, path: Path, user: dict[str, str]) -> Path:
        """A kubeconfig in which this cluster's context has this user."""
        document = yaml.safe_load(self.planes.kubeconfig.read_text())
        document["users"] = [{"name": self.cluster, "user": user}]
        document["contexts"] = [one for one in document["contexts"] if one["name"] == self.cluster]
        document["clusters"] = [one for one in document["clusters"] if one["name"] == self.cluster]
        document["current-context"] = self.cluster
        path.write_text(yaml.safe_dump(document))
        path.chmod(0o600)
        return path
