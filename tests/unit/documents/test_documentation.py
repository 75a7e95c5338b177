"""The reference shows documents that are accepted as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.documents.envelope import load_any
from orchestrator.geo.jurisdictions import load_jurisdictions
from tests.unit.documents.conftest import VOCABULARY

PAGE = (Path(__file__).parents[3] / "docs" / "documents.md").read_text(encoding="utf-8")
DOCUMENTS = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


def test_there_is_one_of_each_kind() -> None:
    assert [re.findall(r"^kind: (\w+)", text, flags=re.MULTILINE)[0] for text in DOCUMENTS] == [
        "Fleet",
        "Model",
        "Playbook",
        "Order",
    ]


@pytest.mark.parametrize("text", DOCUMENTS)
def test_what_is_shown_is_accepted(text: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_any(path, VOCABULARY).value.name


def test_every_group_is_listed() -> None:
    assert all(f"`{code}`" in PAGE for code in load_jurisdictions().groups)
