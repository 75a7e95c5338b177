"""Files that a kubeconfig names, read without ever waiting for what may never come."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from pathlib import Path

_CHUNK = 1024 * 1024


def read_file(path: Path, limit: int, *, pipe_seconds: float = 0.0) -> bytes:
    """At most `limit` bytes of a regular file; of a pipe too, when somebody writes all of it within `pipe_seconds`.

    Raises OSError, also for folders, devices and silent pipes (a shell's `<(…)` is one), and ValueError for a path
    that holds NUL.
    """
    # Without O_NONBLOCK, opening a named pipe waits until somebody opens its other end.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(mode) and pipe_seconds:
            return _read_pipe(descriptor, limit, time.monotonic() + pipe_seconds)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)


def _read_pipe(descriptor: int, limit: int, deadline: float) -> bytes:
    content = bytearray()
    while len(content) < limit:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise OSError(errno.ETIMEDOUT, "nothing more comes from this pipe")
        chunk = os.read(descriptor, min(_CHUNK, limit - len(content)))
        if not chunk:
            break
        content += chunk
    return bytes(content)
