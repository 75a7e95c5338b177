"""Names for imported clusters: DNS labels made of context names, each given once. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST = 63


def cluster_names(contexts: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """A cluster name for each context, in their order; none is among `taken`, and no two are alike."""
    used = set(taken)
    names: dict[str, str] = {}
    for context in contexts:
        name = _free(dns_label(context), used)
        used.add(name)
        names[context] = name
    return names


def dns_label(text: str) -> str:
    """`arn:aws:eks:eu-west-1:123:cluster/models` → `models`; anything that is no letter or digit becomes a hyphen."""
    parts = [part for part in re.split(r"[/:@]", text) if re.search(r"[A-Za-z0-9]", part)]
    last = parts[-1] if parts else "cluster"
    return re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:_LONGEST].strip("-") or "cluster"


def _free(name: str, used: set[str]) -> str:
    candidate, number = name, 1
    while candidate in used:
        number += 1
        suffix = f"-{number}"
        candidate = name[: _LONGEST - len(suffix)].rstrip("-") + suffix
    return candidate
