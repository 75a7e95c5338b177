"""The shipped roles: the least privileges that the tool needs, as objects to apply and as permissions to ask for.

`manifests/rbac` is the only place where they are written down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.core.objects import JsonObject, ref_of
from orchestrator.core.ports import Access
from orchestrator.documents.examples import examples_folder
from orchestrator.documents.loading import load_all
from orchestrator.documents.problems import suggestion
from orchestrator.errors import UsageError

PREFIX = "orchestrator-"


@dataclass(frozen=True, slots=True)
class Role:
    """What somebody needs who uses the tool in one way."""

    name: str
    """`viewer`, `operator` or `responder`."""
    accesses: tuple[Access, ...]


def preparation() -> tuple[JsonObject, ...]:
    """Everything that `fleet prepare` applies, in the order of files and documents."""
    folder = examples_folder() / "manifests" / "rbac"
    return tuple(source.value for path in sorted(folder.glob("*.yaml")) for source in load_all(path))


def load_roles(names: Iterable[str] = ()) -> tuple[Role, ...]:
    """The shipped roles, or those of these names. Raises UsageError for a name that is none."""
    accesses: dict[str, list[Access]] = {}
    for obj in preparation():
        ref = ref_of(obj)
        if ref.kind in ("ClusterRole", "Role") and ref.name.startswith(PREFIX):
            accesses.setdefault(ref.name.removeprefix(PREFIX), []).extend(_accesses(obj, ref.namespace))
    wanted = tuple(names) or tuple(accesses)
    for name in wanted:
        if name not in accesses:
            raise UsageError(f"there is no role {name}", hint=suggestion(name, accesses, "roles"))
    return tuple(Role(name, tuple(accesses[name])) for name in wanted)


def _accesses(role: JsonObject, namespace: str) -> list[Access]:
    return [
        Access(verb=verb, group=group, resource=resource, namespace=namespace)
        for rule in role.get("rules") or ()
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]
