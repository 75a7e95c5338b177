"""What a benchmark says, and how it ends: a missed bar is never a success, and neither is one that was not measured."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from tests.bench import run
from tests.bench.figures import SCHEMA, Figure, Wrong, percentile, ratio
from tests.bench.machine import versions


def figure(*rounds: float, bar: float | None = 2.0, **more: Any) -> Figure:
    return Figure(measure="a", name="b", unit="times", bar=bar, rounds=rounds, **more)


@pytest.mark.parametrize(
    ("one", "is_met"),
    [
        (figure(1.0, 9.0, 2.0), True),
        (figure(1.0, 2.1, 9.0), False),
        (figure(4.9, 5.0, 9.0, bar=5.0, at_least=True), True),
        (figure(4.9, 4.9, 9.0, bar=5.0, at_least=True), False),
        (figure(1.0, judged=3.0), False),
        (figure(9.0, judged=2.0), True),
        (figure(bar=2.0), False),
        (figure(bar=None), False),
        (figure(7.0, bar=None), True),
        (figure(math.nan), False),
    ],
)
def test_a_bar_is_kept_by_the_median_and_only_by_what_was_measured(one: Figure, is_met: bool) -> None:
    assert one.is_met is is_met


def test_a_percentile_is_a_sample_and_never_better_than_its_share() -> None:
    samples = [float(number) for number in range(1, 1001)]

    assert percentile(samples, 0.99) == 990
    assert percentile([1.0, 2.0], 0.99) == 2
    with pytest.raises(Wrong):
        percentile([], 0.5)


def test_a_ratio_is_taken_round_by_round() -> None:
    assert ratio([2.0, 9.0], [1.0, 3.0]) == (2.0, 3.0)
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0], [1.0, 2.0])


def test_every_measure_is_a_file_with_a_measure_in_it() -> None:
    names = {module.__name__.rpartition(".")[2] for module in run.found_measures()}

    assert {"startup", "rollout", "departure", "status", "stray_search"} <= names
    assert all(callable(module.measure) for module in run.found_measures())


def made_of(*figures: Figure | Exception) -> ModuleType:
    """A measure that gives these figures, or fails."""
    module = ModuleType("tests.bench.measures.made_up")

    async def measure(setting: object) -> list[Figure]:
        for one in figures:
            if isinstance(one, Exception):
                raise one
        return [one for one in figures if isinstance(one, Figure)]

    vars(module)["measure"] = measure
    return module


@pytest.mark.parametrize(
    ("modules", "code", "says"),
    [
        ([made_of(figure(1.0))], 0, "met"),
        ([made_of(figure(1.0)), made_of(figure(3.0))], 1, "MISSED"),
        ([made_of(Wrong("three were not verified")), made_of(figure(1.0))], 1, "three were not verified"),
        ([made_of()], 1, "kept in"),
    ],
)
def test_the_exit_code_says_whether_every_bar_is_kept(
    modules: list[ModuleType], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went wrong is a line of the table with its reason, and the other measures are measured all the same."""
    monkeypatch.setattr(run, "found_measures", lambda only: modules)
    kept = tmp_path / "kept.json"

    done = CliRunner().invoke(run.main, ["--rounds", "1", "--save", str(kept)])

    assert done.exit_code == code, done.output
    assert says in done.output
    document = json.loads(kept.read_text())
    Draft202012Validator(SCHEMA).validate(document)
    assert document["met"] is (code == 0)


def test_what_is_kept_says_on_what_it_was_measured() -> None:
    found = run.document([figure(1.0)], run.now(), versions(), rounds=1, clusters=2)

    Draft202012Validator(SCHEMA).validate(found)
    assert found["machine"]["cores"] >= 1
    assert {"kube-apiserver", "etcd", "aiohttp"} <= found["versions"].keys()


def test_the_floor_stays_small_and_knows_nothing_of_ours() -> None:
    """What it lacks is what it is for."""
    text = (run.ROOT / "tests" / "bench" / "floor.py").read_text()

    assert len(text.splitlines()) <= 200
    assert "orchestrator" not in text
    assert "from tests" not in text
