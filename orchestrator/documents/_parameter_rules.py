"""Parameters of checks, whose classes come with the vocabulary, since checks are plugins; and what they may address."""

from __future__ import annotations

from typing import Any

from orchestrator.core.redaction import without_credentials
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
        for key, value in parameters.items():
            if isinstance(value, str) and "://" in value:
                check_address(value, (*path, key), problems)
        check(vocabulary.checks[name], parameters, problems, lambda inner: (*path, *inner))


def check_address(address: str, path: Path, problems: Problems) -> None:
    """Note an address with a password or token in it: the catalogue of every cluster would keep it, for all to read."""
    if without_credentials(address) != address:
        hint = "let what it asks answer without one: probes are not the place for secrets"
        problems.add("the address holds a user name, password or token", path, hint, is_cause=True)
