"""A vocabulary with one check, and documents written into a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from orchestrator.core.schema import DOCUMENT, Seconds
from orchestrator.documents.vocabulary import Vocabulary
from orchestrator.errors import DocumentError, UsageError
from orchestrator.geo.jurisdictions import load_jurisdictions

Write = Callable[[str, str], Path]
Refusal = Callable[[Callable[[], object]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpParameters:
    """A stand-in for a plugin's own class; checks are another room's."""

    __pydantic_config__ = DOCUMENT

    url: str
    status: int = 200
    timeout: Seconds = Seconds(10)


VOCABULARY = Vocabulary(
    jurisdictions=load_jurisdictions(), checks={"http": HttpParameters}, safety_rules=("minEnabledClusters",)
)


@pytest.fixture
def vocabulary() -> Vocabulary:
    return VOCABULARY


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file below the test's folder, its text freed of indentation."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def refusal() -> Refusal:
    """`file:line: message | hint` of the error that an action ends with, which is of exit code 2."""

    def refused(action: Callable[[], object]) -> str:
        with pytest.raises(UsageError) as caught:
            action()
        error = caught.value
        assert error.exit_code == 2
        if isinstance(error, DocumentError) and error.file:
            return f"{Path(error.file).name}:{error.line}: {error.message} | {error.hint or ''}"
        return f"{error.message} | {error.hint or ''}"

    return refused
