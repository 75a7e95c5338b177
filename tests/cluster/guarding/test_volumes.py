"""Which fields of a volume are searched for weights: all of the API's that may say where content comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from orchestrator.guarding import volumes
from tests.cluster.guarding.stage import Stage

IRRELEVANT = {
    # how it is mounted, and by whom
    *("fsType", "user", "group", "keyring", "cachingMode", "kind", "type", "medium", "pullPolicy", "storageMode"),
    *("initiatorName", "iscsiInterface", "items"),
}
CLAIM = "ephemeral.volumeClaimTemplate."
OF_CLAIM = {"annotations", "name", "storageClassName", "volumeAttributesClassName", "volumeName"}


async def test_no_text_of_a_volume_is_left_out(stage: Stage) -> None:
    """A new version of Kubernetes may add a kind of volume: then this test says so."""
    schemas = json.loads(await stage.run("get", "--raw", "/openapi/v3/api/v1"))["components"]["schemas"]
    published = set(_texts(schemas, "io.k8s.api.core.v1.Volume", ()))
    named = {path for path, _ in volumes.NAMED_LISTS}
    searched = {*volumes.TEXTS, *volumes.LISTS, *volumes.MAPS}
    assert {path for path in published - searched - named if _matters(path)} == set()
    assert searched | named <= published


def _matters(path: str) -> bool:
    name = path.rpartition(".")[2]
    if path.startswith(CLAIM):
        return name in OF_CLAIM and not path.startswith(f"{CLAIM}metadata.name")
    is_credential = "ecretRef" in path
    return name not in IRRELEVANT and not is_credential


def _texts(schemas: Any, name: str, above: tuple[str, ...], path: str = "") -> Iterator[str]:
    for field, schema in schemas[name].get("properties", {}).items():
        place = f"{path}.{field}" if path else field
        references = [schema, *schema.get("allOf", ())]
        inner = next((one["$ref"].rpartition("/")[2] for one in references if "$ref" in one), None)
        if inner and inner not in above:
            yield from _texts(schemas, inner, (*above, inner), place)
        elif schema.get("type") in ("string", "array", "object"):
            yield place
