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


def test_of_five_hundred_clusters_the_screen_tells_time_left_and_the_worst_with_pods_and_last_event() -> None:
    """At 80 by 24: what is lost, what is left over, what still drains; the rest counted, region by region."""
    clusters = [f"{region}/{region}-{number}" for region in ("eu", "us", "ap", "sa", "me") for number in range(100)]
    picture = begun(*clusters, deadline=(NOW + timedelta(minutes=73)).isoformat())
    for place in clusters[:450]:
        picture.hear(event(EventType.ITEM_ENDED, place.partition("/")[2], verdict="verified"))
    left = {"desired": 0, "ready": 1, "pods": 3}
    why = [{"code": "pods-left", "message": "3 pods are left"}]
    picture.hear(event(EventType.ITEM_ENDED, "sa-7", verdict="residue", replicas=left, reasons=why))
    picture.hear(event(EventType.ITEM_ENDED, "us-3", verdict="unreachable"))
    picture.hear(event(EventType.PROGRESS, "me-60", replicas=left, reasons=["pod fable-5-x7k2p is terminating"]))
    shown = lines(picture)
    assert len(shown) < 24
    assert shown[0] == "takedown directive · fable-5 · 0:42 · 1:13:00 left · 448/500 verified"
    assert [re.split(r"\s{2,}", row) for row in shown[3:6]] == [
        ["sa-7", "▲ residue", "1/0", "3", "3 pods are left"],
        ["us-3", "⌁ unreachable"],
        ["me-60", "… waiting", "1/0", "3", "pod fable-5-x7k2p is terminating"],
    ]
    assert shown[-5:] == [
        "… me: 38 not begun, 50 verified",
        "… ap: 100 verified",
        "… eu: 100 verified",
        "… sa: 99 verified",
        "… us: 99 verified",
    ]


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
