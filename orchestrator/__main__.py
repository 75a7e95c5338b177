"""Starts the command line: `python -m orchestrator`."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import signal
import sys
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))
_UNTOLD = 3
"""Exit code: whatever was proven, nobody was told."""


def main() -> None:
    """Run the command line and exit with its code, whenever a signal comes: 130, and never a traceback."""
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if asked:
            os._exit(130)
        asked.append(number)

    # As it ends, the interpreter takes our handlers away: a signal that comes then would give it a code of its own.
    atexit.register(_on_signals, signal.SIG_IGN)
    # The imports take a while, and a KeyboardInterrupt in their midst would be a traceback of ours.
    _on_signals(note)
    from orchestrator.cli.app import report_interruption, run

    arguments = sys.argv[1:]
    # Until a run listens to it, SIGTERM is what SIGINT is.
    _on_signals(signal.default_int_handler)
    try:
        code = report_interruption(arguments) if asked else run(arguments)
        _flush()
    except KeyboardInterrupt:
        code = 130
    except OSError as error:
        # What a write to a stream raises names no file.
        if error.errno not in _FULL or error.filename is not None:
            raise
        code = _UNTOLD
        _say_untold(error)
    # All is told: what is left to do is to end.
    _on_signals(lambda number, frame: os._exit(code))
    sys.exit(code)


def _on_signals(handler: signal._HANDLER) -> None:
    for number in _SIGNALS:
        signal.signal(number, handler)


def _say_untold(error: OSError) -> None:
    """Say so on stderr, and let nothing that is left in a buffer fail once more at exit."""
    words = f"error: what it had to say could not be written: {error.strerror}\n"
    words += "  next: make room; `orchestrator runs show --last` tells what a run came to\n"
    with contextlib.suppress(OSError):
        os.write(2, words.encode())
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)


def _flush() -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read it has seen enough. What is left would fail once more at exit, with a code of its own (Python's
        # documentation of `signal`, "Note on SIGPIPE").
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
