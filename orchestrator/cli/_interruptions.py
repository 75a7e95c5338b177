"""What comes between a command and its end: signals, and a terminal or pipe that goes away.

A run that changes something ends at a safe point when it is asked to, and is not ended by having nobody to tell: its
journal and its result are on disk, and its exit code is its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import IO, Any, Final, TypeVar

import click

Answer = TypeVar("Answer")

_GONE: Final = frozenset((errno.EPIPE, errno.EIO, errno.ENXIO, errno.EBADF))
"""What writing gives where the reader has closed the pipe, or the terminal was hung up."""
_SHOW_CURSOR: Final = b"\x1b[?25h"


_OUTLIVES_TERMINAL: ContextVar[bool] = ContextVar("outlives_terminal", default=False)


async def interruptible(story: Coroutine[Any, Any, Answer], *, outlives_terminal: bool) -> Answer:
    """The story's answer; until it listens to signals itself, SIGINT and SIGTERM are the end, by click.Abort.

    Not left to asyncio's own handling of SIGINT: it miscounts where a task group has ended by an error before (Python
    3.11). With `outlives_terminal` SIGHUP is no reason to end, now or later.
    """
    _OUTLIVES_TERMINAL.set(outlives_terminal)
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    asked: list[int] = []

    def end(number: int) -> None:
        if asked:
            _end_at_once()
        asked.append(number)
        if task is not None:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    if outlives_terminal:
        loop.add_signal_handler(signal.SIGHUP, _go_on)
    try:
        return await story
    except asyncio.CancelledError:
        if asked:
            raise click.Abort from None
        raise


def stop_on_signals() -> asyncio.Event:
    """An event that the first SIGINT or SIGTERM sets; the second one ends the process at once, with 130.

    SIGHUP, which comes when the terminal is closed, counts as well; not for a story that outlives its terminal, and
    not where whoever started us had it ignored (nohup).
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask_to_stop(number: int) -> None:
        if stop.is_set():
            _end_at_once()
        stop.set()
        name = signal.Signals(number).name
        with contextlib.suppress(OSError):
            click.echo(f"{name}: ending at the next safe point; a second {name} ends at once", err=True)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if not _OUTLIVES_TERMINAL.get() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, ask_to_stop, number)
    return stop


def take_termination_for_interruption() -> None:
    """Let SIGTERM raise KeyboardInterrupt, as SIGINT does, wherever no event loop listens to it."""
    # Only the main thread may; who runs us in another has signals of their own.
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def disregard_hangups() -> None:
    """Let SIGHUP, which comes when the terminal is closed, change nothing wherever no event loop listens to it.

    By a handler: what is ignored would be ignored by the programs that we start as well.
    """
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGHUP, _go_on)


def _go_on(*_: object) -> None:
    """The terminal was closed: the run goes on without it."""


def _end_at_once() -> None:
    """End this process without waiting for anything; what was done is in the journal, and locks expire."""
    with contextlib.suppress(OSError, ValueError):
        if os.isatty(2):
            os.write(2, _SHOW_CURSOR)
    os._exit(130)


def outlast_readers() -> None:
    """Let stdout and stderr take whatever is written to them, also when nobody is there to read it any more.

    Only that is forgiven: a disk that is full is an error on stdout, as the result would be cut short unnoticed.
    """
    _occupy_standard_streams()
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream: IO[str] | None = getattr(sys, name)
        try:
            is_real = stream is None or stream.fileno() == descriptor
        except (OSError, ValueError):
            continue
        if is_real:
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.flush()
            raw = _Lasting(descriptor, _GONE if descriptor == 1 else frozenset(errno.errorcode))
            encoding = getattr(stream, "encoding", None) or "utf-8"
            text = io.TextIOWrapper(
                io.BufferedWriter(raw), encoding=encoding, errors="backslashreplace", line_buffering=True
            )
            setattr(sys, name, text)


def _occupy_standard_streams() -> None:
    """Where one of them is closed the next connection would take its number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


class _Lasting(io.RawIOBase):
    """Writes to a descriptor, and to nothing where that gives one of these errors."""

    def __init__(self, descriptor: int, forgiven: frozenset[int]) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._forgiven = forgiven

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Any, /) -> int:
        try:
            return os.write(self._descriptor, data)
        except OSError as error:
            if error.errno not in self._forgiven:
                raise
            return len(data)
