"""A plan as a file, so that what was reviewed is what is carried out. It holds manifests, Secrets included."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import orjson
from pydantic import ValidationError

from orchestrator.core.objects import JsonObject
from orchestrator.core.plan import Plan, PlanDocument
from orchestrator.core.records import canonical_json
from orchestrator.core.redaction import numbered_digest, redact
from orchestrator.core.schema import API_VERSION
from orchestrator.documents._checking import adapter
from orchestrator.documents.loading import read_text
from orchestrator.errors import DocumentError

_LARGEST = 1 << 30
"""Bytes: manifests of every model for hundreds of clusters, and no file without end."""


def to_document(plan: Plan, *, masked: bool = False) -> JsonObject:
    """The plan as JSON; `masked` hides its secrets, and what is left cannot be applied."""
    document: JsonObject = adapter(PlanDocument).dump_python(
        PlanDocument(digest=digest_of(plan), plan=plan), mode="json", by_alias=True
    )
    return {**document, "plan": redact(document["plan"], numbered_digest())} if masked else document


def read_saved_plan(path: Path) -> Plan:
    """The plan in this file. Raises DocumentError when it holds none, or one that was changed."""
    text = read_text(path, shown=str(path), largest=_LARGEST)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        words = error if isinstance(error, ValueError) else "nested too deeply"
        raise DocumentError(f"this is no saved plan: {words}", file=str(path)) from error
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
