"""The real command line, killed at one point of its journal: `python -m tests.cluster.killing.dying ARGUMENTS`.

`KILL_POINT` says where and `KILL_NAMESPACE` what the test's names start with. Nothing else differs from the command.
"""

from __future__ import annotations

import os
import signal
import sys

from orchestrator.cli.app import run
from orchestrator.core.events import Event
from orchestrator.evidence.journal import FileJournal
from tests.cluster.killing.points import Naming, Point


def _arm(point: Point, naming: Naming) -> None:
    record = FileJournal.record

    def record_and_die(journal: FileJournal, event: Event) -> None:
        is_here = naming.name_event(event) == point.record
        if not is_here or point.when == "after":
            record(journal, event)
        if is_here:
            # No handler runs, no lock is released, no file is flushed: as when a machine loses its power.
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(FileJournal, "record", record_and_die)  # noqa: B010 - a type checker may not assign to a method


if __name__ == "__main__":
    _arm(Point.read(os.environ["KILL_POINT"]), Naming(os.environ["KILL_NAMESPACE"]))
    sys.exit(run(sys.argv[1:]))
