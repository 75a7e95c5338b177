"""Starts the command line: `python -m orchestrator`."""

from __future__ import annotations

import os
import signal
import sys

from orchestrator.cli.app import run


def main() -> None:
    """Run the command line and exit with its code."""
    # Until a run listens to it, SIGTERM is what SIGINT is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = run(sys.argv[1:])
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read it has seen enough. What is left would fail once more at exit, with a code of its own (Python's
        # documentation of `signal`, "Note on SIGPIPE").
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


if __name__ == "__main__":
    main()
