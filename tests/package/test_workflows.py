"""The project's workflows run what people run: nothing is tested there in another way."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def load(file: Path) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load(file.read_text())
    return document


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in load(file)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_job_has_a_time_limit_and_every_action_a_version(file: Path) -> None:
    assert all(job["timeout-minutes"] <= 90 for job in load(file)["jobs"].values())
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d[\w.]*", step["uses"]) for step in steps(file) if "uses" in step)
    assert load(file)["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_every_make_target_that_they_call_is_there(file: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {name for step in steps(file) for name in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))}

    assert called
    assert called <= targets


def test_ci_runs_the_same_script_as_people_do() -> None:
    assert ".ci/run" in {step.get("run") for step in steps(ROOT / ".github" / "workflows" / "ci.yml")}
