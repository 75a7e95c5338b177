"""Whether what is there is what was written: strict where it matters, blind to what servers add."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.delivery.readback import has_precondition, says, says_patch
from tests.unit.nesting import nested

MANIFEST = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "one", "labels": {"a": "b"}, "resourceVersion": "5", "annotations": {}},
    "stringData": {"key": "value"},
    "immutable": True,
}
LIVE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "one", "labels": {"a": "b", "added": "x"}, "resourceVersion": "9", "uid": "u"},
    "data": {"key": "dmFsdWU=", "more": "eA=="},
    "immutable": True,
}


def test_what_the_server_added_does_not_matter() -> None:
    assert says(MANIFEST)(LIVE)


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"name": "one", "labels": {"a": "c"}}},
        {"metadata": {"name": "one", "labels": {"a": "b"}, "annotations": {"x": "y"}}},
        {"data": {"key": "b3RoZXI="}},
        {"immutable": 1},
        {"immutable": None},
    ],
)
def test_any_difference_counts(change: dict[str, Any]) -> None:
    assert not says(MANIFEST)({**LIVE, **change})


def test_lists_are_compared_whole() -> None:
    """A list that somebody extended is not what was written; defaults inside its entries are."""
    wanted = {"spec": {"containers": [{"name": "a"}]}}
    assert says(wanted)({"spec": {"containers": [{"name": "a", "image": "x"}]}})
    assert not says(wanted)({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}})


def test_merge_patches() -> None:
    """Null removes; the version is a precondition, not content; the uid must be the same."""
    patch = {
        "metadata": {"uid": "u", "resourceVersion": "5", "labels": {"gone": None, "a": "b"}},
        "data": {"more": "eA=="},
    }
    assert says_patch(patch, "merge")(LIVE)
    assert not says_patch(patch, "merge")({**LIVE, "metadata": {**LIVE["metadata"], "uid": "other"}})
    assert not says_patch({"metadata": {"labels": {"a": None}}}, "merge")(LIVE)
    assert not says_patch({"data": {"absent": "x"}}, "merge")(LIVE)


def test_what_cannot_be_compared_is_never_confirmed() -> None:
    assert not says_patch([{"op": "remove", "path": "/x"}], "json")(LIVE)
    assert not says_patch({"spec": {"containers": [{"$patch": "delete", "name": "a"}]}}, "strategic")(LIVE)


def test_preconditions() -> None:
    assert has_precondition({"metadata": {"uid": "u"}}, "merge")
    assert has_precondition({"metadata": {"resourceVersion": "5"}}, "strategic")
    assert not has_precondition({"metadata": {"labels": {}}}, "merge")
    assert not has_precondition([{"op": "test", "path": "/metadata/uid", "value": "u"}], "json")


JSON = nested(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    st.text("ab", min_size=1, max_size=2),
    max_leaves=10,
)


@given(st.dictionaries(st.text("ab", min_size=1, max_size=2), JSON, max_size=4))
def test_every_object_says_itself(obj: dict[str, Any]) -> None:
    """Reflexive: what was stored as it was sent counts as written."""
    assert says(obj)({**obj, "metadata": {}})
