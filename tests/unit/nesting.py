"""Values within values, as JSON has them, for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Values = st.SearchStrategy[Any]


def nested(leaves: Values, keys: st.SearchStrategy[str], *, most: int = 3, max_leaves: int = 8) -> Values:
    """Lists and dictionaries of these leaves, and of each other, with at most so many entries."""

    # A function with a name: to describe a lambda its source is parsed, at any depth, which Python 3.11 fails at.
    def within(inner: Values) -> Values:
        return st.lists(inner, max_size=most) | st.dictionaries(keys, inner, max_size=most)

    return st.recursive(leaves, within, max_leaves=max_leaves)


def nested_dictionaries(leaves: Values, keys: st.SearchStrategy[str], *, most: int = 3, max_leaves: int = 8) -> Values:
    """The same without lists."""

    def within(inner: Values) -> Values:
        return st.dictionaries(keys, inner, max_size=most)

    return st.recursive(leaves, within, max_leaves=max_leaves)
