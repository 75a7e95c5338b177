"""Finding weights in the texts of a pod, cheaply: what an API server spends on one request is limited.

`contains` costs one unit for every ten characters of the text times every ten (begun) of what is looked for. Fifty
URIs of forty characters in a pod of 1 MB cost 20 million, and 10 million is all that a policy gets: the unrelated pod
would be refused. So short anchors are looked for first, first such as many URIs share, then some of ten characters,
and a whole URI only in texts with its anchor. Nothing is missed, because every URI contains its anchors.

Limits: `RuntimeCELCostBudget` and `PerCallLimit` in `k8s.io/apiserver/pkg/apis/cel/config.go`; a variable counts as a
call of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from orchestrator.guarding.expressions import any_of, literal

BUDGET = 10_000_000
RESERVE = 1_500_000
"""Left for everything but the search: reading a pod's texts, labels, images."""
REFERENCE_TEXT = 1024 * 1024
"""Characters of an unrelated pod or template that has to be admitted."""
_PER_ANCHOR = REFERENCE_TEXT // 10
_SHARED_WIDTH, _OWN_WIDTH = 5, 10
_ANCHORS_PER_CALL = 5
"""Anchors in one expression: below the limit of a call even for the largest object that is ever stored (1.5 MB)."""


def shared_anchors(uris: Sequence[str]) -> tuple[str, ...]:
    """A few short anchors, of which every URI contains one; empty where there is no small number of them."""
    found = tuple(cover(uris, _SHARED_WIDTH))
    return found if len(found) <= _ANCHORS_PER_CALL else ()


def cost(uris: Sequence[str]) -> int:
    """The most that the search costs in unrelated texts of `REFERENCE_TEXT` that hold every shared anchor."""
    return (len(shared_anchors(uris)) + len(cover(uris, _OWN_WIDTH))) * _PER_ANCHOR


def suspects(source: str, uris: Sequence[str]) -> str:
    """Those of a list of texts that hold a shared anchor."""
    anchors = shared_anchors(uris)
    return f"{source}.filter(t, {any_of(_contains(anchor) for anchor in anchors)})" if anchors else source


def searches(source: str, uris: Sequence[str]) -> Iterator[str]:
    """Expressions, each within the limit of a call, of which one is true when a text of `source` holds a URI."""
    conditions = [_holds(anchor, covered) for anchor, covered in cover(uris, _OWN_WIDTH).items()]
    for start in range(0, len(conditions), _ANCHORS_PER_CALL):
        yield f"{source}.exists(t, {any_of(conditions[start : start + _ANCHORS_PER_CALL])})"


def cover(uris: Iterable[str], width: int) -> dict[str, tuple[str, ...]]:
    """Anchors of at most `width` characters, each with the URIs found by it: few of them, and late in their URIs.

    Late, because URIs of other models begin alike: the same bucket, the same registry.
    """
    left = sorted(set(uris))
    found: dict[str, tuple[str, ...]] = {}
    while left:
        counted = Counter(anchor for uri in left for anchor in set(_anchors(uri, width)))
        most = max(counted.values())
        best = max(
            (anchor for anchor, times in counted.items() if times == most),
            key=lambda anchor: (min(uri.rfind(anchor) for uri in left if anchor in uri), anchor),
        )
        found[best] = tuple(uri for uri in left if best in uri)
        left = [uri for uri in left if best not in uri]
    return found


def _anchors(uri: str, width: int) -> Iterator[str]:
    if len(uri) <= width:
        yield uri
    for start in range(len(uri) - width + 1):
        yield uri[start : start + width]


def _holds(anchor: str, uris: tuple[str, ...]) -> str:
    whole = any_of(_contains(uri) for uri in uris if uri != anchor)
    return _contains(anchor) if anchor in uris else f"{_contains(anchor)} && ({whole})"


def _contains(text: str) -> str:
    return f"t.contains({literal(text)})"
