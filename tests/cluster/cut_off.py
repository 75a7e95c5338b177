"""The real command line, killed by itself after one record: `CUT_OFF='{"type": …}' python -m tests.cluster.cut_off …`.

`CUT_OFF` says after which record of the journal: its `type`, and optionally its `cluster`, a text in its data, and
which of several such (`nth`, from 1). Nothing else differs from the command.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from orchestrator.cli.app import run
from orchestrator.core.events import Event
from orchestrator.evidence.journal import FileJournal


def _arm(where: dict[str, str | int]) -> None:
    record, left = FileJournal.record, [int(where.get("nth", 1))]

    def record_and_die(journal: FileJournal, event: Event) -> None:
        record(journal, event)
        is_here = event.type.value == where["type"] and where.get("cluster") in (None, event.cluster)
        if is_here and str(where.get("text", "")) in json.dumps(dict(event.data), default=str):
            left[0] -= 1
            if left[0] == 0:
                # No handler runs, no lock is released, no file is flushed: as when a machine loses its power.
                os.kill(os.getpid(), signal.SIGKILL)

    FileJournal.record = record_and_die  # type: ignore[method-assign]


if __name__ == "__main__":
    _arm(json.loads(os.environ["CUT_OFF"]))
    sys.exit(run(sys.argv[1:]))
