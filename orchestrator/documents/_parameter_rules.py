"""Parameters of checks: their classes come with the vocabulary, since checks are plugins."""

from __future__ import annotations

from typing import Any

from orchestrator.documents._checking import check
from orchestrator.documents.problems import Path, Problems, shown, suggestion
from orchestrator.documents.vocabulary import Vocabulary


def check_parameters(name: str, parameters: Any, path: Path, problems: Problems, vocabulary: Vocabulary) -> None:
    """Note an unknown check, and parameters that it does not take; `path` leads to the parameters."""
    if name not in vocabulary.checks:
        problems.add(f"there is no check {shown(name)}", path, suggestion(name, vocabulary.checks, "checks"))
    elif not isinstance(parameters, dict):
        problems.add(f"{name}: expected a mapping of parameters, not {shown(parameters)}", path)
    else:
        check(vocabulary.checks[name], parameters, problems, lambda inner: (*path, *inner))
