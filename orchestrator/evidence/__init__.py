"""What remains of a run: its journal.

It writes down and reads back. It refuses to judge what it reads, to hold secrets or manifests, and to stop a run
because a disk is full.
"""

from orchestrator.evidence.journal import (
    FileJournal,
    JournalContents,
    JournalRecord,
    new_run_id,
    open_journal,
    read_journal,
    run_directory,
)
from orchestrator.evidence.run_files import write_about, write_result

__all__ = [
    "FileJournal",
    "JournalContents",
    "JournalRecord",
    "new_run_id",
    "open_journal",
    "read_journal",
    "run_directory",
    "write_about",
    "write_result",
]
