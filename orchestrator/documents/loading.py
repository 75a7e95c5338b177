"""Files → YAML documents with lines. Size is judged before anything is read, and only regular files are read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from orchestrator.documents._parsing import parse_documents
from orchestrator.documents.source import Source
from orchestrator.errors import DocumentError

LARGEST_FILE = 1 << 20
"""Bytes of one file."""


def load_one(path: Path, *, shown: str | None = None) -> Source:
    """The only document of a file. Raises DocumentError, also when there is none or a second one.

    `shown` is the file's name in messages; its path when absent.
    """
    file = shown or str(path)
    sources = parse_documents(read_text(path, shown=file), file)
    first = next(sources, None)
    if first is None:
        raise DocumentError("the file holds no document", file=file, line=1)
    second = next(sources, None)
    if second is not None:
        raise second.error("expected one document, and here begins a second one")
    return first


def load_all(path: Path, *, shown: str | None = None) -> list[Source]:
    """Every document of a file of manifests, in which values may hold escaped control characters."""
    file = shown or str(path)
    return list(parse_documents(read_text(path, shown=file), file, allow_control=True))


def read_text(path: Path, *, shown: str, largest: int = LARGEST_FILE) -> str:
    """The UTF-8 text of a regular file of at most `largest` bytes; raises DocumentError for anything else."""
    try:
        data = _read_bytes(path, shown, largest)
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", file=shown) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DocumentError("not UTF-8", file=shown, line=line) from error


def _read_bytes(path: Path, shown: str, largest: int) -> bytes:
    # O_NONBLOCK, since opening a named pipe would otherwise wait for somebody to write into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DocumentError("not a regular file", file=shown)
        if status.st_size > largest:
            raise DocumentError(f"larger than {largest >> 10} KiB", file=shown)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(largest + 1)
    finally:
        os.close(descriptor)
    if len(data) > largest:
        raise DocumentError(f"larger than {largest >> 10} KiB", file=shown)
    return data
