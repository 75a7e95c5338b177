"""Countries on a map: what was found in each, and the shapes to draw it with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from orchestrator.core.verdict import Verdict
from orchestrator.evidence.report.recorded import RecordedItem
from orchestrator.evidence.report.verdicts import WORST_FIRST, counted, in_words, worst

_PIN: Final = 19.0
_CROWDED: Final = 72.0
_INSET: Final = (480.0, 300.0)
_INSET_PIN: Final = 10.0
_MOST_INSETS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """One country in which a cluster of the run stands."""

    code: str
    name: str
    verdict: Verdict
    """The worst of its items."""
    words: str
    """Its verdicts, counted."""
    clusters: tuple[str, ...]
    is_on_map: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A country's symbol on the map."""

    code: str
    verdict: Verdict
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Inset:
    """A part of the map where symbols would cover each other, enlarged."""

    letter: str
    names: str
    left: float
    top: float
    width: float
    height: float
    pins: tuple[Pin, ...]

    @property
    def radius(self) -> float:
        """Of a pin, in units of the map."""
        return round(_INSET_PIN * self.width / _INSET[0], 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldMap:
    """Everything that is drawn, in units of the map."""

    width: int
    height: int
    shapes: tuple[tuple[str, str], ...]
    """(code, path) of the countries in which the run did nothing; the last one is nobody's code."""
    concerned: tuple[tuple[Country, str], ...]
    """Countries of the run that have a shape, and its path."""
    pins: tuple[Pin, ...]
    insets: tuple[Inset, ...]
    radius: float
    source: str


def countries_of(items: Sequence[RecordedItem], names: Mapping[str, str]) -> tuple[Country, ...]:
    """The countries of a run, worst first, then by name."""
    found: dict[str, list[RecordedItem]] = {}
    for item in items:
        if item.country:
            found.setdefault(item.country, []).append(item)
    countries = [
        Country(
            code=code,
            name=names.get(code, code),
            verdict=worst(item.verdict for item in here),
            words=in_words(counted(item.verdict for item in here)),
            clusters=tuple(sorted({item.cluster for item in here})),
            is_on_map=code in _world()["centres"],
        )
        for code, here in found.items()
    ]
    return tuple(sorted(countries, key=lambda one: (WORST_FIRST.index(one.verdict), one.name, one.code)))


def map_of(countries: Sequence[Country]) -> WorldMap:
    """The world with the state of these countries."""
    world = _world()
    shown = {one.code: one for one in countries if one.is_on_map}
    places = {code: (float(x), float(y)) for code, (x, y, _) in world["centres"].items() if code in shown}
    insets = _insets(shown, places, (world["width"], world["height"]))
    enlarged = {pin.code for inset in insets for pin in inset.pins}
    return WorldMap(
        width=world["width"],
        height=world["height"],
        shapes=(
            *((code, path) for code, path in sorted(world["shapes"].items()) if code not in shown),
            ("", world["unassigned"]),
        ),
        concerned=tuple((one, world["shapes"][code]) for code, one in sorted(shown.items()) if code in world["shapes"]),
        pins=tuple(_pin(shown[code], places) for code in sorted(places) if code not in enlarged),
        insets=insets,
        radius=_PIN,
        source=f"{world['source']}; {world['licence']}; as of {world['as_of']}. Borders are those of its makers.",
    )


@cache
def _world() -> dict[str, Any]:
    text = resources.files("orchestrator.evidence.report").joinpath("world.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _pin(country: Country, places: Mapping[str, tuple[float, float]]) -> Pin:
    x, y = places[country.code]
    return Pin(code=country.code, verdict=country.verdict, x=x, y=y)


def _insets(
    shown: Mapping[str, Country], places: Mapping[str, tuple[float, float]], size: tuple[int, int]
) -> tuple[Inset, ...]:
    crowds = [crowd for crowd in _crowds(places) if len(crowd) > 1]
    largest = sorted(crowds, key=lambda crowd: (-len(crowd), crowd))[:_MOST_INSETS]
    insets = []
    for letter, crowd in zip("ABC", largest, strict=False):
        left, top, width, height = _frame([places[code] for code in crowd], size)
        # Whoever else stands within the frame is told there too, and only there.
        inside = [code for code, (x, y) in sorted(places.items()) if 0 < x - left < width and 0 < y - top < height]
        insets.append(
            Inset(
                letter=letter,
                names=", ".join(sorted(shown[code].name for code in inside)),
                left=left,
                top=top,
                width=width,
                height=height,
                pins=tuple(_pin(shown[code], places) for code in inside),
            )
        )
    return tuple(insets)


def _crowds(places: Mapping[str, tuple[float, float]]) -> list[list[str]]:
    """Countries whose symbols would touch, directly or through others, together."""
    crowds: list[list[str]] = []
    for code in sorted(places):
        near = [crowd for crowd in crowds if any(_is_near(places[code], places[one]) for one in crowd)]
        crowds = [crowd for crowd in crowds if crowd not in near]
        crowds.append(sorted([code, *(one for crowd in near for one in crowd)]))
    return crowds


def _is_near(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 < _CROWDED**2


def _frame(points: Sequence[tuple[float, float]], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """A frame of fixed proportions around these points, within the map."""
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    proportion = _INSET[0] / _INSET[1]
    width = min(max(right - left + 50, (bottom - top + 50) * proportion, 80.0), float(size[0]))
    height = width / proportion
    corner = ((left + right - width) / 2, (top + bottom - height) / 2)
    x, y = (max(0.0, min(at, most - extent)) for at, most, extent in zip(corner, size, (width, height), strict=True))
    return round(x, 1), round(y, 1), round(width, 1), round(height, 1)
