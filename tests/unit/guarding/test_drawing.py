"""Drawing a guard: text that cannot break out, searches that miss nothing, the same bytes for the same request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.images import spellings
from orchestrator.core.model import Match
from orchestrator.core.objects import ObjectRef
from orchestrator.guarding import GuardImpossible, GuardRequest, build_guard
from orchestrator.guarding.expressions import at, literal, says, selects
from orchestrator.guarding.weights import cover, searches

REQUEST = GuardRequest(order="directive-1", digest="ab" * 32, model="fable-5")


@given(st.text())
def test_a_literal_is_one_line_of_printable_ascii_and_ends_where_it_should(text: str) -> None:
    """Whatever a document names, it stays within its quotes."""
    found = literal(text)
    assert found.isascii() and found.isprintable()
    body = found[1:-1].replace("\\\\", "").replace("\\'", "")
    assert found[0] == found[-1] == "'" and "'" not in body and not body.endswith("\\")


@given(st.lists(st.text(min_size=1, max_size=40), max_size=30), st.integers(1, 12), st.integers(1, 8))
def test_every_uri_contains_the_anchor_by_which_it_is_found(uris: list[str], width: int, most: int) -> None:
    """And each belongs to exactly one group, which is no larger than asked for."""
    groups = cover(uris, width, most)
    assert sorted(uri for _, found in groups for uri in found) == sorted(set(uris))
    for anchor, found in groups:
        assert 0 < len(anchor) <= width
        assert len(found) <= most
        assert all(anchor in uri for uri in found)


@pytest.mark.parametrize(
    "selector", [None, {}, {"matchLabels": {}}, {"matchExpressions": [{"key": "a", "operator": "?"}]}]
)
def test_a_selector_that_selects_everything_or_is_not_understood_selects_nothing(selector: Any) -> None:
    """An empty one would refuse every pod of a namespace, its neighbours included."""
    assert selects(selector, "labels").strip("()") == "false"


def test_a_selector_of_every_operator() -> None:
    expressions = [
        {"key": "a", "operator": "In", "values": ["1", "2"]},
        {"key": "b", "operator": "NotIn", "values": ["3"]},
        {"key": "c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
    ]
    assert selects({"matchLabels": {"app": "x"}, "matchExpressions": expressions}, "l") == (
        "('app' in l && l['app'] in ['x']) && ('a' in l && l['a'] in ['1', '2']) && "
        "(!('b' in l && l['b'] in ['3'])) && ('c' in l) && (!('d' in l))"
    )


def test_pointers_and_values_ask_for_nothing_that_may_be_absent() -> None:
    assert at("o", "/spec/rules/0/a~1b~0") == "o[?'spec'][?'rules'][?0][?'a/b~']"
    assert says("o", None) == "!o.hasValue()"
    assert says("o", {"a": [1]}) == (
        "((size(o[?'a'].orValue(dyn([]))) == 1) && (o[?'a'][?0].orValue(dyn(null)) == dyn(1)))"
    )


@pytest.mark.parametrize(
    ("image", "others"),
    [
        ("nginx", {"library/nginx", "docker.io/nginx", "docker.io/library/nginx", "index.docker.io/library/nginx"}),
        ("acme/fable:v1", {"acme/fable", "docker.io/acme/fable"}),
        ("Registry.example:443/acme/fable@sha256:00", {"registry.example/acme/fable"}),
        ("localhost:5000/fable", {"localhost:5000/fable"}),
    ],
)
def test_an_image_is_known_however_it_is_written(image: str, others: set[str]) -> None:
    assert others <= set(spellings(image))


def test_the_same_request_gives_the_same_guard() -> None:
    request = replace(REQUEST, match=Match(weights=("b", "a"), images=("x",)))
    assert build_guard(request) == build_guard(request)
    assert build_guard(request).policy["spec"]["failurePolicy"] == "Fail"


def test_a_message_has_the_marker_first_and_no_control_characters() -> None:
    """Public words are hostile text like any other."""
    guard = build_guard(replace(REQUEST, public={"contact": "a\nb\x1b[31m"}))
    for rule in guard.policy["spec"]["validations"]:
        assert rule["message"].startswith(guard.marker)
        assert rule["message"].isprintable()


@pytest.mark.parametrize(
    "change",
    [
        {"model": "*"},
        {"model": "Fable"},
        {"match": Match(weights=(" ",))},
        {"match": Match(images=("",))},
        {"match": Match(weights=tuple(f"s3://{number:040x}{number * 7919:030x}" for number in range(500)))},
    ],
)
def test_what_no_api_server_could_carry_is_not_drawn(change: dict[str, Any]) -> None:
    with pytest.raises(GuardImpossible):
        build_guard(replace(REQUEST, **change))


def test_a_workload_of_an_unknown_kind_is_known_by_group_and_name() -> None:
    thing = ObjectRef("things.example/v1", "Thing", "here", "one")
    text = repr(build_guard(replace(REQUEST, workloads=((thing, None),))).policy)
    assert "things.example/*/here/one" in text


def test_no_call_looks_for_more_than_two_objects_texts_allow() -> None:
    """Of weights that share nothing, three: a tenth of 3 MB, three times, is below the million units of a call."""
    uris = [letter * 10 for letter in "abcdefgh"]
    assert [search.count("contains") for search in searches("texts", uris)] == [3, 3, 2]
