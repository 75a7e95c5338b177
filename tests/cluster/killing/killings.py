"""Runs that are killed at a point of their journal and gone on with, several side by side: mostly they wait."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from tests.cluster.conftest import ControlPlanes, Finished
from tests.cluster.killing.livestate import JsonObject, difference
from tests.cluster.killing.points import Point, difference_of, points_of, recorded_points
from tests.cluster.killing.scenery import STORIES
from tests.cluster.killing.stage import Stage

Way = Literal["resume", "anew", "bare"]
SIDE_BY_SIDE: Final = 4


@dataclass(frozen=True)
class Case:
    """One run that is killed, and how it is gone on with."""

    story: str
    point: Point
    way: Way
    """`resume`: from the dead run's folder; `anew`: the same command once more; `bare`: that with no folder at all."""

    @property
    def is_over(self) -> bool:
        """Whether the run had come to its end, of which nothing is left to go on with: that is refused."""
        return (self.story, self.way, str(self.point)) == ("rollback", "resume", "after resultKept")


@dataclass(frozen=True)
class Undisturbed:
    """How a story ends when nobody disturbs it."""

    state: dict[str, dict[str, JsonObject]]
    points: tuple[Point, ...]


class Killings:
    """All cases of this session, begun in their order as soon as the first one is asked for."""

    def __init__(self, planes: ControlPlanes, folder: Path, cases: list[Case]) -> None:
        self._planes = planes
        self._folder = folder
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="killing")
        self._ends: dict[str, Undisturbed] = {}
        self._locks = {name: threading.Lock() for name in STORIES}
        self._runs: dict[Case, Future[None]] = {case: self._pool.submit(self._play, case) for case in cases}

    def check(self, case: Case) -> None:
        """Wait for a case; raise what was wrong with it."""
        self._runs[case].result()

    def undisturbed(self, name: str) -> Undisturbed:
        """How a story ends when nobody disturbs it; played once."""
        with self._locks[name]:
            if name not in self._ends:
                self._ends[name] = self._play_to_the_end(name)
            return self._ends[name]

    def close(self) -> None:
        """Begin no further case, and wait for those that were begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _play_to_the_end(self, name: str) -> Undisturbed:
        story, stage = STORIES[name], self._stage(name)
        try:
            command = story.prepare(stage)
            stage.forget_runs()
            stage.orchestrator(*command, "-o", "json").expect(story.code)
            return Undisturbed(stage.state(), points_of(stage.journal, stage.namespace))
        finally:
            stage.clean_up()

    def _play(self, case: Case) -> None:
        story, stage = STORIES[case.story], self._stage(case.story)
        expected = self.undisturbed(case.story)
        try:
            command = story.prepare(stage)
            stage.forget_runs()
            pid = stage.die(case.point, *command)
            done = _go_on(stage, case.way, command)
            code = 4 if case.is_over else story.code
            assert done.code == code, f"exit {done.code}, not {code}\n{done.stdout}\n{done.stderr}"
            state = stage.state()
            if case.way == "anew":
                _forgive_expired_locks(state, done, pid)
            assert not (differs := difference(expected.state, state)), f"{differs}\n{done.stdout}"
        finally:
            stage.clean_up()

    def _stage(self, name: str) -> Stage:
        return Stage.build(self._planes, self._folder, self._planes.clusters[: STORIES[name].clusters])


def _go_on(stage: Stage, way: Way, command: tuple[str, ...]) -> Finished:
    match way:
        case "resume":
            return stage.orchestrator("runs", "resume", "--last", "-o", "json")
        case "bare":
            return stage.orchestrator(*command, "-o", "json", env={"ORCHESTRATOR_STATE": str(stage.home / "empty")})
        case _:
            # Nobody told the cluster that the holder of its lock is dead: the lock has to expire.
            return stage.orchestrator(*command, "--wait-lock", "90s", "-o", "json")


def _forgive_expired_locks(state: dict[str, dict[str, JsonObject]], done: Finished, pid: int) -> None:
    """The lock of the killed process may stay where its work was done already: nobody has come to it since.

    It expires by itself. What the second run held itself it has to have released.
    """
    for cluster, item in done.items().items():
        holder = state[cluster].get("Lease lock.NS", {}).get("spec", {}).get("holderIdentity", "")
        if not item["changed"] and f" pid {pid} " in holder:
            state[cluster].pop("Lease lock.NS")


def cases_of(story: str, *ways: Way, sample: Iterable[tuple[str, str]]) -> list[Any]:
    """Every recorded point of a story with each way to go on; all but the sample are `long`."""
    usual = {(Point.read(text), way) for text, way in sample}
    found = [Case(story, point, way) for point in recorded_points(story) for way in ways]
    missing = usual - {(case.point, case.way) for case in found}
    assert not missing, f"no such points: {missing}"
    return [
        pytest.param(
            case, id=f"{case.point}, {case.way}", marks=() if (case.point, case.way) in usual else pytest.mark.long
        )
        for case in found
    ]


def check_recorded(undisturbed: Undisturbed, story: str) -> None:
    """Fail where the points on record are not those of a run: a new kind of record must not go untested."""
    if differs := difference_of(undisturbed.points, recorded_points(story)):
        pytest.fail(f"{differs}\n`make kill-points` writes the lists anew", pytrace=False)
