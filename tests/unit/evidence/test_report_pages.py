"""What is written: a page that loads and runs nothing, text that stays text, the same bytes for the same record."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from orchestrator.evidence.report import Sealed, html_of, markdown_of, view_of
from orchestrator.evidence.report.durations import many, span
from orchestrator.evidence.report.places import countries_of, map_of
from orchestrator.evidence.report.recorded import RecordedItem, read_recorded
from orchestrator.evidence.run_record import read_run
from orchestrator.geo.jurisdictions import load_jurisdictions
from tests.unit.evidence.reported_runs import about, after, keep, recorded_item, result, view, world_wide

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><style>*{display:none}",
    "</title><b>",
    "{{ 7*7 }}{% raw %}",
    "[click](https://evil.example) ![x](https://evil.example/x.png)",
    "<https://evil.example> https://evil.example www.evil.example",
    "a | b | c `code` **bold** # x \\",
    "@everyone &lt;b&gt; &#60;b&#62;",
    "\x1b[2J\x07\u202eevil\ud800\x00",
    "javascript:alert(1)",
)
ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "a", "header", "nav", "main", "section", "footer", "figure",
    "figcaption", "h1", "h2", "h3", "p", "ul", "ol", "li", "dl", "dt", "dd", "table", "caption", "thead", "tbody",
    "tr", "th", "td", "div", "span", "strong", "code", "time", "svg", "defs", "symbol", "pattern", "path",
    "circle", "g", "use", "text", "desc",
}  # fmt: skip

MARKDOWN_ELEMENTS = {"h1", "h2", "p", "strong", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code"}


class Page(HTMLParser):
    """Every element and every text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def values(self, name: str) -> list[str]:
        """Every value of an attribute."""
        return [attributes[name] or "" for _, attributes in self.elements if name in attributes]


def hostile_run(folder: Path, text: str) -> Path:
    """A run in which every text that anybody else chose is this one."""
    reasons = [{"code": text, "object": text, "field": text, "message": text}]
    fields = dict.fromkeys(("model", "cluster", "region", "country", "want", "state", "guard", "revision"), text)
    items = [recorded_item(verdict="residue", **{**fields, "reasons": reasons, "holds": [text]})]
    header = {name: text if isinstance(value, str) else value for name, value in about(items).items()}
    header |= {"startedAt": after(0), "authority": text, "reference": text, "models": [text]}
    header["scope"] = [{"step": text, "clusters": [text], "unreachable": [], "words": [text]}]
    channels = [{"name": text, "verdict": "unverified", "contact": text}]
    error = {"code": text, "message": text}
    return keep(folder, items, header=header, outcome=result(items, channels=channels, error=error, order=text))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_record_becomes_markup_of_the_page(tmp_path: Path, text: str) -> None:
    page = html_of(view(hostile_run(tmp_path, text)))
    parsed = Page(page)

    assert {tag for tag, _ in parsed.elements} <= ELEMENTS
    names = {name for _, attributes in parsed.elements for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in ("src", "style", "srcdoc", "action")}
    assert all(value.startswith("#") for value in parsed.values("href"))
    shown = "\n".join(parsed.texts)
    words = " ".join(text.split())
    if words.isprintable():
        assert shown.count(words) > 15, "it is shown as it is, wherever it belongs"
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\ud800-\udfff]", page)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_record_becomes_markup_in_markdown(tmp_path: Path, text: str) -> None:
    """Rendered as GitHub renders it, with raw HTML and links from bare addresses on: the worst case."""
    written = markdown_of(view(hostile_run(tmp_path, text)))
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(written)
    parsed = Page(rendered)

    assert {tag for tag, _ in parsed.elements} <= MARKDOWN_ELEMENTS
    assert not any(attributes.keys() - {"style"} for _, attributes in parsed.elements)
    rows = [line for line in written.splitlines() if line.startswith("| ")]
    assert rows
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows} == {4, 5, 6, 9}
    bare = re.sub(r"`[^`]*`", "", written)
    assert not re.search(r"https?://|(?<!&#64;)@|www\.", bare)


def test_the_page_forbids_everything_but_its_own_style(tmp_path: Path) -> None:
    page = html_of(view(keep(tmp_path, world_wide(IS="unreachable"))))
    parsed = Page(page)

    (policy,) = [one for one in parsed.values("content") if "default-src" in one]
    style = page[page.index("<style>") + 7 : page.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert page.count("<style") == 1
    assert not re.search(r"@import|url\(\s*[\"']?(?!#)", page)


def test_every_reference_of_the_page_has_one_target(tmp_path: Path) -> None:
    parsed = Page(html_of(view(keep(tmp_path, world_wide(IS="unreachable", BR="residue", US="held")))))
    targets = parsed.values("id")

    assert len(targets) == len(set(targets))
    used = {value[1:] for value in parsed.values("href")}
    used |= {name for value in parsed.values("aria-labelledby") for name in value.split()}
    used |= {found for value in parsed.values("fill") for found in re.findall(r"url\(#(.*)\)", value)}
    assert used <= set(targets)


def test_equal_records_give_equal_bytes_wherever_they_lie(tmp_path: Path) -> None:
    first = keep(tmp_path / "one", world_wide(IS="unreachable"))
    folders = [first, Path(shutil.copytree(first, tmp_path / "other" / first.name))]
    pages = {html_of(view(folder)) for folder in folders}
    texts = {markdown_of(view(folder)) for folder in folders}

    assert (len(pages), len(texts)) == (1, 1)
    assert len(pages.pop().encode()) < 300_000


def test_both_forms_tell_every_item_its_reason_and_how_to_check(tmp_path: Path) -> None:
    found = view(keep(tmp_path, world_wide(IS="unreachable")))

    for text in (" ".join(Page(html_of(found)).texts), markdown_of(found).replace("\\", "")):
        assert all(item.cluster in text for item in found.items)
        assert "because unreachable" in text
        assert found.journal[1] in text
        assert "evidence verify" in text
        assert "docs/verify_evidence.py" in text
        assert "takedown --order FILE --follow" in text


def test_an_evidence_file_is_named_with_its_hash(tmp_path: Path) -> None:
    sealed = Sealed(name="x.jsonl", sha256="ef" * 32, integrity="intact", authenticity="unchecked", signer="12" * 32)
    found = view_of(read_run(keep(tmp_path, world_wide())), {}, sealed)

    assert "ef" * 32 in html_of(found)
    assert "12" * 32 in html_of(found)
    assert "ef" * 32 in markdown_of(found)


def test_the_map_knows_every_country_but_those_too_small_or_too_far_south() -> None:
    names = load_jurisdictions().countries
    items = [recorded_item(country=code, cluster=code) for code in names]
    countries = countries_of(recorded(items), names)

    off = {one.code for one in countries if not one.is_on_map}
    assert off == {"AQ", "BQ", "BV", "CC", "CX", "GP", "MQ", "RE", "TK", "YT"}
    world = map_of(countries)
    drawn = [*world.pins, *(pin for inset in world.insets for pin in inset.pins)]
    assert {pin.code for pin in drawn} == set(names) - off
    assert all(0 < pin.x < world.width and 0 < pin.y < world.height for pin in drawn)


def test_symbols_that_would_touch_are_told_in_an_enlarged_part() -> None:
    world = map_of(countries_of(recorded([recorded_item(country=code) for code in ("BE", "NL", "LU", "JP", "BR")]), {}))

    assert {pin.code for pin in world.pins} == {"JP", "BR"}
    (inset,) = world.insets
    assert {pin.code for pin in inset.pins} == {"BE", "NL", "LU"}
    assert all(inset.left < pin.x < inset.left + inset.width for pin in inset.pins)


def test_the_map_is_small_numbers_only_and_says_where_it_is_from() -> None:
    file = resources.files("orchestrator.evidence.report").joinpath("world.json")
    content = file.read_text(encoding="utf-8")
    world: dict[str, Any] = json.loads(content)

    assert len(content) < 100_000
    assert all(re.fullmatch(r"[Mlz0-9 -]+", path) for path in (*world["shapes"].values(), world["unassigned"]))
    assert {"source", "licence", "as_of", "made_by"} <= world.keys()


def test_a_country_that_is_none_is_told_in_the_table_and_drawn_nowhere(tmp_path: Path) -> None:
    found = view(keep(tmp_path, [recorded_item(country="ZZ"), recorded_item(cluster="lost", country=None)]))

    assert [(one.code, one.is_on_map) for one in found.countries] == [("ZZ", False)]
    assert found.homeless == ("lost",)
    assert "not on the map" in html_of(found)


def test_a_step_that_some_items_never_passed_is_counted_and_drawn_hollow(tmp_path: Path) -> None:
    found = view(keep(tmp_path, [recorded_item(), recorded_item("mythos-5", verdict="residue")]))

    assert found.timeline is not None
    (lane,) = found.timeline.lanes
    marks = {mark.step: (mark.words, mark.is_whole) for mark in lane.marks}
    assert marks["guarded"] == ("+0.8 s", True)
    assert marks["verified"] == ("+18 s (1 of 2)", False)
    assert lane.words == "1 residue, 1 verified"
    assert 'class="hollow" href="#m-verified"' in html_of(found)


def test_marks_lie_in_the_order_of_their_times(tmp_path: Path) -> None:
    found = view(keep(tmp_path, [recorded_item()]))

    assert found.timeline is not None
    places = [mark.x for mark in found.timeline.lanes[0].marks if mark.x is not None]
    assert places == sorted(places)
    assert len(set(places)) == len(places)
    assert places[0] > found.timeline.started_x > 0


@pytest.mark.parametrize(("before", "is_drawn"), [(7200, True), (3, True), (0.2, False), (-5, False)])
def test_a_wait_before_the_run_is_drawn_where_there_was_one(tmp_path: Path, before: float, is_drawn: bool) -> None:
    items = [recorded_item()]
    found = view(keep(tmp_path, items, header=about(items, orderReceived=after(-before)))).timeline

    assert found is not None
    assert found.has_lead == is_drawn
    assert ("not drawn to scale" in " ".join(found.words)) == is_drawn
    assert any("The order was received at" in words for words in found.words)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (4.24, "4.2 s"), (9.96, "10 s"), (59.6, "1 min"), (278, "4 min 38 s"), (16680, "4 h 38 min"),
     (3599.6, "1 h"), (86399, "1 d"), (270000, "3 d 3 h"), (-90, "\N{MINUS SIGN}1 min 30 s")],
)  # fmt: skip
def test_spans_are_told_as_people_say_them(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_numbers_agree_with_what_they_count() -> None:
    assert (many(1, "item"), many(2, "item"), many(0, "item")) == ("1 item", "2 items", "0 items")


def recorded(items: list[dict[str, Any]]) -> tuple[RecordedItem, ...]:
    from orchestrator.evidence import JournalContents, RunRecord

    journal = JournalContents(records=(), intact_bytes=0)
    return read_recorded(RunRecord(run="x", about=about(items), result=result(items), journal=journal)).items
