"""The report in a real browser: drawn, readable in light and dark, on paper, by keyboard and by screen reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.verdict import Verdict
from orchestrator.evidence.report import html_of
from tests.ui.browser import Browser, browser
from tests.ui.pictures import PIN, POINTS, VARIABLE, blend, colour, is_under, pixel, share
from tests.unit.evidence.reported_runs import JsonObject, keep, recorded_item, view, world_wide
from tests.unit.evidence.test_report_pages import HOSTILE, hostile_run

pytestmark = pytest.mark.ui

# Large countries, far from each other, one for each verdict.
STATES = {
    "US": "verified",
    "BR": "residue",
    "AU": "failed",
    "CN": "unreachable",
    "IN": "held",
    "DZ": "unverified",
    "CA": "not_run",
}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


def page_of(folder: Path, items: list[JsonObject], **documents: Any) -> Path:
    """The page on a run with these items."""
    return written(folder, keep(folder / "state", items, **documents))


def written(folder: Path, run: Path) -> Path:
    file = folder / "report.html"
    file.write_text(html_of(view(run)))
    return file


def every_state() -> list[JsonObject]:
    return [recorded_item(country=code, cluster=code.lower(), verdict=verdict) for code, verdict in STATES.items()]


def damaged(folder: Path) -> Path:
    """The page on a run whose journal somebody changed."""
    run = keep(folder / "state", world_wide(IS="unreachable"))
    journal = run / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"oidc:jo", b"oidc:al", 1))
    return written(folder, run)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("what", ["one unreachable", "all proven", "every state", "damaged", "hostile", "empty"])
def test_axe_finds_no_barrier_and_the_page_asks_for_nothing(
    chromium: Browser, tmp_path: Path, what: str, scheme: str
) -> None:
    pages = {
        "one unreachable": lambda: page_of(tmp_path, world_wide(IS="unreachable")),
        "all proven": lambda: page_of(tmp_path, world_wide()),
        "every state": lambda: page_of(tmp_path, every_state()),
        "damaged": lambda: damaged(tmp_path),
        "hostile": lambda: written(tmp_path, hostile_run(tmp_path / "state", HOSTILE[0])),
        "empty": lambda: page_of(tmp_path, []),
    }
    page = pages[what]()
    chromium.open(page, scheme=scheme)

    assert chromium.requests() == [page.as_uri()]
    assert chromium.complaints() == []
    assert chromium.find_barriers() == []


def test_axe_would_find_a_barrier(chromium: Browser, tmp_path: Path) -> None:
    """The page with one table header taken away and grey on grey: else the tests above prove nothing."""
    page = page_of(tmp_path, world_wide())
    chromium.open(page)
    chromium.evaluate(
        "document.documentElement.style.setProperty('--soft', '#c8c8c8');"
        "document.querySelector('html').removeAttribute('lang')"
    )

    found = chromium.find_barriers()
    assert {barrier.split(":")[0] for barrier in found} >= {"color-contrast", "html-has-lang"}


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_record_says_is_run_or_fetched(chromium: Browser, tmp_path: Path, text: str) -> None:
    page = written(tmp_path, hostile_run(tmp_path / "state", text))
    chromium.open(page)

    assert chromium.requests() == [page.as_uri()]
    assert chromium.complaints() == []
    assert chromium.evaluate("document.scripts.length + document.images.length") == 0
    # A style that broke out of its text would hide the page.
    assert chromium.evaluate("document.querySelector('#evidence').getBoundingClientRect().height") > 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_state_is_drawn_in_its_colour_and_its_pattern(chromium: Browser, tmp_path: Path, scheme: str) -> None:
    """On the screenshot: of each country's own pixels, how many have its colour, how many that of its pattern."""
    chromium.open(page_of(tmp_path, every_state()), scheme=scheme)
    picture = chromium.screenshot(scale=2)
    stripe = blend(chromium.evaluate(f"({VARIABLE})('--stripe')"))

    for code, verdict in STATES.items():
        base = colour(chromium.evaluate(f"({VARIABLE})('--{verdict}')"))
        pin = chromium.evaluate(f"({PIN})('{code}')")
        seen = [pixel(picture, at) for at in chromium.evaluate(f"({POINTS})('{code}')") if not is_under(at, pin)]
        assert len(seen) > 150, code
        solid = share(seen, base)
        striped = share(seen, stripe(base))
        assert solid > (0.9 if verdict == "verified" else 0.2), (code, verdict, solid, striped)
        assert (striped < 0.02) if verdict == "verified" else (striped > 0.08), (code, verdict, solid, striped)

    land = colour(chromium.evaluate(f"({VARIABLE})('--land')"))
    elsewhere = [pixel(picture, at) for at in chromium.evaluate(f"({POINTS})('')")]
    assert share(elsewhere, land) > 0.8


def test_without_any_colour_the_symbols_still_tell_the_states_apart(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(page_of(tmp_path, every_state()))
    picture = chromium.screenshot().convert("L")
    signs = {}
    for code, verdict in STATES.items():
        left, top, width, _ = chromium.evaluate(f"({PIN})('{code}')")
        disc = picture.crop((round(left), round(top), round(left + width), round(top + width))).resize((24, 24))
        light = [[disc.getpixel((x, y)) > 150 for x in range(6, 18)] for y in range(6, 18)]
        signs[verdict] = [one for row in light for one in row]

    assert all(any(sign) for sign in signs.values())
    for one, other in combinations(signs, 2):
        differing = sum(a != b for a, b in zip(signs[one], signs[other], strict=True))
        assert differing > 8, (one, other, differing)
    labels = chromium.evaluate(
        "[...document.querySelectorAll('#map tbody tr')].map(row => row.cells[1].innerText.trim())"
    )
    assert sorted(labels) == sorted("not run" if verdict == "not_run" else verdict for verdict in STATES.values())


def test_a_crowded_continent_is_drawn_again_and_larger(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(page_of(tmp_path, world_wide(IS="unreachable")))

    pins = chromium.evaluate(
        "[...document.querySelectorAll('[data-pin]')].map(pin => { const box = pin.querySelector('.halo')"
        ".getBoundingClientRect(); return [pin.dataset.pin, box.x, box.y, box.width, box.height]; })"
    )
    assert sorted(pin[0] for pin in pins) == sorted(
        {"IE", "DE", "FR", "NL", "SE", "GB", "US", "CA", "BR", "SG", "JP", "IS"}
    )
    for one, other in combinations(pins, 2):
        apart = max(abs(one[1] - other[1]) / one[3], abs(one[2] - other[2]) / one[4])
        assert apart > 0.9, f"the symbols of {one[0]} and {other[0]} cover each other"


def test_a_screen_reader_finds_landmarks_headings_tables_and_the_map_in_words(
    chromium: Browser, tmp_path: Path
) -> None:
    chromium.open(page_of(tmp_path, world_wide(IS="unreachable")))
    tree = chromium.tell("Accessibility.getFullAXTree")["nodes"]
    told = [
        (node["role"]["value"], node.get("name", {}).get("value", ""), node.get("description", {}).get("value", ""))
        for node in tree
        if not node.get("ignored") and "role" in node
    ]

    roles = [role for role, _, _ in told]
    for landmark in ("banner", "navigation", "main", "contentinfo"):
        assert roles.count(landmark) == 1, landmark
    assert [name for role, name, _ in told if role == "heading"][:3] == [
        "Takedown of fable-5, mythos-5 under directive-2026-06-12",
        "Verdict",
        "What is not proven",
    ]
    tables = [name for role, name, _ in told if role == "table"]
    assert len(tables) == 3
    assert all(tables), "every table has a caption"
    (world,) = [name for role, name, _ in told if role in ("image", "img") and "World map" in name]
    assert "Iceland: unreachable." in world
    assert "Ireland: verified." in world


def test_by_keyboard_everything_is_reached_in_order_and_what_has_the_focus_shows_it(
    chromium: Browser, tmp_path: Path
) -> None:
    chromium.open(page_of(tmp_path, world_wide(IS="unreachable")))
    reached = []
    for _ in range(14):
        press(chromium, "Tab", 9)
        reached.append(
            chromium.evaluate(
                "(() => { const it = document.activeElement, box = it.getBoundingClientRect(); return ["
                "it.getAttribute('href') || it.getAttribute('aria-labelledby'),"
                "parseFloat(getComputedStyle(it).outlineWidth), box.width > 0 && box.x >= 0] })()"
            )
        )

    places = [place for place, _, _ in reached if place]
    assert places[0] == "#verdict", "the first stop jumps over the rest"
    assert places[1:9] == ["#unknowns", "#map", "#timeline", "#items", "#channels", "#owed", "#run", "#evidence"]
    assert {"countries-caption", "timeline-caption", "items-caption"} <= set(places)
    assert all(width >= 2 and is_visible for place, width, is_visible in reached if place)


def test_light_and_dark_are_what_they_are_called_and_paper_is_always_white(chromium: Browser, tmp_path: Path) -> None:
    page = page_of(tmp_path, world_wide())
    brightness = {}
    for scheme in ("light", "dark"):
        chromium.open(page, scheme=scheme)
        brightness[scheme] = sum(chromium.screenshot().getpixel((2, 2)))
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    chromium.tell("Emulation.setEmulatedMedia", media="print", features=features)
    printed = chromium.evaluate("getComputedStyle(document.body).backgroundColor")
    chromium.tell("Emulation.setEmulatedMedia", media="", features=[])

    assert brightness["light"] > 740
    assert brightness["dark"] < 120
    assert printed == "rgb(255, 255, 255)"


def test_on_paper_it_is_a_handful_of_a4_pages(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(page_of(tmp_path, world_wide(IS="unreachable")))
    pdf = chromium.print()

    pages = re.findall(rb"/Type\s*/Page\b(?!s)", pdf)
    sizes = {
        tuple(round(float(size)) for size in found)
        for found in re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    }
    assert 4 <= len(pages) <= 7
    assert sizes == {(595, 842)}


@pytest.mark.parametrize("width", [320, 768])
def test_on_a_small_screen_only_tables_scroll_sideways(chromium: Browser, tmp_path: Path, width: int) -> None:
    chromium.open(page_of(tmp_path, world_wide(IS="unreachable")), width=width)

    assert chromium.evaluate("document.scrollingElement.scrollWidth") <= width


def test_a_thousand_items_are_told_without_falling_apart(chromium: Browser, tmp_path: Path) -> None:
    items = [
        recorded_item(f"model-{number}", "US", "verified", cluster=f"us-{number % 250}", region=f"us-{number % 50}")
        for number in range(1000)
    ]
    chromium.open(page_of(tmp_path, items, told=[]))

    assert chromium.evaluate("document.querySelectorAll('#items tbody tr').length") == 1000
    assert chromium.evaluate("document.querySelectorAll('#record li').length") < 30


def press(page: Browser, key: str, code: int) -> None:
    for kind in ("rawKeyDown", "keyUp"):
        page.tell("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)


def test_every_verdict_has_its_state_on_the_map() -> None:
    assert set(STATES.values()) == {verdict.value for verdict in Verdict}
