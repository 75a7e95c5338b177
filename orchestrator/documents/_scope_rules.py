"""What must be right of every scope, whatever the fleet."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.core.scope import Jurisdictions, Scope
from orchestrator.documents.problems import Path, Problems


def check_scope(scope: Scope, path: Path, problems: Problems, jurisdictions: Jurisdictions) -> None:
    """Note a scope that names nothing, an unknown country or group, and an `except` within `except`."""
    if not scope.names_any:
        problems.add("the scope names no cluster", path, "for every cluster say `all: true`")
    check_places(scope.in_, (*path, "in"), problems, jurisdictions)
    check_places(scope.serves, (*path, "serves"), problems, jurisdictions)
    if scope.except_ is None:
        return
    if scope.except_.except_ is not None:
        problems.add("an `except` has no `except` of its own", (*path, "except", "except"))
    else:
        check_scope(scope.except_, (*path, "except"), problems, jurisdictions)


def check_places(words: Iterable[str], path: Path, problems: Problems, jurisdictions: Jurisdictions) -> None:
    """Note every word that is neither a country nor a group."""
    for index, word in enumerate(words):
        if jurisdictions.canonical(word) is None:
            hint = jurisdictions.suggest(word) or f"groups: {', '.join(jurisdictions.groups)}"
            message = f"{word} is no ISO 3166-1 alpha-2 country code and no known group"
            problems.add(message, (*path, index), hint)
