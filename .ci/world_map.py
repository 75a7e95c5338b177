"""Makes the world map of reports, once, from Natural Earth data: `.venv/bin/python .ci/world_map.py`; needs npm.

Two pinned packages are read (`world-atlas`: Natural Earth as TopoJSON; `i18n-iso-countries`: ISO's numbers and codes),
projected (Equal Earth) and written as SVG paths in whole units. Equal packages give equal bytes.
"""

from __future__ import annotations

import json
import math
import subprocess
import tarfile
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias

Point: TypeAlias = tuple[float, float]
Ring: TypeAlias = list[Point]
Polygon: TypeAlias = list[Ring]

TARGET: Final = Path(__file__).parents[1] / "orchestrator" / "evidence" / "report" / "world.json"
ATLAS: Final = (
    "world-atlas@2.0.2",
    "sha512-IXfV0qwlKXpckz1FhwXVwKRjiIhOnWttOskm5CtxMsjgE/MXAYRHWJqgXOpM8IkcPBoXnyTU5lFHcYa5ChG0LQ==",
)
CODES: Final = (
    "i18n-iso-countries@7.14.0",
    "sha512-nXHJZYtNrfsi1UQbyRqm3Gou431elgLjKl//CYlnBGt5aTWdRPH1PiS2T/p/n8Q8LnqYqzQJik3Q7mkwvLokeg==",
)
SOURCE: Final = {
    "source": "Natural Earth 4.1.0, Admin 0 countries (1:110m; places of small ones from 1:10m), "
    f"https://www.naturalearthdata.com, as repackaged by {ATLAS[0]}",
    "licence": "public domain (Natural Earth); the package's own form of it: ISC",
    "as_of": "2018-05",
    "made_by": ".ci/world_map.py",
}
WIDTH: Final = 2000
SOUTHERNMOST: Final = -57.0
UNNUMBERED: Final = {"Kosovo": "XK"}
# Natural Earth draws these within the state to which they belong; ISO, and so a fleet, gives them codes of their own.
OVERSEAS: Final = (("FR", "GF", (-55.0, 2.0, -51.0, 6.0)), ("NO", "SJ", (10.0, 76.0, 34.0, 81.0)))


def main() -> None:
    """Fetch, convert, write."""
    with tempfile.TemporaryDirectory() as folder:
        atlas, codes = (_fetch(Path(folder), *package) for package in (ATLAS, CODES))
        numbers = {number: code for code, _, number, _ in json.loads((codes / "codes.json").read_text())}
        coarse = _countries(json.loads((atlas / "countries-110m.json").read_text()), numbers)
        fine = _countries(json.loads((atlas / "countries-10m.json").read_text()), numbers)
    TARGET.write_text(json.dumps(_world(coarse, fine), indent=0, sort_keys=True) + "\n")


def _fetch(folder: Path, package: str, integrity: str) -> Path:
    command = ["npm", "pack", "--json", "--silent", "--pack-destination", str(folder), package]
    packed = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=300).stdout)[0]
    if packed["integrity"] != integrity:
        raise SystemExit(f"{package} is not what it was: {packed['integrity']}")
    place = folder / package.partition("@")[0]
    with tarfile.open(folder / packed["filename"]) as archive:
        archive.extractall(place, filter="data")
    return place / "package"


def _countries(topology: dict[str, Any], numbers: dict[str, str]) -> dict[str, list[Polygon]]:
    """Polygons in degrees by ISO code; those of territories without one lie under the empty code."""
    arcs = _decoded(topology)
    found: dict[str, list[Polygon]] = {}
    for geometry in topology["objects"]["countries"]["geometries"]:
        code = numbers.get(geometry.get("id", ""), UNNUMBERED.get(geometry["properties"]["name"], ""))
        whole = {"Polygon": [geometry.get("arcs")], "MultiPolygon": geometry.get("arcs")}[geometry["type"]]
        for polygon in whole:
            for rings in _cut([_ring(ring, arcs) for ring in polygon]):
                found.setdefault(_owner(code, rings[0]), []).append(rings)
    return found


def _decoded(topology: dict[str, Any]) -> list[Ring]:
    (width, height), (left, bottom) = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs: list[Ring] = []
    for arc in topology["arcs"]:
        x = y = 0
        line: Ring = []
        for right, up in arc:
            x, y = x + right, y + up
            line.append((x * width + left, y * height + bottom))
        arcs.append(line)
    return arcs


def _ring(numbers: list[int], arcs: list[Ring]) -> Ring:
    ring: Ring = []
    for number in numbers:
        line = arcs[number] if number >= 0 else arcs[~number][::-1]
        ring += line[1:] if ring else line
    return ring


def _cut(polygon: Polygon) -> list[Polygon]:
    """The polygon cut at the edge of the map, 180 degrees, where its rings jump from one side to the other."""
    if not any(abs(x - p) > 180 for ring in polygon for (x, _), (p, _) in pairwise(ring)):
        return [polygon]
    unrolled = [_unrolled(ring) for ring in polygon]
    parts = [[_clipped(ring, 360.0 * turn - 180, 360.0 * turn) for ring in unrolled] for turn in (-1, 0, 1)]
    return [[ring for ring in part if ring] for part in parts if part[0]]


def _unrolled(ring: Ring) -> Ring:
    line, turn = [ring[0]], 0.0
    for (x, y), (before, _) in zip(ring[1:], ring, strict=False):
        turn += -360.0 if x - before > 180 else 360.0 if x - before < -180 else 0.0
        line.append((x + turn, y))
    return line


def _clipped(ring: Ring, west: float, turn: float) -> Ring:
    """What of a ring lies within one turn of the globe, which begins in the west; moved to the map."""
    for edge, sign in ((west, 1), (west + 360, -1)):
        kept: Ring = []
        for (x, y), (p, q) in zip(ring, [*ring[-1:], *ring[:-1]], strict=True):
            if ((x - edge) * sign >= 0) != ((p - edge) * sign >= 0):
                kept.append((edge, q + (y - q) * (edge - p) / (x - p)))
            if (x - edge) * sign >= 0:
                kept.append((x, y))
        ring = kept
    return [(x - turn, y) for x, y in ring]


def _owner(code: str, ring: Ring) -> str:
    for state, territory, (west, south, east, north) in OVERSEAS:
        if code == state and all(west <= x <= east and south <= y <= north for x, y in ring):
            return territory
    return code


def _projected(point: Point) -> Point:
    """Equal Earth (Šavrič, Patterson, Jenny 2018): areas are true, so no country looks larger than it is."""
    longitude, latitude = map(math.radians, point)
    a = (1.340264, -0.081106, 0.000893, 0.003796)
    root = math.sqrt(3)
    t = math.asin(root / 2 * math.sin(latitude))
    slope = 9 * a[3] * t**8 + 7 * a[2] * t**6 + 3 * a[1] * t**2 + a[0]
    x = 2 * root * longitude * math.cos(t) / (3 * slope)
    y = t * (a[0] + a[1] * t**2 + t**6 * (a[2] + a[3] * t**2))
    scale = WIDTH / (2 * 2.7066297)
    return (x + 2.7066297) * scale, (1.3173628 - y) * scale


def _world(coarse: dict[str, list[Polygon]], fine: dict[str, list[Polygon]]) -> dict[str, Any]:
    shapes, centres = {}, {}
    for code, polygons in sorted(coarse.items()):
        shown = [_flat(polygon) for polygon in polygons if max(y for _, y in polygon[0]) > SOUTHERNMOST]
        if shown:
            shapes[code] = "".join(_path(ring) for polygon in shown for ring in polygon)
            centres[code] = _centre(max(shown, key=lambda polygon: abs(_area(polygon[0]))))
    for code, polygons in sorted(fine.items()):
        if code and code not in centres and max(y for polygon in polygons for _, y in polygon[0]) > SOUTHERNMOST:
            centres[code] = _centre(max((_flat(one) for one in polygons), key=lambda polygon: abs(_area(polygon[0]))))
    height = math.ceil(_projected((0.0, SOUTHERNMOST))[1])
    nobodys = shapes.pop("", "")
    centres.pop("", None)
    return {**SOURCE, "width": WIDTH, "height": height, "shapes": shapes, "unassigned": nobodys, "centres": centres}


def _flat(polygon: Polygon) -> Polygon:
    return [[_projected(point) for point in ring] for ring in polygon]


def _path(ring: Ring) -> str:
    points = [(round(x), round(y)) for x, y in ring]
    kept = [point for point, before in zip(points, [None, *points], strict=False) if point != before]
    if kept[0] == kept[-1]:
        kept.pop()
    if len(kept) < 3:
        return ""
    steps = [(x - p, y - q) for (x, y), (p, q) in zip(kept[1:], kept, strict=False)]
    return f"M{kept[0][0]} {kept[0][1]}l" + " ".join(f"{x} {y}" for x, y in steps) + "z"


def _area(ring: Ring) -> float:
    return sum(p * y - x * q for (p, q), (x, y) in zip(ring, [*ring[1:], ring[0]], strict=True)) / 2


def _centre(polygon: Polygon) -> list[float]:
    """The point farthest from every border, and how far that is: where a symbol covers nobody else."""
    ring = polygon[0]
    left, right = min(x for x, _ in ring), max(x for x, _ in ring)
    top, bottom = min(y for _, y in ring), max(y for _, y in ring)
    best = (-1.0, (left + right) / 2, (top + bottom) / 2)
    for _ in range(4):
        step = max(right - left, bottom - top) / 16 or 1e-6
        for row in range(int((bottom - top) / step) + 1):
            for column in range(int((right - left) / step) + 1):
                x, y = left + (column + 0.5) * step, top + (row + 0.5) * step
                best = max(best, (_clearance(x, y, polygon), x, y))
        left, right, top, bottom = best[1] - step, best[1] + step, best[2] - step, best[2] + step
    return [round(best[1], 1), round(best[2], 1), round(max(best[0], 0.0), 1)]


def _clearance(x: float, y: float, polygon: Polygon) -> float:
    """Distance to the nearest border; negative outside."""
    inside, nearest = False, math.inf
    for ring in polygon:
        for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True):
            if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
                inside = not inside
            length = (x2 - x1) ** 2 + (y2 - y1) ** 2
            along = max(0.0, min(1.0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length)) if length else 0.0
            nearest = min(nearest, math.hypot(x1 + along * (x2 - x1) - x, y1 + along * (y2 - y1) - y))
    return nearest if inside else -nearest


if __name__ == "__main__":
    main()
