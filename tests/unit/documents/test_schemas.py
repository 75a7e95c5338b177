"""Published schemas: valid themselves, accepting what the loader accepts, refusing what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orchestrator.core.fleet import Fleet
from orchestrator.core.model import Model
from orchestrator.core.order import Order
from orchestrator.core.playbook import Playbook
from orchestrator.core.result import ErrorDetail, ErrorDocument
from orchestrator.documents._checking import adapter
from orchestrator.documents._parsing import parse_documents
from orchestrator.documents.loading import load_one
from orchestrator.documents.schemas import kinds, schema
from tests.unit.documents import test_fleet, test_model, test_order, test_playbook
from tests.unit.documents.conftest import Refusal

EXAMPLES = {Fleet: test_fleet.GOOD, Model: test_model.GOOD, Playbook: test_playbook.GOOD, Order: test_order.GOOD}
SHIPPED = Path(__file__).parents[3]


def parsed(text: str) -> Any:
    (source,) = parse_documents(text, "f")
    return source.value


@pytest.mark.parametrize("kind", kinds())
def test_every_schema_is_one(kind: str) -> None:
    """Of draft 2020-12, closed, and with a description."""
    document = schema(kind)
    jsonschema.Draft202012Validator.check_schema(document)
    assert document["$schema"].endswith("2020-12/schema")
    assert document["title"] == kind
    assert document["description"]
    for part in (document, *document.get("$defs", {}).values()):
        if "properties" in part:
            assert part["additionalProperties"] is False


@pytest.mark.parametrize("cls", EXAMPLES)
def test_what_the_loader_accepts_is_valid(cls: type[Any]) -> None:
    """Names in camelCase, durations as strings, Python's keywords without their underscore."""
    jsonschema.validate(parsed(EXAMPLES[cls]), schema(cls.__name__), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        *(("Model", path) for path in sorted(SHIPPED.glob("manifests/*/model.yaml"))),
        *(("Playbook", path) for path in sorted(SHIPPED.glob("playbooks/*.yaml"))),
        *(("Order", path) for path in sorted(SHIPPED.glob("playbooks/orders/*.yaml"))),
    ],
)
def test_shipped_documents_are_valid(kind: str, path: Path) -> None:
    """As an editor would judge them."""
    jsonschema.validate(load_one(path).value, schema(kind), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("kind: Fleet", "kind: Model"),
        ("orchestrator/v1", "orchestrator/v2"),
        ("{name: production}", "{name: UPPER}"),
        ("region: eu-west\n", "regin: eu-west\n"),
        ("value: 2", "value: two"),
        ("spec:\n", "spec:\n  name: x\n"),
        ("capacity: elastic", "capacity: big"),
    ],
)
def test_what_the_loader_refuses_is_invalid(before: str, after: str) -> None:
    """Shape and types; the rules beyond are the loader's."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(
            parsed(test_fleet.GOOD.replace(before, after)), schema("Fleet"), cls=jsonschema.Draft202012Validator
        )


def test_fields_are_described() -> None:
    """From the words beside the fields."""
    cluster = schema("Fleet")["$defs"]["Cluster"]["properties"]
    assert cluster["uid"]["description"].startswith("Pinned identity")
    assert schema("Playbook")["$defs"]["Strategy"]["properties"]["progressDeadline"]["default"] == "10m"
    assert {"in", "except"} <= set(schema("Playbook")["$defs"]["Scope"]["properties"])


def test_printed_documents_have_every_field() -> None:
    """So that pipelines need not ask whether one is there."""
    document = schema("Error")
    assert set(document["required"]) == {"apiVersion", "kind", "exitCode", "error"}
    value = ErrorDocument(exit_code=2, error=ErrorDetail(code="usage", message="m"))
    printed = adapter(ErrorDocument).dump_python(value, mode="json", by_alias=True)
    jsonschema.validate(printed, document, cls=jsonschema.Draft202012Validator)
    del printed["error"]["hint"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(printed, document, cls=jsonschema.Draft202012Validator)


def test_a_kind_without_a_schema(refusal: Refusal) -> None:
    """The nearest one is suggested."""
    assert "did you mean Playbook?" in refusal(lambda: schema("playbok"))
