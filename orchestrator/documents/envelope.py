"""`apiVersion`, `kind`, `metadata`, `spec`: from a source to a Fleet, a Model, a Playbook or an Order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Generic, TypeVar

from orchestrator.core.fleet import Fleet
from orchestrator.core.model import Model
from orchestrator.core.order import Order
from orchestrator.core.playbook import Playbook
from orchestrator.core.schema import API_VERSION
from orchestrator.documents._checking import check
from orchestrator.documents._fleet_rules import check_fleet
from orchestrator.documents._model_rules import check_model
from orchestrator.documents._order_rules import check_order
from orchestrator.documents._playbook_rules import check_playbook
from orchestrator.documents.loading import load_one
from orchestrator.documents.names import DNS_LABEL, is_dns_label
from orchestrator.documents.problems import Path, Problems, closest, shown, suggestion
from orchestrator.documents.source import Source
from orchestrator.documents.vocabulary import Vocabulary

T = TypeVar("T", Fleet, Model, Playbook, Order)
AnyDocument = Fleet | Model | Playbook | Order

DOCUMENT_KINDS: Mapping[str, type[AnyDocument]] = {
    "Fleet": Fleet,
    "Model": Model,
    "Playbook": Playbook,
    "Order": Order,
}
"""The kinds that people write."""

_RULES: Mapping[type[AnyDocument], Callable[[Any, Problems, Vocabulary], None]] = {
    Fleet: check_fleet,
    Model: check_model,
    Playbook: check_playbook,
    Order: check_order,
}
_ENVELOPE = ("apiVersion", "kind", "metadata", "spec")
_METADATA = ("name", "labels", "annotations")


@dataclass(frozen=True, slots=True)
class Document(Generic[T]):
    """A checked value, and where it was written."""

    value: T
    source: Source


def load(kind: type[T], path: FilePath, vocabulary: Vocabulary, *, shown_as: str | None = None) -> Document[T]:
    """The only document of a file, which is of this kind. Raises DocumentError at the first line that is wrong."""
    return read(kind, load_one(path, shown=shown_as), vocabulary)


def load_any(path: FilePath, vocabulary: Vocabulary, *, shown_as: str | None = None) -> Document[Any]:
    """The only document of a file, of whatever kind it says."""
    source = load_one(path, shown=shown_as)
    name = source.value.get("kind") if isinstance(source.value, dict) else None
    if not isinstance(name, str) or name not in DOCUMENT_KINDS:
        hint = closest(name, DOCUMENT_KINDS) if isinstance(name, str) else None
        raise source.error(f"kind: expected one of {', '.join(DOCUMENT_KINDS)}, not {shown(name)}", "kind", hint=hint)
    kind: Any = DOCUMENT_KINDS[name]
    return read(kind, source, vocabulary)


def read(kind: type[T], source: Source, vocabulary: Vocabulary) -> Document[T]:
    """Check a source: its envelope, its fields, and then its rules. Raises DocumentError."""
    problems = Problems(source)
    flat = _open_envelope(kind.__name__, source, problems)
    problems.raise_any()
    value = check(kind, flat, problems, _locate)
    if value is not None:
        _RULES[kind](value, problems, vocabulary)
    problems.raise_any()
    if value is None:
        raise source.error("not understood")
    return Document(value, source)


def _locate(path: Path) -> Path:
    return ("metadata", "name") if path[:1] == ("name",) else ("spec", *path)


def _open_envelope(kind: str, source: Source, problems: Problems) -> dict[str, Any]:
    """The fields of `spec` with the name of `metadata`, as the dataclasses have them."""
    document = source.value
    if not isinstance(document, dict):
        raise source.error(f"expected a mapping with {', '.join(_ENVELOPE)}, not {shown(document)}")
    if document.get("kind") != kind:
        raise source.error(f"kind: expected {kind}, not {shown(document.get('kind'))}", "kind")
    if document.get("apiVersion") != API_VERSION:
        problems.add(f"apiVersion: expected {API_VERSION}, not {shown(document.get('apiVersion'))}", ("apiVersion",))
    _refuse_unknown(document, _ENVELOPE, (), problems)
    metadata, spec = document.get("metadata"), document.get("spec")
    name = None
    if isinstance(metadata, dict):
        _refuse_unknown(metadata, _METADATA, ("metadata",), problems)
        name = _checked_name(metadata, problems)
    else:
        problems.add(f"metadata: expected a mapping with the name, not {shown(metadata)}", ("metadata",))
    if not isinstance(spec, dict):
        problems.add(f"spec: expected a mapping, not {shown(spec)}", ("spec",))
        return {}
    if "name" in spec:
        problems.add("unknown field name", ("spec", "name"), "the name is in metadata", is_cause=True)
    return {**spec, "name": name}


def _checked_name(metadata: Mapping[str, Any], problems: Problems) -> str | None:
    name = metadata.get("name")
    if not isinstance(name, str):
        problems.add(f"metadata.name: expected a name, not {shown(name)}", ("metadata", "name"))
        return None
    if not is_dns_label(name):
        problems.add(f"{shown(name)} is no name", ("metadata", "name"), DNS_LABEL)
    for field in ("labels", "annotations"):
        values = metadata.get(field, {})
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            problems.add(f"metadata.{field}: expected a mapping of strings", ("metadata", field))
    return name


def _refuse_unknown(mapping: Mapping[str, Any], known: tuple[str, ...], path: Path, problems: Problems) -> None:
    for field in mapping:
        if field not in known:
            problems.add(
                f"unknown field {field}", (*path, field), suggestion(field, known, "fields here"), is_cause=True
            )
