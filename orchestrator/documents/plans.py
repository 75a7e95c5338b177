"""A plan as a file, so that what was reviewed is what is carried out. It holds manifests, Secrets included."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from orchestrator.core.comparison import LAST_APPLIED, MASKED
from orchestrator.core.objects import JsonObject
from orchestrator.core.plan import Plan, PlanDocument
from orchestrator.core.records import canonical_json
from orchestrator.core.schema import API_VERSION
from orchestrator.documents._checking import adapter
from orchestrator.errors import DocumentError


def to_document(plan: Plan, *, masked: bool = False) -> JsonObject:
    """The plan as JSON; `masked` leaves out the content of Secrets, and what is left cannot be applied."""
    document: JsonObject = adapter(PlanDocument).dump_python(
        PlanDocument(digest=digest_of(plan), plan=plan), mode="json", by_alias=True
    )
    return {**document, "plan": _without_secrets(document["plan"])} if masked else document


def read_saved_plan(path: Path) -> Plan:
    """The plan in this file. Raises DocumentError when it holds none, or one that was changed."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DocumentError(f"this is no saved plan: {error}", file=str(path)) from error
    return from_document(document, file=str(path))


def from_document(document: JsonObject, *, file: str | None = None) -> Plan:
    """Read a saved plan. Raises DocumentError when it is none, is of another version, or was changed by hand."""
    if not isinstance(document, dict) or (document.get("kind"), document.get("apiVersion")) != ("Plan", API_VERSION):
        raise DocumentError(f"this is no Plan of {API_VERSION}", file=file)
    try:
        saved = adapter(PlanDocument).validate_json(orjson.dumps(document), strict=True)
    except (ValidationError, TypeError) as error:
        raise DocumentError(f"this plan cannot be read: {_first_problem(error)}", file=file) from error
    if digest_of(saved.plan) != saved.digest:
        raise DocumentError(
            "this plan was changed after it was saved", file=file, hint="make it anew with `plan --save`"
        )
    return saved.plan


def digest_of(plan: Plan) -> str:
    """SHA-256 of the plan's canonical JSON."""
    document = adapter(Plan).dump_python(plan, mode="json", by_alias=True)
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()


def _first_problem(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}"


def _without_secrets(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_secrets(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if value.get("kind") == "Secret" and "metadata" in value:
        return {key: MASKED if key in ("data", "stringData") else _without_copy(entry) for key, entry in value.items()}
    return {key: _without_secrets(entry) for key, entry in value.items()}


def _without_copy(value: Any) -> Any:
    """Without the annotation in which kubectl keeps the whole Secret once more."""
    if isinstance(value, dict):
        return {key: MASKED if key == LAST_APPLIED else _without_copy(entry) for key, entry in value.items()}
    return value
