"""Builds what the Containerfile describes in a folder of this machine: there may be no container engine here.

Each instruction is carried out as it stands, in order; paths of the image are paths below the folder. The base image's
`python` is a Python of this machine, and its pip the one that the tests have.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
NOBODY = 65532
_OWN = re.compile(r"(?<![\w./-])/(?=(?:src|build|opt|wheels|workspace)\b)")
"""The folders that the Containerfile makes; others, such as /usr/bin, are the base image's."""


def instructions(file: Path = CHECKOUT / "Containerfile") -> list[tuple[str, str]]:
    """Every instruction with its arguments."""
    lines = (line.strip() for line in file.read_text().splitlines())
    return [
        (name, rest.strip()) for line in lines if line and line[0] != "#" for name, _, rest in [line.partition(" ")]
    ]


@dataclass
class Image:
    """What was built so far."""

    folder: Path
    stages: dict[str, Path] = field(default_factory=dict)
    place: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """The root of the stage that is being built."""
        return self.folder / "root"

    def at(self, path: str) -> Path:
        """A path of the image, relative ones below its WORKDIR, on this machine."""
        return self.root / (path if path.startswith("/") else f"{self.place}/{path}").lstrip("/")

    def build(self) -> None:
        """Every instruction in its order; one that is not known here is an error."""
        for name, rest in instructions():
            getattr(self, f"_{name.lower()}")(rest)
        for path in self.root.rglob("*"):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.is_dir() else 0))

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Its entrypoint with these arguments, as its user where we may be that."""
        return subprocess.run(
            [*(self._placed(word) for word in self.entrypoint), *(arguments or self.command)],
            cwd=self.at(""),
            env={**{name: self._placed(value) for name, value in self.environment.items()}, **(env or {})},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            **(_identity() if next(_startable(), None) else {}),
        )

    def _from(self, rest: str) -> None:
        image, *name = rest.split(" AS ")
        assert re.fullmatch(r"python:3\.\d+-slim", image), "the one base image that everybody knows"
        if self.root.exists():
            (previous,) = self.stages
            self.stages[previous] = self.root.rename(self.folder / previous)
        self.stages |= dict.fromkeys(name, self.root)
        self.root.mkdir()
        self.place, self.environment = "/", {}

    def _workdir(self, rest: str) -> None:
        self.place = rest
        self.at("").mkdir(parents=True, exist_ok=True)

    def _copy(self, rest: str) -> None:
        words = rest.split()
        source = CHECKOUT
        if words[0].startswith("--from="):
            source = self.stages[words.pop(0).removeprefix("--from=")]
        *what, target = words
        for name in what:
            found, goal = source / name.lstrip("/"), self.at(target)
            if found.is_dir():
                shutil.copytree(
                    found,
                    goal,
                    symlinks=True,
                    ignore=shutil.ignore_patterns("__pycache__") if source == CHECKOUT else None,
                )
            else:
                shutil.copy(found, goal / name if target.endswith("/") else goal)

    def _run(self, rest: str) -> None:
        path = f"{self._base_image()}:/usr/bin:/bin"
        # Where packages come from is this machine's own setting, as it is the builder's.
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}
        done = subprocess.run(
            ["sh", "-eu", "-c", self._placed(rest)],
            cwd=self.at(""),
            env={"HOME": os.environ["HOME"], **kept, "PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, f"RUN {rest}\n{done.stdout}\n{done.stderr}"

    def _env(self, rest: str) -> None:
        self.environment |= dict(word.split("=", 1) for word in shlex.split(rest))

    def _user(self, rest: str) -> None:
        self.user = rest

    def _entrypoint(self, rest: str) -> None:
        self.entrypoint = json.loads(rest)

    def _cmd(self, rest: str) -> None:
        self.command = json.loads(rest)

    def _placed(self, text: str) -> str:
        return _OWN.sub(f"{self.root}/", text)

    def _base_image(self) -> Path:
        """A folder with what the base image has: `python`, with pip and venv."""
        folder = self.folder / "base"
        folder.mkdir(exist_ok=True)
        script = folder / "python"
        script.write_text(
            f'#!/bin/sh\nif [ "$2" = pip ]; then exec {shlex.quote(sys.executable)} "$@"; fi\n'
            f'exec {shlex.quote(base_python())} "$@"\n'
        )
        script.chmod(0o755)
        return folder


def base_python() -> str:
    """A Python of this machine that the image's user may start; else our own, which we then run as ourselves."""
    return next(_startable(), sys._base_executable)  # type: ignore[attr-defined]


def _identity() -> dict[str, Any]:
    """The image's user; without the right to be somebody else we are no administrator either."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _startable() -> Iterator[str]:
    for name in (sys._base_executable, shutil.which("python3", path="/usr/local/bin:/usr/bin")):  # type: ignore[attr-defined]
        test = "import sys; sys.exit(sys.version_info[:2] != tuple(map(int, sys.argv[1:])))"
        version = [str(part) for part in sys.version_info[:2]]
        try:
            done = subprocess.run([name or "", "-c", test, *version], cwd="/", check=False, **_identity())
        except OSError:
            continue
        if done.returncode == 0:
            yield str(name)
