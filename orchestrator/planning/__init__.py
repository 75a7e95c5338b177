"""Wishes against snapshots → a plan: pure, plain data, and exactly what is carried out.

It sends nothing and knows no client; what has to be read, and which dry runs would help, it only names (`reads`,
`previews_needed`).
"""

from orchestrator.planning.planner import plan, previews_needed, reads
from orchestrator.planning.rendering import Rendering, render
from orchestrator.planning.subjects import subject_of_entry, subject_of_wish

__all__ = [
    "Rendering",
    "plan",
    "previews_needed",
    "reads",
    "render",
    "subject_of_entry",
    "subject_of_wish",
]
