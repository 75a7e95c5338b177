"""Folders and files that only their owner can read, and the key of a run's hashes, which is one of them."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from orchestrator.core.redaction import Digest, keyed_digest

KEY: Final = "redaction.key"
_PIECE: Final = 1024 * 1024


def make_private(directory: Path) -> None:
    """Make a folder and what is missing above it, each of mode 0700. Raises OSError."""
    # `mkdir(parents=True)` would give the parents the umask's mode, not ours.
    for folder in reversed([directory, *directory.parents]):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)


def write_new(path: Path, content: bytes) -> None:
    """Make a file of mode 0600, on the disk before this returns. Raises FileExistsError, OSError."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "wb") as stream:
        os.fchmod(file, 0o600)
        stream.write(content)
        stream.flush()
        os.fsync(file)


def read_kept(path: Path, limit: int) -> bytes:
    """The content of a regular file. Raises OSError, also for a pipe, which would be waited for, and ValueError when it
    holds more than `limit` bytes.
    """
    # Without O_NONBLOCK, opening a named pipe waits until somebody opens its other end.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(file, "rb") as stream:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        # Piece by piece: one read of all that it may hold would first take as much memory as that.
        content = bytearray()
        while len(content) <= limit and (piece := stream.read(_PIECE)):
            content += piece
    if len(content) > limit:
        raise ValueError("larger than it can be")
    return bytes(content)


def run_digest(directory: Path) -> Digest:
    """What replaces secrets in everything kept of this run: equal ones alike, under a key that never leaves the folder.

    Where the key cannot be kept another is used: then what is hidden cannot be compared, but is hidden all the same.
    """
    keys: list[Digest] = []

    def digest(secret: str) -> str:
        if not keys:
            keys.append(keyed_digest(_key(directory)))
        return keys[0](secret)

    return digest


def _key(directory: Path) -> bytes:
    path, key = directory / KEY, secrets.token_bytes(32)
    with contextlib.suppress(OSError, ValueError):
        make_private(directory)
        with contextlib.suppress(FileExistsError):
            write_new(path, key)
        kept = read_kept(path, len(key))
        return kept if len(kept) == len(key) else key
    return key
