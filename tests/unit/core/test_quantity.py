"""Kubernetes quantities as exact numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from orchestrator.core.quantity import parse_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", "1"),
        (1, "1"),
        (1.5, "1.5"),
        ("500m", "0.5"),
        ("1Gi", "1073741824"),
        ("1.5Gi", "1610612736"),
        ("1G", "1000000000"),
        ("1k", "1000"),
        ("1Ki", "1024"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1E", "1e18"),
        ("-1", "-1"),
        (".5", "0.5"),
        ("100n", "1e-7"),
    ],
)
def test_quantities(text: object, number: str) -> None:
    """Every form of the grammar; `E` is a unit unless digits follow."""
    assert parse_quantity(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "one", "1Kb", "1 Gi x", True, None, [], "1e9999999", "9" * 1000 + "x"])
def test_what_is_no_quantity_is_refused(text: object) -> None:
    """Without a number of unbounded size ever being computed."""
    with pytest.raises(ValueError, match="expected a quantity"):
        parse_quantity(text)
