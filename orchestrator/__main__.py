"""Starts the command line: `python -m orchestrator`."""

from __future__ import annotations

import signal
import sys

from orchestrator.cli.app import run


def main() -> None:
    """Run the command line and exit with its code."""
    # Until a run listens to it, SIGTERM is what SIGINT is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
