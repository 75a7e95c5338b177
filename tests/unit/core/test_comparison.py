"""Which fields differ: what an apply would change, and nothing that the API server merely fills in."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.comparison import MASKED, changed_fields, differences
from orchestrator.core.objects import JsonObject
from orchestrator.core.plan import FieldChange
from tests.unit.nesting import nested


def _deployment(spec: JsonObject, kind: str = "Deployment", api_version: str = "apps/v1") -> JsonObject:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "d"}, "spec": spec}


def _container(**fields: Any) -> JsonObject:
    return _deployment({"template": {"spec": {"containers": [{"name": "c", **fields}]}}})


_CONTAINER = "spec.template.spec.containers[name=c]"


@pytest.mark.parametrize(
    ("wanted", "live"),
    [
        pytest.param(_deployment({"a": 1}), _deployment({"a": 1, "b": 2}), id="others' fields stay"),
        pytest.param(_deployment({"a": None, "b": {}, "c": [], "d": ""}), _deployment({}), id="empty equals absent"),
        pytest.param(_deployment({"a": {"b": {}}}), _deployment({}), id="a map of nothing is nothing"),
        pytest.param(_deployment({"a": None}), _deployment({"a": 5}), id="null asks for nothing"),
        pytest.param(_container(tty=False), _container(), id="false that is not stored"),
        pytest.param(
            _container(resources={"limits": {"cpu": "1000m", "memory": "1Gi", "x": 1}}),
            _container(resources={"limits": {"cpu": 1, "memory": "1024Mi", "x": "1"}}),
            id="quantities",
        ),
        pytest.param(
            _deployment({"strategy": {"rollingUpdate": {"maxSurge": "1"}}}),
            _deployment({"strategy": {"rollingUpdate": {"maxSurge": 1}}}),
            id="int or string",
        ),
        pytest.param(
            _container(ports=[{"containerPort": 80}]),
            _container(ports=[{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 81, "protocol": "TCP"}]),
            id="keyed lists keep what others added, and keys have defaults",
        ),
        pytest.param(
            {**_deployment({}), "status": {"a": 1}, "apiVersion": "apps/v1beta1"}, _deployment({}), id="not compared"
        ),
        pytest.param(
            {"kind": "X", "metadata": {"finalizers": ["a"]}},
            {"kind": "X", "metadata": {"finalizers": ["b", "a"]}},
            id="sets",
        ),
        pytest.param(
            {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "x"}, "data": {"b": "eA=="}},
            {"apiVersion": "v1", "kind": "Secret", "data": {"a": "eA==", "b": "eA=="}},
            id="a Secret's plain text and its base64",
        ),
        pytest.param(
            _deployment({"items": [{"a": 1}]}, "Thing", "example.com/v1"),
            _deployment({"items": [{"a": 1, "b": 2}]}, "Thing", "example.com/v1"),
            id="an unknown kind may have defaults in its lists",
        ),
    ],
)
def test_no_difference(wanted: JsonObject, live: JsonObject) -> None:
    """An apply of `wanted` would leave `live` as it is."""
    assert differences(wanted, live) == ()


@pytest.mark.parametrize(
    ("wanted", "live", "expected"),
    [
        pytest.param(
            _container(image="a"), _container(image="b"), [(f"{_CONTAINER}.image", "b", "a")], id="a scalar, by key"
        ),
        pytest.param(_deployment({"a": 1}), _deployment({}), [("spec.a", None, 1)], id="absent"),
        pytest.param(_deployment({"a": 0}), _deployment({}), [("spec.a", None, 0)], id="zero is a value"),
        pytest.param(_deployment({"a": True}), _deployment({"a": 1}), [("spec.a", 1, True)], id="true is not 1"),
        pytest.param(_deployment({"a": "1"}), _deployment({"a": 1}), [("spec.a", 1, "1")], id="text is no number"),
        pytest.param(
            _container(args=["a"]),
            _container(args=["a", "b"]),
            [(f"{_CONTAINER}.args", ["a", "b"], ["a"])],
            id="atomic",
        ),
        pytest.param(_container(args=[]), _container(args=["a"]), [(f"{_CONTAINER}.args", ["a"], [])], id="emptied"),
        pytest.param(
            _container(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]),
            _container(env=[{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]),
            [(f"{_CONTAINER}.env (order)", ["name=B", "name=A"], ["name=A", "name=B"])],
            id="order: later variables may refer to earlier ones",
        ),
        pytest.param(
            _deployment({"selector": {"a": "b"}}, "Service", "v1"),
            _deployment({"selector": {"a": "b", "c": "d"}}, "Service", "v1"),
            [("spec.selector.c", "d", None)],
            id="an extra label in an atomic map",
        ),
        pytest.param(
            _deployment({"template": {"spec": {"tolerations": [{"key": "a"}]}}}),
            _deployment({"template": {"spec": {"tolerations": [{"key": "a", "effect": "NoExecute"}]}}}),
            [("spec.template.spec.tolerations[0].effect", "NoExecute", None)],
            id="an extra field in an atomic list",
        ),
        pytest.param(
            _deployment({"template": {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}}),
            _deployment({"template": {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}}}),
            [("spec.template.spec.volumes[name=v].emptyDir", None, {})],
            id="an empty map that means something",
        ),
        pytest.param(
            {"kind": "X", "metadata": {"labels": {"app.example/name": "a", "ok": "a"}}},
            {"kind": "X", "metadata": {"labels": {"app.example/name": "b", "ok": "b"}}},
            [("metadata.labels[app.example/name]", "b", "a"), ("metadata.labels.ok", "b", "a")],
            id="names with dots are bracketed",
        ),
        pytest.param(
            {"kind": "X", "metadata": {"labels": {"a\x1b[2J": "a"}}},
            {"kind": "X", "metadata": {}},
            [("metadata.labels", None, {"a\x1b[2J": "a"})],
            id="a whole map that is missing",
        ),
        pytest.param(
            _container(ports=[{"containerPort": 1}, {"containerPort": 1}]),
            _container(ports=[]),
            [(f"{_CONTAINER}.ports", [], [{"containerPort": 1}, {"containerPort": 1}])],
            id="doubled keys are compared as they stand",
        ),
    ],
)
def test_differences(wanted: JsonObject, live: JsonObject, expected: list[tuple[str, Any, Any]]) -> None:
    """Each field that an apply of `wanted` would change, with what stands there and what would."""
    assert differences(wanted, live) == tuple(FieldChange(*change) for change in expected)


def test_a_key_from_a_cluster_never_reaches_the_terminal_raw() -> None:
    """Control characters in names are replaced in paths."""
    changes = changed_fields({"kind": "X", "data": {"a\x1b[2J": "1"}}, {"kind": "X", "data": {"a\x1b[2J": "2"}})
    assert "\x1b" not in changes[0].path


@pytest.mark.parametrize("compare", [differences, changed_fields])
def test_values_of_secrets_never_come_out(compare: Any) -> None:
    """Neither the data nor what kubectl keeps of it in an annotation."""
    last_applied = "kubectl.kubernetes.io/last-applied-configuration"

    def secret(value: str) -> JsonObject:
        metadata = {"name": "s", "annotations": {last_applied: f'{{"data": "{value}"}}'}}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"password": value}}

    changes = compare(secret("c2VjcmV0MQ=="), secret("c2VjcmV0Mg=="))
    assert [(change.before, change.after) for change in changes] == [(MASKED, MASKED)] * 2
    assert "secret1" not in repr(changes)
    added = compare({**secret("YQ=="), "data": {"a": "YQ=="}}, {**secret("YQ=="), "data": {}})
    assert {(change.before, change.after) for change in added} <= {(None, MASKED), (MASKED, None)}


def test_bookkeeping_is_no_change() -> None:
    """Between a reading and a dry run, versions, managers, status and controllers' annotations change by themselves."""
    revision = "deployment.kubernetes.io/revision"
    live = {"metadata": {"resourceVersion": "1", "generation": 1, "annotations": {revision: "1"}}, "status": {"a": 1}}
    after = {"metadata": {"resourceVersion": "2", "managedFields": [], "annotations": {revision: "2"}}, "status": {}}
    assert changed_fields(live, after) == ()


def test_everything_else_is_a_change() -> None:
    """Added, removed and changed fields, by readable paths."""
    before = _container(image="a", env=[{"name": "A", "value": "1"}])
    after = _container(image="b", env=[{"name": "B", "value": "1"}])
    assert changed_fields(before, after) == (
        FieldChange(f"{_CONTAINER}.image", "a", "b"),
        FieldChange(f"{_CONTAINER}.env[name=A]", {"name": "A", "value": "1"}, None),
        FieldChange(f"{_CONTAINER}.env[name=B]", None, {"name": "B", "value": "1"}),
    )


def test_what_is_nested_too_deeply_differs() -> None:
    """A hostile object ends in a difference, not in a crash."""
    deep: Any = {}
    for _ in range(20_000):
        deep = {"a": deep}
    deeper = {"a": deep}
    changes = changed_fields({"kind": "X", "spec": deep}, {"kind": "X", "spec": deeper})
    assert [change.path for change in changes] == ["(nested too deeply)"]


_patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A machine that is busy is no reason to fail."""

_values = nested(
    st.booleans() | st.integers() | st.text(max_size=4), st.sampled_from(["a", "b", "env", "name"]), max_leaves=12
)
_objects = st.fixed_dictionaries(
    {"apiVersion": st.sampled_from(["apps/v1", "example.com/v1"]), "kind": st.just("Deployment"), "spec": _values}
)


@_patiently
@given(obj=_objects)
def test_nothing_differs_from_itself(obj: JsonObject) -> None:
    """Whatever the shape."""
    assert differences(obj, copy.deepcopy(obj)) == ()
    assert changed_fields(obj, copy.deepcopy(obj)) == ()


@_patiently
@given(wanted=_objects, live=_objects)
def test_no_changed_field_means_no_difference(wanted: JsonObject, live: JsonObject) -> None:
    """Two objects that are exactly equal cannot differ in a wanted field."""
    live = {**live, "apiVersion": wanted["apiVersion"]}
    if not changed_fields(live, wanted):
        assert differences(wanted, live) == ()
