"""What cuts of several kinds have in common: fields, and a Service that leads nowhere."""

from __future__ import annotations

from typing import Any

from orchestrator.core.objects import JsonObject, dig
from orchestrator.core.routes import SERVICE, Backend, Notice, is_cut_object, value_at
from orchestrator.core.takedown import FieldCut

NOWHERE_PORT = 80


def field_cuts(route: JsonObject, wanted: dict[str, Any]) -> tuple[FieldCut, ...]:
    """By JSON pointer what is wanted there, None for nothing: the fields of the route that differ from it."""
    found = ((pointer, value_at(route, pointer), after) for pointer, after in wanted.items())
    return tuple(
        FieldCut(pointer=pointer, before=before, after=after) for pointer, before, after in found if before != after
    )


def nowhere(route: JsonObject, notice: Notice) -> JsonObject:
    """A Service beside the route that selects nothing: gateways answer 503 for it, and none refuses the route.

    A reference to a Service that does not exist would do as well by the Gateway API (500), yet some Ingress
    controllers then drop the whole object, rules of others included.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": notice.object_name,
            "namespace": namespace_of(route),
            "labels": notice.labels,
        },
        "spec": {"ports": [{"name": "http", "port": NOWHERE_PORT, "protocol": "TCP"}]},
    }


def leads_to_ours(backends: tuple[Backend, ...], model: str) -> bool:
    """Whether a rule has nothing behind it but a Service that a cut of this model created."""
    return len(backends) == 1 and backends[0].group_kind == SERVICE and is_cut_object(backends[0].name, model)


def namespace_of(route: JsonObject) -> str:
    """Its namespace."""
    return str(dig(route, "metadata", "namespace", default=""))


def rules_at(route: JsonObject, *path: str) -> list[JsonObject]:
    """The list of maps at a path, anything else in it as an empty map, so that indexes stay right."""
    found = dig(route, *path, default=[])
    return [entry if isinstance(entry, dict) else {} for entry in found] if isinstance(found, list) else []


def weight_of(backend: JsonObject, field: str = "weight") -> int:
    """Its share of the requests; one where none is given."""
    weight = backend.get(field, 1)
    return weight if isinstance(weight, int) else 1
