"""Parameters of checks, read back from the plan's plain data."""

from __future__ import annotations

import pytest

from orchestrator.core.schema import Seconds
from orchestrator.errors import UsageError
from orchestrator.plugins import checks


def test_parameters_are_read_in_camel_case() -> None:
    """With durations in the words of documents, and defaults for the rest."""
    params = checks()["http"].read({"url": "http://a", "expectStatus": 204, "within": "2m"})
    assert (params.url, params.expect_status, params.within, params.timeout) == ("http://a", 204, 120.0, 10.0)
    assert isinstance(params.within, Seconds)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "the check http needs url"),
        ({"url": "http://a", "expect_status": 200}, "the check http takes no expect_status"),
        ({"url": "http://a", "within": "soon"}, "the check http: expected a duration"),
    ],
)
def test_wrong_parameters_are_refused(raw: dict[str, object], message: str) -> None:
    """A plan that was edited by hand is no reason for a traceback."""
    with pytest.raises(UsageError, match=message):
        checks()["http"].read(raw)
