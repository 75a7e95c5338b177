"""Finding weights in the texts of a pod, cheaply: what an API server spends on one request is limited.

`contains` costs one unit for every ten characters of the text times every ten (begun) of what is looked for. Fifty
URIs of forty characters in a pod of 1 MB cost 20 million, and 10 million is all that a policy gets: the unrelated pod
would be refused. So short pieces are looked for first: five characters that many URIs share, then ten that a few
share, then the last ten of each, and a whole URI only in texts that hold all of these. Nothing is missed, because a
URI contains its pieces.

Limits: `RuntimeCELCostBudget` and `PerCallLimit` in `k8s.io/apiserver/pkg/apis/cel/config.go`; a variable counts as a
call of its own. Every variable also delays the guard, because the API server compiles each (some 5 ms).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from orchestrator.guarding.expressions import all_of, any_of, literal

BUDGET = 10_000_000
RESERVE = 1_500_000
"""Left for everything but the search: reading a pod's texts, labels, images."""
REFERENCE_TEXT = 1024 * 1024
"""Characters of an unrelated pod or template that has to be admitted."""
_PER_ANCHOR = REFERENCE_TEXT // 10
_SHARED_WIDTH, _OWN_WIDTH = 5, 10
_UNITS_PER_CALL = 6
"""Pieces looked for in one expression, if every anchor is found: below the limit of a call for 1.5 MB of texts."""
_ANCHORS_PER_CALL = 3
"""Those that are looked for in any case. An update brings the texts of two objects, the largest ever stored: 3 MB."""
_GROUP = _UNITS_PER_CALL - 1

Group = tuple[str, tuple[str, ...]]
"""An anchor, and the URIs that are found by it."""


def shared_anchors(uris: Sequence[str]) -> tuple[str, ...]:
    """A few short anchors, of which every URI contains one; empty where there is no small number of them."""
    found = tuple(anchor for anchor, _ in cover(uris, _SHARED_WIDTH, len(uris)))
    return found if len(found) <= _ANCHORS_PER_CALL else ()


def own_anchors(uris: Sequence[str]) -> tuple[Group, ...]:
    """Anchors of at most ten characters, each for a few URIs."""
    return cover(uris, _OWN_WIDTH, _GROUP)


def cost(uris: Sequence[str]) -> int:
    """What the search costs in unrelated texts of `REFERENCE_TEXT` that hold every shared anchor.

    More only in texts that hold ten characters of the model's own URIs as well.
    """
    return (len(shared_anchors(uris)) + len(own_anchors(uris))) * _PER_ANCHOR


def suspects(source: str, uris: Sequence[str]) -> str:
    """Those of a list of texts that hold a shared anchor."""
    anchors = shared_anchors(uris)
    return f"{source}.filter(t, {any_of(_contains(anchor) for anchor in anchors)})" if anchors else source


def searches(source: str, uris: Sequence[str]) -> Iterator[str]:
    """Expressions, each within the limit of a call: together those of a list of texts that hold a URI."""
    units, conditions = 0, list[str]()
    for group in own_anchors(uris):
        needed = 1 if len(group[1]) == 1 else 1 + len(group[1])
        is_full = units + needed > _UNITS_PER_CALL or len(conditions) == _ANCHORS_PER_CALL
        if conditions and is_full:
            yield f"{source}.filter(t, {any_of(conditions)})"
            units, conditions = 0, []
        units += needed
        conditions.append(_holds(*group))
    yield f"{source}.filter(t, {any_of(conditions)})"


def _holds(anchor: str, uris: tuple[str, ...]) -> str:
    if anchor in uris:
        return _contains(anchor)
    whole = any_of(all_of(_contains(piece) for piece in dict.fromkeys((uri[-_OWN_WIDTH:], uri))) for uri in uris)
    return f"{_contains(anchor)} && ({whole})"


def cover(uris: Iterable[str], width: int, most: int) -> tuple[Group, ...]:
    """Anchors of at most `width` characters, each with at most so many URIs: few of them, and late in their URIs.

    Late, because URIs of other models begin alike: the same bucket, the same registry.
    """
    return _cover(tuple(sorted(set(uris))), width, most)


@lru_cache(maxsize=64)
def _cover(uris: tuple[str, ...], width: int, most: int) -> tuple[Group, ...]:
    left, found = uris, list[Group]()
    while left:
        counted: Counter[str] = Counter()
        earliest: dict[str, int] = {}
        for uri in left:
            # Of an anchor that stands in a URI twice the later place counts.
            places = {anchor: place for place, anchor in enumerate(_anchors(uri, width))}
            counted.update(places.keys())
            earliest |= {anchor: min(place, earliest.get(anchor, place)) for anchor, place in places.items()}
        times = min(most, max(counted.values()))
        if times == 1:
            return (*found, *((uri[-width:], (uri,)) for uri in left))
        best = max((earliest[anchor], anchor) for anchor, count in counted.items() if count >= times)[1]
        taken = [uri for uri in left if best in uri][:most]
        found.append((best, tuple(taken)))
        left = tuple(uri for uri in left if uri not in taken)
    return tuple(found)


def _anchors(uri: str, width: int) -> Iterator[str]:
    if len(uri) <= width:
        yield uri
    for start in range(len(uri) - width + 1):
        yield uri[start : start + width]


def _contains(text: str) -> str:
    return f"t.contains({literal(text)})"
