"""What people are shown of secrets: that they are there, and whether they change."""

from __future__ import annotations

import pytest

from orchestrator.core.comparison import MASKED
from orchestrator.core.redaction import numbered_digest, redact, without_credentials


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://user:pass@models.example/v1", "http://models.example/v1"),
        ("https://token@models.example/x@y", "https://models.example/x@y"),
        ("https://a:b@c@models.example/", "https://models.example/"),
        ("https://models.example/?api_key=abc&x=1", "https://models.example/?api_key=(hidden)&x=1"),
        ("https://models.example:8443/{cluster}", "https://models.example:8443/{cluster}"),
    ],
)
def test_an_address_is_told_without_its_credentials(url: str, told: str) -> None:
    """Where a probe asks is told in every verdict; who it asks as is nobody's business."""
    assert without_credentials(url) == told


def test_for_people_equal_secrets_have_equal_numbers() -> None:
    """So that a change can be told from none, and nothing be guessed from a hash."""
    digest = numbered_digest()
    hidden = redact(
        {"env": [{"name": "A", "value": "x"}, {"name": "B", "value": "y"}, {"name": "C", "value": "x"}]}, digest
    )
    assert [entry["value"] for entry in hidden["env"]] == ["(hidden 1)", "(hidden 2)", "(hidden 1)"]
    assert digest(MASKED) == MASKED
