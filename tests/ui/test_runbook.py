"""The runbook, printed: two pages of A4 that can be read at arm's length, with nothing cut off at the margin."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.ui.browser import browser

pytestmark = pytest.mark.ui

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
PAPER = """
@page { size: A4; margin: 14mm 16mm }
body { font: 10.5pt/1.35 sans-serif; margin: 0 }
h1 { font-size: 17pt; margin: 0 0 2mm } h2 { font-size: 12pt; margin: 4mm 0 1mm } p, pre, table { margin: 1.5mm 0 }
pre { font: 8.5pt/1.35 monospace; background: #f2f2f2; padding: 1.5mm 2mm; white-space: pre }
code { font-size: 9.2pt } pre code { font: inherit } table { border-collapse: collapse; width: 100% }
th, td { border: 0.3pt solid #888; padding: 0.8mm 1.5mm; text-align: left; vertical-align: top }
h2, tr, pre { break-inside: avoid } h2 { break-after: avoid }
"""
"""What a wiki or a browser makes of it, roughly; no letter is smaller than 8.5 points."""


def test_it_is_two_pages_of_a4_with_nothing_cut_off(tmp_path: Path) -> None:
    words = MarkdownIt("commonmark").enable("table").render(RUNBOOK.read_text())
    page = tmp_path / "runbook.html"
    page.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8"><style>{PAPER}</style>{words}</html>')
    with browser(tmp_path / "profile") as chromium:
        # The width of the paper between its margins: 178 mm at 96 pixels an inch.
        chromium.open(page, width=673)
        pdf = chromium.print()
        too_wide = chromium.evaluate(
            "[...document.querySelectorAll('pre, table')].filter(one => one.scrollWidth > one.clientWidth + 1)"
            ".map(one => one.innerText.slice(0, 60))"
        )
    (Path(os.environ.get("REPORT_PICTURES") or tmp_path) / "runbook.pdf").write_bytes(pdf)

    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) == 2
    assert too_wide == []
