"""The picture of a run: whatever the number of clusters it fits, worst first, and nothing is left out uncounted."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from orchestrator.cli._live import LiveView, Picture, draw
from orchestrator.cli._running import progress
from orchestrator.core.events import Event, EventType

BEGAN = datetime(2026, 11, 23, 20, 45, tzinfo=UTC)
NOW = BEGAN + timedelta(seconds=42)


def event(type_: EventType, cluster: str | None = None, **data: Any) -> Event:
    return Event(type=type_, at=BEGAN, cluster=cluster, model="fable-5" if cluster else None, data=data)


def begun(*clusters: str, **data: Any) -> Picture:
    """A takedown of fable-5 in these clusters, `REGION/NAME` each."""
    places = {one.partition("/")[2]: {"region": one.partition("/")[0], "models": ["fable-5"]} for one in clusters}
    picture = Picture()
    picture.hear(event(EventType.RUN_STARTED, action="takedown", name="directive", places=places, **data))
    return picture


def lines(picture: Picture, width: int = 80, height: int = 24) -> list[str]:
    console = Console(width=width, height=height, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(draw(picture, NOW, width=width, height=height))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_every_cluster_has_a_line_with_phase_replicas_pods_and_what_was_told_last() -> None:
    picture = begun("eu-west/a", "us-east/b", deadline=(NOW + timedelta(hours=1)).isoformat())
    counts = {"desired": 0, "ready": 1, "pods": 2}
    picture.hear(event(EventType.PROGRESS, "a", replicas=counts, reasons=["2 pods are left"]))
    heading, _, _, *rows = lines(picture)
    assert heading == "takedown directive · fable-5 · 0:42 · 1:00:00 left · 0/2 verified"
    assert [re.split(r"\s{2,}", row) for row in rows] == [
        ["a", "… waiting", "1/0", "2", "2 pods are left"],
        ["b", "… not begun"],
    ]


def test_the_worst_comes_first_and_what_is_verified_last() -> None:
    picture = begun("r/a", "r/b", "r/c", "r/d")
    picture.hear(event(EventType.ITEM_ENDED, "a", verdict="verified"))
    picture.hear(event(EventType.ITEM_ENDED, "b", verdict="unverified", reasons=[{"message": "no answer"}]))
    picture.hear(event(EventType.SENDING, "c", verb="scale", object="apps/Deployment default/fable"))
    picture.hear(event(EventType.ITEM_ENDED, "d", verdict="failed"))
    assert [row.cluster for row in picture.rows()] == ["d", "b", "c", "a"]
    assert "? unverified" in lines(picture)[4], "the symbol does not stand alone, so that no colour is needed"


def test_clusters_out_of_reach_are_there_from_the_first_line_on() -> None:
    picture = Picture()
    place = {"region": "eu-west", "models": ["fable-5"], "unreachable": "no answer within 5 s"}
    picture.hear(event(EventType.RUN_STARTED, action="takedown", name="directive", places={"a": place}))
    assert "⌁ unreachable" in lines(picture)[3]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 16), (80, 8)])
def test_five_hundred_clusters_fit_and_those_without_a_line_are_counted_by_region(width: int, height: int) -> None:
    clusters = [f"{region}/{region}-{number}" for region in ("eu", "us", "ap", "sa", "me") for number in range(100)]
    picture = begun(*clusters)
    for place in clusters[:300]:
        picture.hear(event(EventType.ITEM_ENDED, place.partition("/")[2], verdict="verified"))
    picture.hear(event(EventType.ITEM_ENDED, "sa-7", verdict="residue"))
    shown = lines(picture, width, height)
    assert len(shown) < height
    assert max(map(len, shown)) <= width
    assert "sa-7" in shown[3]
    rows = [line for line in shown[3:] if not line.startswith("… ")]
    counted = [int(number) for line in shown if line.startswith("… ") for number in re.findall(r"\d+(?= \w)", line)]
    assert len(rows) + sum(counted) == 500


def test_hostile_names_draw_nothing_but_themselves() -> None:
    picture = begun("eu/a\x1b[2J\u202e")
    assert not any("\x1b[2J" in line or "\u202e" in line for line in lines(picture))


@pytest.mark.parametrize(("term", "is_live"), [("xterm-256color", True), ("dumb", False)])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(
    monkeypatch: pytest.MonkeyPatch, term: str, is_live: bool
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("FORCE_COLOR", "1")  # what rich takes for "this is a terminal"
    assert isinstance(progress(), LiveView) is is_live


def test_a_pipe_gets_lines() -> None:
    assert not isinstance(progress(), LiveView)
