"""The patch after which fields are what they were."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.holds import RestoreRecord
from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.execution.putting_back import field_patch, values_of, wakes
from tests.unit.nesting import nested_dictionaries


def _apply(obj: JsonObject, patch: list[JsonObject]) -> JsonObject:
    """RFC 6902 as an API server does it, for the three operations that are used."""
    after = copy.deepcopy(obj)
    for operation in patch:
        tokens = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        place: Any = after
        for token in tokens[:-1]:
            place = place[int(token)] if isinstance(place, list) else place[token]
        last: Any = int(tokens[-1]) if isinstance(place, list) and tokens[-1] != "-" else tokens[-1]
        match operation["op"]:
            case "remove":
                del place[last]
            case "replace":
                assert place[last] is not None
                place[last] = operation["value"]
            case "add" if isinstance(place, list):
                place.append(operation["value"])
            case "add":
                place[last] = operation["value"]
    return after


@pytest.mark.parametrize(
    ("live", "fields", "after"),
    [
        pytest.param({"spec": {"a": 1}}, {"/spec/a": 2}, {"spec": {"a": 2}}, id="replaced"),
        pytest.param({"spec": {}}, {"/spec/a": {"b": 1}}, {"spec": {"a": {"b": 1}}}, id="added"),
        pytest.param({"spec": {"a": 1}}, {"/spec/a": None}, {"spec": {}}, id="removed"),
        pytest.param({"spec": {}}, {"/spec/a": None}, {"spec": {}}, id="absent already"),
        pytest.param(
            {"metadata": {}},
            {"/metadata/annotations/x.dev~1p": "1", "/metadata/annotations/y": "2"},
            {"metadata": {"annotations": {"x.dev/p": "1", "y": "2"}}},
            id="two fields of a map that is missing",
        ),
        pytest.param(
            {"spec": {"rules": [{"backend": "cut"}, {"backend": "b"}]}},
            {"/spec/rules/0/backend": "a"},
            {"spec": {"rules": [{"backend": "a"}, {"backend": "b"}]}},
            id="within a list",
        ),
        pytest.param({"spec": {"suspend": True}}, {"/spec/suspend": False}, {"spec": {"suspend": False}}, id="false"),
        pytest.param({}, {"/a~0b/c": 1}, {"a~b": {"c": 1}}, id="a tilde"),
    ],
)
def test_each_pointer_gets_its_value(live: JsonObject, fields: dict[str, Any], after: JsonObject) -> None:
    """Added, replaced, removed, and nothing where it is so already."""
    found = _apply(live, field_patch(live, fields))
    assert found == after
    assert field_patch(found, fields) == []


_KEYS = st.sampled_from(["a", "b", "c"])
_TREES: st.SearchStrategy[Any] = nested_dictionaries(st.integers(0, 3), _KEYS)


@given(
    st.dictionaries(_KEYS, _TREES, max_size=3),
    st.dictionaries(st.lists(_KEYS, min_size=1, max_size=3).map(tuple), st.none() | st.integers(4, 9), max_size=1),
)
def test_what_was_overwritten_comes_back(live: JsonObject, cut: dict[tuple[str, ...], Any]) -> None:
    """Values taken before a change, put back after it, are the values again."""
    pointers = {"/" + "/".join(path): value for path, value in cut.items()}
    before = values_of(live, pointers)
    changed = _apply(live, field_patch(live, pointers))
    back = _apply(changed, field_patch(changed, before))
    assert values_of(back, pointers) == before


def _record(kind: str, api_version: str, **changed: Any) -> RestoreRecord:
    values: dict[str, Any] = {"before": {"/spec/x": 1}, **changed}
    return RestoreRecord(model="m", ref=ObjectRef(api_version, kind, "s", "n"), uid="u", **values)


def test_what_makes_pods_run_is_put_back_before_what_leads_to_them() -> None:
    """Workloads, autoscalers, owners of GitOps tools and deleted objects wake; routes do not."""
    assert wakes(_record("Deployment", "apps/v1", before={"/spec/replicas": 2}))
    assert wakes(_record("CronJob", "batch/v1"))
    assert wakes(_record("ScaledObject", "keda.sh/v1alpha1"))
    assert wakes(_record("Application", "argoproj.io/v1alpha1"))
    assert wakes(_record("Anything", "example.dev/v1", before={}, whole={"kind": "Anything"}))
    assert not wakes(_record("HTTPRoute", "gateway.networking.k8s.io/v1"))
    assert not wakes(_record("Service", "v1"))
