"""Kubernetes quantities (`500m`, `1Gi`, `2e3`) as exact numbers."""

from __future__ import annotations

import re
from decimal import Decimal

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,3})|([KMGTPE]i|[numkMGTPE]))?")
_LONGEST = 64
_MULTIPLES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(1000),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("MGTPE", start=2)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


def parse_quantity(text: object) -> Decimal:
    """The number that a quantity stands for, in its base unit (cores, bytes, pieces); raises ValueError for others.

    Source: the grammar in apimachinery's `resource.Quantity`.
    """
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError("expected a quantity such as 500m or 1Gi")
    form = _FORM.fullmatch(str(text).strip()) if len(str(text)) <= _LONGEST else None
    if form is None:
        raise ValueError("expected a quantity such as 500m or 1Gi")
    number, exponent, unit = form.groups()
    return Decimal(number + (exponent or "")) * _MULTIPLES.get(unit, Decimal(1))
