"""A run told to people who were not there: one HTML page or Markdown, made of what the run recorded.

Pure: from a RunRecord to a view, from the view to text; equal records give equal bytes. It refuses to say more than
the record proves (what contradicts itself is not proven), to let a text of the record become markup, and to name
anything outside the page.
"""

from orchestrator.evidence.report.html import html_of
from orchestrator.evidence.report.markdown import markdown_of
from orchestrator.evidence.report.view import ReportView, Sealed, view_of

__all__ = ["ReportView", "Sealed", "html_of", "markdown_of", "view_of"]
