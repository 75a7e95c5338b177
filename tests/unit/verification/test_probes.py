"""What an endpoint's answer proves, and what it does not."""

from __future__ import annotations

import json

import pytest

from orchestrator.core.model import Probe
from orchestrator.core.ports import HttpAnswer
from orchestrator.verification.probes import address_of, read_answer


def _answer(status: int, body: object = b"") -> HttpAnswer:
    return HttpAnswer(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize("status", [403, 404, 410, 451])
def test_a_terminal_answer_refuses(status: int) -> None:
    """These speak of the thing that was asked for."""
    outcome = read_answer("http://a", _answer(status))
    assert (outcome.refused, outcome.names) == (True, None)


@pytest.mark.parametrize("status", [301, 400, 401, 429, 500, 502, 503])
def test_anything_else_proves_nothing(status: int) -> None:
    """A 401 says nothing of the model, a redirect leads elsewhere, a 5xx may pass."""
    outcome = read_answer("http://a", _answer(status))
    assert (outcome.refused, outcome.names) == (False, None)


def test_a_list_is_read() -> None:
    """The names are the ids."""
    outcome = read_answer("http://a", _answer(200, {"data": [{"id": "fable-5"}, {"id": "other"}]}))
    assert outcome.names == ("fable-5", "other")


def test_an_empty_list_lists_nothing() -> None:
    """It is an answer: none of the names is listed."""
    assert read_answer("http://a", _answer(200, {"data": []})).names == ()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"data": {}}', b'{"data": ""}', b'{"data": [1]}', b"{}", b"[" * 100_000]
)
def test_what_is_no_list_proves_nothing(body: bytes) -> None:
    """A maintenance page with status 200 is no sign of absence."""
    outcome = read_answer("http://a", _answer(200, body))
    assert (outcome.refused, outcome.names) == (False, None)


def test_the_cluster_and_region_are_filled_in() -> None:
    """Names are quoted, so that none becomes a path."""
    probe = Probe(url="https://{region}.models.example/{cluster}/")
    assert address_of(probe, "a/b", "eu-west") == "https://eu-west.models.example/a%2Fb/v1/models"


def test_the_outcome_tells_the_address_without_its_password() -> None:
    """It becomes part of reasons, and these of everything that is printed and kept."""
    assert read_answer("http://user:pass@a/v1", _answer(200, {"data": []})).url == "http://a/v1"
