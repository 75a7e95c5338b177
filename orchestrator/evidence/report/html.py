"""The report as one HTML page that loads nothing: no script, no font, no image, no link out."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from orchestrator.evidence.report.durations import clock, many, span
from orchestrator.evidence.report.timeline import LENGTH
from orchestrator.evidence.report.verdicts import LABELS, MEANINGS, WORST_FIRST, counted
from orchestrator.evidence.report.view import ReportView

if TYPE_CHECKING:
    from jinja2 import Environment

_PACKAGE: Final = "orchestrator.evidence.report"


def html_of(view: ReportView) -> str:
    """The page; equal views give equal bytes."""
    style = _read("report.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return (
        _environment()
        .get_template("report.html")
        .render(view=view, style=style, style_digest=digest, labels=LABELS, meanings=MEANINGS, order=WORST_FIRST)
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(span=span, clock=clock, counted=counted, many=many)
    environment.globals["track_length"] = LENGTH
    return environment


def _read(name: str) -> str:
    return resources.files(_PACKAGE).joinpath("templates", name).read_text(encoding="utf-8")
