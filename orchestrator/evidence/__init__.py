"""What remains of a run: its journal, its record, and the evidence made of both.

It writes down, reads back, signs and checks. It refuses to judge what a run did, to hold secrets, and to stop a run
because a disk is full.
"""

from orchestrator.evidence.bundle import bundle_lines
from orchestrator.evidence.journal import (
    FileJournal,
    JournalContents,
    JournalRecord,
    is_run_id,
    new_run_id,
    open_journal,
    read_journal,
    run_directory,
)
from orchestrator.evidence.private import run_digest, write_new
from orchestrator.evidence.run_record import (
    RunRecord,
    forget_request,
    list_runs,
    read_about,
    read_heads,
    read_run,
    write_about,
    write_request,
    write_result,
)
from orchestrator.evidence.signing import PublicKey, SigningKey, load_public_key, load_signing_key
from orchestrator.evidence.verifying import verify_bundle

__all__ = [
    "FileJournal",
    "JournalContents",
    "JournalRecord",
    "PublicKey",
    "RunRecord",
    "SigningKey",
    "bundle_lines",
    "forget_request",
    "is_run_id",
    "list_runs",
    "load_public_key",
    "load_signing_key",
    "new_run_id",
    "open_journal",
    "read_about",
    "read_heads",
    "read_journal",
    "read_run",
    "run_digest",
    "run_directory",
    "verify_bundle",
    "write_about",
    "write_new",
    "write_request",
    "write_result",
]
