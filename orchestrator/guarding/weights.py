"""Finding weights in the texts of a pod, cheaply: what an API server spends on one request is limited.

`contains` costs one unit for every ten characters of the text times every ten (begun) of what is looked for. Fifty
URIs of forty characters in a pod of 1 MB cost 20 million, and 10 million is all that a policy gets: the unrelated pod
would be refused. So short pieces are looked for first: five characters that many URIs share, then the last ten of
each (or ten that some share, where there are many), and a whole URI only in texts that hold these. Nothing is missed,
because a URI contains its pieces.

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
_MOST_ALONE = 60
"""URIs that are looked for each by its own end; more of them by what some share."""
_ANCHORS_PER_CALL = 5
"""Anchors in one expression: below the limit of a call even for the largest object that is ever stored (1.5 MB)."""


def shared_anchors(uris: Sequence[str]) -> tuple[str, ...]:
    """A few short anchors, of which every URI contains one; empty where there is no small number of them."""
    found = tuple(cover(uris, _SHARED_WIDTH))
    return found if len(found) <= _ANCHORS_PER_CALL else ()


def own_anchors(uris: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By anchor of at most ten characters: the URIs that are found by it."""
    if len(uris) > _MOST_ALONE:
        return cover(uris, _OWN_WIDTH)
    ends = sorted({uri[-_OWN_WIDTH:] for uri in uris})
    return {end: tuple(sorted({uri for uri in uris if uri.endswith(end)})) for end in ends}


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
    conditions = [_holds(anchor, found) for anchor, found in own_anchors(uris).items()]
    for start in range(0, len(conditions), _ANCHORS_PER_CALL):
        yield f"{source}.filter(t, {any_of(conditions[start : start + _ANCHORS_PER_CALL])})"


def _holds(anchor: str, uris: tuple[str, ...]) -> str:
    if anchor in uris:
        return _contains(anchor)
    whole = any_of(all_of(_contains(piece) for piece in dict.fromkeys((uri[-_OWN_WIDTH:], uri))) for uri in uris)
    return f"{_contains(anchor)} && ({whole})" if len(uris) > 1 else f"{_contains(anchor)} && {_contains(uris[0])}"


def cover(uris: Iterable[str], width: int) -> dict[str, tuple[str, ...]]:
    """Anchors of at most `width` characters, each with the URIs found by it: few of them, and late in their URIs.

    Late, because URIs of other models begin alike: the same bucket, the same registry.
    """
    return _cover(tuple(sorted(set(uris))), width)


@lru_cache(maxsize=64)
def _cover(uris: tuple[str, ...], width: int) -> dict[str, tuple[str, ...]]:
    left = uris
    found: dict[str, tuple[str, ...]] = {}
    while left:
        counted: Counter[str] = Counter()
        earliest: dict[str, int] = {}
        for uri in left:
            # Of an anchor that stands in a URI twice the later place counts.
            places = {anchor: place for place, anchor in enumerate(_anchors(uri, width))}
            counted.update(places.keys())
            earliest |= {anchor: min(place, earliest.get(anchor, place)) for anchor, place in places.items()}
        most = max(counted.values())
        if most == 1:
            return {**found, **{uri[-width:]: (uri,) for uri in left}}
        best = max((earliest[anchor], anchor) for anchor, times in counted.items() if times == most)[1]
        found[best] = tuple(uri for uri in left if best in uri)
        left = tuple(uri for uri in left if best not in uri)
    return found


def _anchors(uri: str, width: int) -> Iterator[str]:
    if len(uri) <= width:
        yield uri
    for start in range(len(uri) - width + 1):
        yield uri[start : start + width]


def _contains(text: str) -> str:
    return f"t.contains({literal(text)})"
