"""What nodes say of their place is believed only where they agree and a fleet could hold it."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.workflow.fleet_import import place_of

REGION, COUNTRY = "topology.kubernetes.io/region", "orchestrator.dev/country"


def node(**labels: str) -> dict[str, Any]:
    names = {"region": REGION, "country": COUNTRY}
    return {"metadata": {"labels": {names[key]: value for key, value in labels.items()}}}


@pytest.mark.parametrize(
    ("nodes", "place"),
    [
        ([], (None, None)),
        ([{"metadata": {}}], (None, None)),
        ([node(region="eu-west-1")], ("eu-west-1", "IE")),
        ([node(region="eu-west-1"), {"metadata": {}}], ("eu-west-1", "IE")),
        ([node(region="eu-west-1"), node(region="us-east-1")], (None, None)),
        ([node(region="rack", country="NO")], ("rack", "NO")),
        ([node(region="rack", country="NO"), node(region="rack", country="SE")], ("rack", None)),
        ([node(region="rack", country="Norway")], ("rack", None)),
        ([node(region="\x1b[31m", country="NO")], (None, "NO")),
        ([node(region="x" * 64)], (None, None)),
    ],
)
def test_place(nodes: list[dict[str, Any]], place: tuple[str | None, str | None]) -> None:
    assert place_of(nodes) == place
