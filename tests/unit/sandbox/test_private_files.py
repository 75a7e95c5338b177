"""Files that several control planes, starting at once, write for each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestrator.sandbox.private_files import write_private


def test_several_may_write_the_same_file_at_once(tmp_path: Path) -> None:
    """The first sandbox of a machine: each of its control planes keeps the same definitions for later ones."""
    path = tmp_path / "kept.json"
    content = "x" * 1_000_000
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: write_private(path, content), range(64)))
    assert path.read_text() == content
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
