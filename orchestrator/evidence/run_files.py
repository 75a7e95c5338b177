"""What lies beside a run's journal: what it was about, and what came of it. For its owner's eyes only (0600).

A disk that refuses never stops a run: whoever writes here is told, and goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ABOUT_FILE: Final = "about.json"
RESULT_FILE: Final = "result.json"


def write_about(directory: Path, about: Mapping[str, Any]) -> bool:
    """Keep what a run is about (JSON values, nothing secret); whether the disk took it."""
    return _write(directory / ABOUT_FILE, about)


def write_result(directory: Path, result: Mapping[str, Any]) -> bool:
    """Keep the result document of a run; whether the disk took it."""
    return _write(directory / RESULT_FILE, result)


def _write(path: Path, content: Mapping[str, Any]) -> bool:
    """Whole or not at all: a reader never finds half a file."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        for folder in reversed([path.parent, *path.parent.parents]):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            json.dump(content, stream, sort_keys=True)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        return False
    return True
