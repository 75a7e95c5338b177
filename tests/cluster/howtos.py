"""Follows a how-to as its reader does: writes the files that it shows, types its commands, in its order."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.package.readme_blocks import RUN, Block, fenced_blocks

ROOT = Path(__file__).parents[2]
HOWTOS = ROOT / "docs" / "howto"


def blocks_of(page: str) -> list[Block]:
    """Everything that a page has its reader type or write."""
    path = HOWTOS / f"{page}.md"
    return [block for block in fenced_blocks(path.read_text(), str(path)) if block.language in RUN or block.file]


@dataclass
class Reader:
    """Somebody at a shell, who goes from page to page."""

    folder: Path
    kubeconfig: Path
    place: Path = field(init=False)

    def __post_init__(self) -> None:
        self.place = self.folder

    def follow(self, page: str, *, skips: Callable[[Block], bool] = lambda block: False) -> None:
        """Write and type everything of a page; fails at the first command that does."""
        for block in blocks_of(page):
            if skips(block):
                continue
            if block.file:
                file = self.place / block.file
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text)
            else:
                self.type_block(page, block)

    def type_block(self, page: str, block: Block) -> None:
        """One shell for one block; the next one begins in the folder in which it ended."""
        commands = "\n".join(command.text for command in block.commands())
        script = f"{commands}\npwd > {self.folder / 'place'}"
        done = subprocess.run(
            ["sh", "-euxc", script],
            cwd=self.place,
            env=environment(self.folder, self.kubeconfig),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{page}.md:{block.line}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
        self.place = Path((self.folder / "place").read_text().strip())


def environment(folder: Path, kubeconfig: Path) -> dict[str, str]:
    """A shell with the tool and kubectl in its PATH, and a state folder of its own."""
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "XDG_CACHE_HOME", "GOCACHE")}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "KUBECONFIG": str(kubeconfig),
        "ORCHESTRATOR_STATE": str(folder / "state"),
    }


@dataclass(frozen=True)
class House:
    """A copy of the code in which the files of a page were written."""

    folder: Path

    @classmethod
    def with_files_of(cls, page: str, folder: Path) -> House:
        """What the page has its reader write into the repository, written into a copy of it."""
        for name in ("orchestrator", "tests/unit/kinds", "pyproject.toml"):
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, _made(folder / name))
        for block in blocks_of(page):
            if block.file and block.file.startswith(("orchestrator/", "tests/")):
                file = folder / block.file
                assert not file.exists(), f"{page}.md:{block.line} replaces {block.file}"
                file.write_text(block.text)
        return cls(folder)

    def python(self, *arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Python with this copy of the code instead of the installed one."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**env, "PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
