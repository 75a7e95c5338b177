"""Writes the figures of a run into docs/performance.md, between its two marks: no figure there is typed by hand.

    python -m tests.bench.page [RESULT.json…]

Without an argument from `bench/results/reference*.json`, which are kept in the repository, the newest first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.bench.figures import JsonObject, shown
from tests.bench.setting import ROOT

PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "bench" / "results"
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"


def with_figures(page: str, documents: Iterable[JsonObject]) -> str:
    """The page with the figures of these documents, the newest first."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    newest_first = sorted(documents, key=lambda document: str(document["began"]), reverse=True)
    figures = "\n\n".join("\n".join(lines(document)) for document in newest_first)
    return f"{before}{BEGIN}{figures}\n{END}{after}"


def lines(document: JsonObject) -> Iterator[str]:
    """The machine in a sentence, then a table with a line per figure, then why some bars are missed."""
    machine, versions = document["machine"], document["versions"]
    yield (
        f"Measured {document['began'][:10]} on {machine['cores']} cores ({machine['processor']}), "
        f"{machine['memoryGiB']} GiB, {document['clusters']} control planes, load {machine['load']} at the end; "
        f"Kubernetes {versions.get('kube-apiserver', '?')}, Python {versions['python']}."
    )
    yield ""
    yield "| measure | bar | measured | spread | rounds | |"
    yield "|---|--:|--:|--:|--:|---|"
    for one in document["figures"]:
        sense = "≥" if one["sense"] == "at least" else "≤"
        cells = (
            f"{one['measure']}: {one['name']}",
            "-" if one["bar"] is None else f"{sense} {shown(one['bar'])} {one['unit']}",
            "-" if one["value"] is None else f"{shown(one['value'])} {one['unit']}",
            " to ".join(shown(end) for end in one["spread"] or ()) or "-",
            str(len(one["rounds"])),
            "told" if one["bar"] is None else "met" if one["met"] else "**missed**",
        )
        yield f"| {' | '.join(cells)} |"
    yield from _parts(document)


def _parts(document: JsonObject) -> Iterator[str]:
    found = [one for one in document["figures"] if one["details"] or one["reason"]]
    if found:
        yield ""
        yield "What the figures were made of (medians):"
        yield ""
    for one in found:
        parts = [f"{name} {shown(part) if isinstance(part, float) else part}" for name, part in one["details"].items()]
        reason = [one["reason"]] if one["reason"] else []
        yield f"- {one['measure']}: {one['name']}: {'; '.join([*parts, *reason])}"


def main(*results: Path) -> None:
    """Write the page anew."""
    documents = [json.loads(result.read_text()) for result in results or RESULTS.glob("reference*.json")]
    PAGE.write_text(with_figures(PAGE.read_text(), documents))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
