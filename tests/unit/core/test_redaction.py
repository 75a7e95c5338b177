"""Redaction: no secret stays in what is kept, whatever shape it comes in, and what is no secret stays as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.redaction import keyed_digest, redact
from tests.unit.nesting import nested

HIDE = keyed_digest(b"k" * 32)
SECRET = "Xq9-very-private-value"
COPY = "kubectl.kubernetes.io/last-applied-configuration"

json_values = nested(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    st.text(max_size=12),
    most=4,
    max_leaves=20,
)
"""Any JSON at all."""

telling_names = st.sampled_from(
    ["env", "data", "value", "token", "client-key-data", "password", "kind", "name", "path", "items", "metadata", COPY]
)
loaded_values = nested(
    st.sampled_from([SECRET, "Secret", "SecretList", f"A={SECRET}", f"--token={SECRET}", f'{{"token":"{SECRET}"}}', 7]),
    telling_names,
    most=5,
    max_leaves=25,
)
"""JSON full of the names and words on which redaction acts."""


def deployment(**environment: Any) -> dict[str, Any]:
    container = {
        "name": "server",
        "image": "registry.example/fable:3",
        "args": ["--model", "s3://m/fable-5"],
        **environment,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "fable", "annotations": {"team": "serving"}},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [container]}}},
    }


def kept(value: Any) -> str:
    """What is kept of a value, as text."""
    return json.dumps(redact(value, HIDE))


HIDING_PLACES: dict[str, Any] = {
    "data of a Secret": {"kind": "Secret", "data": {"password": SECRET}},
    "stringData of a Secret": {"kind": "Secret", "stringData": {"password": SECRET}},
    "data of a Secret that is no mapping": {"kind": "Secret", "data": SECRET},
    "a list answer, whose entries carry no kind": {"kind": "SecretList", "items": [{"data": {"a": SECRET}}]},
    "a Secret within a List": {"kind": "List", "items": [{"kind": "Secret", "data": {"a": SECRET}}]},
    "a Secret within an event": {"before": {"kind": "Secret", "data": {"a": SECRET}}},
    "the value of an environment variable": deployment(env=[{"name": "HARMLESS", "value": SECRET}]),
    "one of an init container": {"initContainers": [{"env": [{"name": "A", "value": SECRET}]}]},
    "an environment as a mapping, as custom resources have it": {"spec": {"env": {"HARMLESS": SECRET}}},
    "extraEnv of a chart's values": {"extraEnv": [{"name": "A", "value": SECRET}]},
    "envVars of a chart's values": {"envVars": {"A": SECRET}},
    "an environment as words": {"env": [f"A={SECRET}"]},
    "kubectl's copy of an object": {"metadata": {"annotations": {COPY: json.dumps({"a": SECRET})}}},
    "a token in a kubeconfig": {"users": [{"user": {"token": SECRET}}]},
    "a client key in a kubeconfig": {"users": [{"user": {"client-key-data": SECRET}}]},
    "a password by name": {"spec": {"dbPassword": SECRET}},
    "an API key by name": {"spec": {"api_key": SECRET}},
    "an Authorization header": {"headers": {"Authorization": SECRET}},
    "a header as name and value": {"httpHeaders": [{"name": "Authorization", "value": SECRET}]},
    "several tokens": {"tokens": [SECRET, SECRET]},
    "a step of a JSON patch into an environment": {
        "op": "replace", "path": "/spec/template/spec/containers/0/env/0/value", "value": SECRET,
    },
    "a step of a JSON patch into a Secret": {"op": "add", "path": "/data/password", "value": SECRET},
    "before and after of a field": {"pointer": "/spec/token", "before": SECRET, "after": SECRET},
    "a patch of kubectl's copy": {
        "op": "add", "path": "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration", "value": SECRET,
    },
    "a flag and its value apart": {"args": ["--api-token", SECRET]},
    "a flag and its value together": {"args": [f"--hf-token={SECRET}"]},
    "a URL with a password": {"url": f"https://user:{SECRET}@registry.example/x"},
    "a bearer token in a message": {"message": f"401 for Authorization: Bearer {SECRET}"},
    "a query parameter in a message": {"message": f"GET https://x.example/?access_token={SECRET}&a=1 failed"},
    "a document within a text": {"message": json.dumps({"kind": "Secret", "data": {"a": SECRET}})},
    "a document within a text with a name twice": {"message": f'{{"token":"{SECRET}","token":"b"}}'},
    "a JSON fragment in a message": {"message": f'invalid: {{"password": "{SECRET}"'},
}  # fmt: skip


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_no_secret_stays(place: str) -> None:
    """A secret is gone from every place in which Kubernetes objects, kubeconfigs and messages carry one."""
    assert SECRET in json.dumps(HIDING_PLACES[place])
    assert SECRET not in kept(HIDING_PLACES[place])


@pytest.mark.parametrize(
    "credential",
    [
        "eyJhbGciOiJSUzI1NiIs.eyJpc3MiOiJrdWJlcm5ldGVz.c2lnbmF0dXJl",
        "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIn8\n-----END EC PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMHcCAQEEIIn8 cut off",
        "hf_" + "a1B2" * 8,
        "ghp_" + "a1B2" * 9,
    ],
)
def test_credentials_of_known_form_go_from_any_text(credential: str) -> None:
    """Tokens and private keys that can be told by their form are hidden also where no name gives them away."""
    text = f"the server said: {credential}"
    found = redact({"note": text}, HIDE)["note"]
    assert credential not in found
    assert found.startswith("the server said: hmac-sha256:")


def test_what_is_no_secret_stays_as_it_was() -> None:
    """Names, images, arguments, annotations, references to Secrets, numbers and times are evidence, and are kept."""
    harmless = {
        **deployment(
            env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}}],
            envFrom=[{"secretRef": {"name": "keys"}}],
        ),
        "imagePullSecrets": [{"name": "registry"}],
        "volumes": [{"name": "v", "secret": {"secretName": "keys"}}],
        "at": "2026-11-23T20:45:00+00:00",
        "resourceVersion": "4711",
        "uid": "0d1c2f1e-0000-4000-8000-000000000001",
        "ready": True,
        "nothing": None,
        "words": "nationality: all but US, and no location can tell it",
    }
    assert redact(harmless, HIDE) == harmless


def test_data_of_a_config_map_stays() -> None:
    """Only Secrets have content that is secret by kind."""
    config_map = {"kind": "ConfigMap", "data": {"hold": "directive-2026-06-12"}}
    assert redact(config_map, HIDE) == config_map


def test_the_names_of_what_is_hidden_stay() -> None:
    """Which keys a Secret has, and which variables a container, is no secret."""
    found = redact({"kind": "Secret", "data": {"a": "x", "b": "y"}}, HIDE)
    assert list(found["data"]) == ["a", "b"]
    container = redact(deployment(env=[{"name": "A", "value": "x"}]), HIDE)["spec"]["template"]["spec"]["containers"][0]
    assert container["env"][0]["name"] == "A"


def test_equal_secrets_can_be_seen_to_be_equal_under_one_key_only() -> None:
    """ "Unchanged" can be said of a secret; between runs, which have other keys, nothing can be compared."""
    values = ("a", "a", "b")
    one, same, other = (redact({"token": value}, HIDE)["token"] for value in values)
    assert one == same
    assert one != other
    assert redact({"token": "a"}, keyed_digest(b"another key"))["token"] != one


def test_an_empty_secret_and_an_absent_one_differ() -> None:
    """None says that there is no value, which is no secret."""
    found = redact({"kind": "Secret", "data": {"empty": "", "absent": None}}, HIDE)["data"]
    assert found["absent"] is None
    assert found["empty"].startswith("hmac-sha256:")


def test_hostile_depth_is_cut_never_raised() -> None:
    """A document nested deeper than any object is shortened, also where it is hidden or embedded in a text."""
    deep: Any = SECRET
    for _ in range(5000):
        deep = [deep]
    assert SECRET not in kept({"a": deep})
    assert SECRET not in kept({"kind": "Secret", "data": deep})
    assert SECRET not in kept({"a": '{"token":' * 3000 + f'"{SECRET}"' + "}" * 3000})


@given(json_values)
@settings(deadline=None, max_examples=300)
def test_any_json_is_redacted_to_json(value: Any) -> None:
    """It is total: whatever JSON comes in, JSON goes out, and what came in is not changed."""
    before = json.dumps(value)
    json.dumps(redact(value, HIDE))
    assert json.dumps(value) == before


@given(loaded_values)
@settings(deadline=None, max_examples=500)
def test_doing_it_twice_changes_nothing(value: Any) -> None:
    """What the journal's writer redacted may be redacted once more at export, and stays comparable."""
    once = redact(value, HIDE)
    assert redact(once, HIDE) == once


@given(content=st.dictionaries(st.text(max_size=8), loaded_values, max_size=4))
@settings(deadline=None, max_examples=300)
def test_nothing_of_a_secrets_content_stays(content: dict[str, Any]) -> None:
    """However a Secret's content is shaped, no value of it survives."""
    for field in ("data", "stringData"):
        assert SECRET not in kept({"apiVersion": "v1", "kind": "Secret", field: content})


@given(
    name=st.sampled_from(["A", "PATH", "HARMLESS", "value"]),
    value=st.text(min_size=6, max_size=30).filter(lambda text: text not in "hmac-sha256: name env value A"),
)
@settings(deadline=None, max_examples=200)
def test_no_value_of_a_variable_stays_whatever_it_looks_like(name: str, value: str) -> None:
    """The value of an environment variable is hidden because of where it stands, not of its form."""
    found = redact(deployment(env=[{"name": name, "value": value}]), HIDE)
    hidden = found["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]
    assert hidden == HIDE(value)
