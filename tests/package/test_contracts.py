"""The import contracts hold, and each of them would catch what it forbids."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LINT = str(Path(sys.executable).with_name("lint-imports"))
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and its contracts in a folder of their own, to be spoilt."""
    shutil.copytree(ROOT / "orchestrator", tmp_path / "orchestrator", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    # Wide, since the report wraps the names of contracts at the terminal's width.
    environment = {**os.environ, "COLUMNS": "300", "NO_COLOR": "1"}
    command = [LINT, "--no-cache"]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def broken_contracts(folder: Path) -> set[str]:
    """The names of the contracts that import-linter calls broken there."""
    done = lint(folder)
    broken = {name.strip() for name in re.findall(r"^(.+) BROKEN\b", done.stdout, re.MULTILINE)}
    assert bool(broken) == (done.returncode != 0), done.stdout + done.stderr
    return broken


def violations(contract: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs (module, module it may not import): the edges that matter most of one contract."""
    match contract["type"]:
        case "layers":
            layers = [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]
            container = contract["containers"][0]
            for upper, lower in itertools.pairwise(layers):
                yield f"{container}.{lower[0]}", f"{container}.{upper[-1]}"
            for siblings in layers:
                if len(siblings) > 1:
                    yield f"{container}.{siblings[0]}", f"{container}.{siblings[-1]}"
        case "forbidden":
            yield contract["source_modules"][0], contract["forbidden_modules"][0]
            yield contract["source_modules"][-1], contract["forbidden_modules"][-1]
        case unknown:
            raise AssertionError(f"no violation is known for a contract of type {unknown}: add one here")


CASES = [
    (contract["name"], importer, imported) for contract in CONTRACTS for importer, imported in violations(contract)
]


def file_of(folder: Path, module: str) -> Path:
    place = folder.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def test_all_contracts_hold() -> None:
    assert broken_contracts(ROOT) == set()


@pytest.mark.parametrize(("name", "importer", "imported"), CASES)
def test_a_planted_import_is_caught(copy: Path, name: str, importer: str, imported: str) -> None:
    with file_of(copy, importer).open("a") as module:
        module.write(f"\nimport {imported}\n")

    assert name in broken_contracts(copy)


def test_a_new_package_must_find_its_place_in_the_house(copy: Path) -> None:
    (copy / "orchestrator" / "annex").mkdir()
    (copy / "orchestrator" / "annex" / "__init__.py").touch()

    done = lint(copy)

    assert done.returncode != 0
    assert "annex" in done.stdout
