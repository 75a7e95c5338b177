"""JSON Schema (draft 2020-12) of what people write and of what this tool prints."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from orchestrator.core.drill import DrillReport
from orchestrator.core.evidence import EvidenceReport
from orchestrator.core.fleet_check import FleetReport
from orchestrator.core.order_report import HoldList, OrderList
from orchestrator.core.plan import PlanDocument
from orchestrator.core.result import ErrorDocument, RunResult, StatusDocument
from orchestrator.core.run_report import AbortReport, RunList, RunReport
from orchestrator.core.schema import API_VERSION, DOCUMENT
from orchestrator.documents._checking import adapter
from orchestrator.documents.envelope import DOCUMENT_KINDS
from orchestrator.documents.problems import suggestion
from orchestrator.errors import UsageError

DIALECT = "https://json-schema.org/draft/2020-12/schema"

PRINTED_KINDS: dict[str, type[Any]] = {
    "Plan": PlanDocument,
    "RunResult": RunResult,
    "Status": StatusDocument,
    "FleetReport": FleetReport,
    "DrillReport": DrillReport,
    "HoldList": HoldList,
    "OrderList": OrderList,
    "EvidenceReport": EvidenceReport,
    "RunList": RunList,
    "RunReport": RunReport,
    "AbortReport": AbortReport,
    "Error": ErrorDocument,
}
"""The kinds that commands print with `-o json`; their classes carry apiVersion and kind themselves."""

_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}


def kinds() -> tuple[str, ...]:
    """Every kind that has a schema."""
    return (*DOCUMENT_KINDS, *PRINTED_KINDS)


def schema(kind: str) -> dict[str, Any]:
    """The schema of a kind; raises UsageError for one that has none."""
    if kind in DOCUMENT_KINDS:
        return _in_envelope(kind, _without_titles(_described(DOCUMENT_KINDS[kind]).json_schema()))
    if kind in PRINTED_KINDS:
        return {"$schema": DIALECT, "title": kind, **schema_of(PRINTED_KINDS[kind])}
    raise UsageError(f"{kind} is no kind of document", hint=suggestion(kind, kinds(), "kinds"))


def schema_of(cls: type[Any]) -> dict[str, Any]:
    """The schema of a dataclass as it is printed: every field is there, defaults included."""
    found = _described(cls).json_schema(mode="serialization")
    for part in (found, *found.get("$defs", {}).values()):
        if "properties" in part:
            part["required"] = list(part["properties"])
    return _without_titles(found)


def as_printed(value: Any) -> dict[str, Any]:
    """A printed dataclass as its JSON document, camelCase, as its schema says."""
    found: dict[str, Any] = adapter(type(value)).dump_python(value, mode="json", by_alias=True)
    return found


_described_ones: dict[type[Any], TypeAdapter[Any]] = {}


def _described(cls: type[Any]) -> TypeAdapter[Any]:
    """A validator that knows what the docstrings of fields say: to read the source of every class takes its time."""
    if cls not in _described_ones:
        DOCUMENT["use_attribute_docstrings"] = True
        try:
            _described_ones[cls] = TypeAdapter(cls)
        finally:
            DOCUMENT["use_attribute_docstrings"] = False
    return _described_ones[cls]


def _without_titles(flat: dict[str, Any]) -> dict[str, Any]:
    """Without the titles that pydantic derives from names: they say nothing."""
    for part in (flat, *flat.get("$defs", {}).values()):
        part.pop("title", None)
        for inner in part.get("properties", {}).values():
            inner.pop("title", None)
    return flat


def _in_envelope(kind: str, flat: dict[str, Any]) -> dict[str, Any]:
    definitions = flat.pop("$defs", {})
    description = flat.pop("description", "")
    properties = {name: value for name, value in flat["properties"].items() if name != "name"}
    required = [name for name in flat.get("required", ()) if name != "name"]
    return {
        "$schema": DIALECT,
        "title": kind,
        "description": description,
        "type": "object",
        "additionalProperties": False,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": kind},
            "metadata": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"},
                    "labels": {**_STRINGS, "description": "For other tools; this one does not read them."},
                    "annotations": {**_STRINGS, "description": "For other tools; this one does not read them."},
                },
            },
            "spec": {"type": "object", "additionalProperties": False, "required": required, "properties": properties},
        },
        "$defs": definitions,
    }
