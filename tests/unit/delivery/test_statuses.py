"""What answers mean: each recorded one is an error by meaning, with a message that is safe to print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from orchestrator import errors
from orchestrator.core.ports import Access
from orchestrator.delivery.statuses import NOT_SERVED, Busy, error_of, read_object
from orchestrator.delivery.transport import Answer
from orchestrator.errors import Conflict, NotFound, Unreachable

SAMPLES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("statuses.yaml").read_text())
LIST = Access("list", "apps", "deployments", "default")


def answer(status: int, body: Any, **headers: str) -> Answer:
    content = body.encode() if isinstance(body, str) else orjson.dumps(body)
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample["name"] for sample in SAMPLES])
def test_meaning(sample: dict[str, Any]) -> None:
    """The error's class is exactly its meaning; its message has the server's words and nothing that moves a cursor."""
    error = error_of(answer(sample["status"], sample["body"]), LIST)
    expected = getattr(errors, sample["error"])
    assert isinstance(error, expected)
    assert type(error) in (expected, Busy)
    assert sample["says"] in error.message
    assert error.message.isprintable()
    assert len(error.message) < 700
    if isinstance(error, Conflict):
        assert error.fields == tuple(map(tuple, sample.get("fields", ())))


def test_path_that_is_not_served_is_told_apart() -> None:
    """Go's plain 404 needs the server's own list of APIs before it is believed."""
    error = error_of(answer(404, "404 page not found\n"), LIST)
    assert isinstance(error, NotFound)
    assert error.code == NOT_SERVED


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("", None),
        ("-1", None),
        ("1e9", None),
        ("99999999", None),
        ("Fri, 12 Jun 2026", None),
        ("٣", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    """Only a plain number of seconds counts."""
    error = error_of(answer(429, "", retry_after=header), LIST)
    assert isinstance(error, Busy)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "1", "{", "NaN", "[" * 2000, '{"a": \ud800}'.encode("utf-8", "ignore").decode()]
)
def test_success_must_be_an_object(body: str) -> None:
    """Status 200 alone is no success."""
    with pytest.raises(Unreachable) as caught:
        read_object(answer(200, body), LIST)
    assert caught.value.code == "not-json"
    assert read_object(answer(201, {"kind": "Pod"}), LIST) == {"kind": "Pod"}


def test_quoted_objects_and_secrets_are_left_out() -> None:
    """A patch that does not fit makes the server quote the whole object; of a Secret no value is told at all."""
    whole = orjson.dumps(
        '{"kind":"Secret","data":{"key":"czNjcmV0"},"more":"and more and more and more and more"}'
    ).decode()
    told = f'"" is invalid: patch: Invalid value: {whole}: strict decoding error: unknown field "spec.replicsa"'
    short = 'Secret "x" is invalid: data[k]: Invalid value: "s3cret": no; got &value.valueUnstructured{Value:"s3cret"}'
    for access, message in ((LIST, told), (Access("patch", "", "secrets", "default"), short)):
        error = error_of(answer(422, {"kind": "Status", "message": message}), access)
        assert "czNjcmV0" not in error.message
        assert "s3cret" not in error.message
        assert "is invalid" in error.message
    assert "spec.replicsa" in error_of(answer(422, {"kind": "Status", "message": told}), LIST).message
