"""Nothing secret survives redaction, and everything else does."""

from __future__ import annotations

import json
import string
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.redaction import keyed_digest, redact
from tests.unit.nesting import nested

KEY = bytes(range(32))
SECRET = "s3cr3t-Value"  # what no kept text may contain


def kept(value: Any) -> Any:
    return redact(value, keyed_digest(KEY))


def hidden(text: str) -> str:
    return keyed_digest(KEY)(text)


def test_equal_secrets_are_equal_under_one_key_and_different_under_another() -> None:
    one, same, other = kept({"token": "a"}), kept({"token": "a"}), kept({"token": "b"})
    assert one == same != other
    assert redact({"token": "a"}, keyed_digest(b"another key")) != one


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_a_secret_keeps_its_names_and_loses_its_content(field: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "a"}, field: {"x": SECRET}}
    assert kept(secret) == {**secret, field: {"x": hidden(SECRET)}}


def test_secrets_of_a_list_that_name_no_kind_lose_their_content() -> None:
    answer = {"kind": "SecretList", "items": [{"metadata": {"name": "a"}, "data": {"x": SECRET}}, SECRET]}
    assert kept(answer)["items"] == [{"metadata": {"name": "a"}, "data": {"x": hidden(SECRET)}}, hidden(SECRET)]


def test_a_config_map_keeps_its_data_but_for_what_its_names_call_secret() -> None:
    config = {"kind": "ConfigMap", "data": {"replicas": "3", "db.password": SECRET}}
    assert kept(config)["data"] == {"replicas": "3", "db.password": hidden(SECRET)}


def test_variables_keep_their_names_and_sources_and_lose_their_values() -> None:
    source = {"secretKeyRef": {"name": "creds", "key": "x"}}
    container = {
        "name": "server",
        "image": "registry.example/fable:1",
        "args": ["--model", "/weights"],
        "env": [{"name": "A", "value": SECRET}, {"name": "B", "valueFrom": source}, f"C={SECRET}", SECRET],
    }
    assert kept(container) == {
        **container,
        "env": [
            {"name": "A", "value": hidden(SECRET)},
            {"name": "B", "valueFrom": source},
            f"C={hidden(SECRET)}",
            hidden(SECRET),
        ],
    }


@pytest.mark.parametrize("name", ["env", "envs", "envVars", "env_vars", "extraEnv", "environment", "workerEnv"])
def test_variables_as_one_mapping_lose_their_values_too(name: str) -> None:
    assert kept({name: {"A": SECRET, "B": 4, "C": None}}) == {name: {"A": hidden(SECRET), "B": hidden("4"), "C": None}}


def test_a_label_that_is_called_env_stays() -> None:
    labels = {"metadata": {"labels": {"env": "production", "app": "fable"}}}
    assert kept(labels) == labels


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "id-token",
        "bearerToken",
        "HF_TOKEN",
        "password",
        "client-key-data",
        "clientKeyData",
        "tls.key",
        "apiKey",
        "X-Api-Key",
        "aws_secret_access_key",
        "privateKey",
        "Authorization",
        "Set-Cookie",
        "credentials",
    ],
)
def test_what_a_name_calls_secret_is_hidden(name: str) -> None:
    assert kept({name: SECRET}) == {name: hidden(SECRET)}
    assert kept({name: [SECRET]}) == {name: [hidden(SECRET)]}
    assert kept({"name": name, "value": SECRET})["value"] == hidden(SECRET)


@pytest.mark.parametrize(
    "value",
    [
        {"automountServiceAccountToken": True},
        {"maxTokens": 4096},
        {"secretName": "weights-credentials"},
        {"secretKeyRef": {"name": "creds", "key": "hf"}},
        {"volumes": [{"name": "a", "secret": {"secretName": "b", "defaultMode": 420}}]},
        {"imagePullSecrets": [{"name": "registry"}]},
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
        {"client-certificate-data": "LS0t"},
        {"metadata": {"annotations": {"example.com/weights": "s3://bucket/fable-5"}, "uid": "0d1c", "generation": 3}},
        {"command": ["serve", "--model", "s3://bucket/fable-5", "--max-tokens=4096", "--tokenizer", "fast"]},
        {"args": ["--max-tokens", "4096", "--max_tokens=1"], "maxTokens": "4096"},
        {"message": 'pods is forbidden: User "jo" cannot list resource "pods" in API group ""'},
        {"message": "the token of the service account has expired"},
        {"key": "https://bucket.example/path?part=1#top", "seconds": 4.25, "missing": None, "list": []},
    ],
    ids=lambda value: next(iter(value)),
)
def test_what_is_no_secret_stays_as_it_is(value: Any) -> None:
    assert kept(value) == value


def test_kubectls_copy_of_an_object_is_hidden_and_other_annotations_stay() -> None:
    name = "kubectl.kubernetes.io/last-applied-configuration"
    copy = json.dumps({"kind": "Secret", "data": {"x": SECRET}})
    found = kept({"metadata": {"annotations": {name: copy, "example.com/owner": "team-a"}}})
    assert found == {"metadata": {"annotations": {name: hidden(copy), "example.com/owner": "team-a"}}}


def test_a_copy_of_an_object_within_any_text_loses_its_secrets() -> None:
    copy = {"kind": "Secret", "metadata": {"name": "a"}, "data": {"x": SECRET}}
    found = kept({"example.com/original": " " + json.dumps(copy)})
    assert json.loads(found["example.com/original"]) == {**copy, "data": {"x": hidden(SECRET)}}


def test_a_name_said_twice_within_a_copy_hides_nothing_from_us() -> None:
    text = '{"a":"Bearer ' + SECRET + '","a":"1"}'
    assert SECRET not in kept({"copy": text})["copy"]


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"authorization: basic {SECRET}",
        f"--hf-token={SECRET}",
        f"HF_TOKEN={SECRET}; export HF_TOKEN",
        f"https://api.example/v1?api_key={SECRET}&page=2",
        f"https://jo:{SECRET}@registry.example/fable",
        f"https://:{SECRET}@registry.example/fable",
        f'the server said {{"access_token": "{SECRET}"}}',
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n",
        f"-----BEGIN EC PRIVATE KEY-----\n{SECRET} and no end",
    ],
)
def test_credentials_within_a_text_are_hidden_and_the_rest_stays(text: str) -> None:
    found = kept(text)
    assert SECRET not in found
    assert "hmac-sha256:" in found
    assert kept(["a", text])[1] == found


@pytest.mark.parametrize(
    "token",
    ["eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqbyJ9.c2lnbmF0dXJl", "hf_" + "aB3" * 10, "ghp_" + "aB3" * 12, "sk-" + "aB3" * 12],
)
def test_tokens_of_well_known_form_are_hidden_wherever_they_stand(token: str) -> None:
    assert token not in json.dumps(kept({"args": ["serve", token], "note": f"used {token}, it seems"}))


def test_the_word_after_a_flag_that_asks_for_a_secret_is_hidden() -> None:
    words = ["serve", "--hf-token", SECRET, "--password", "--verbose", "--api_key", SECRET]
    assert kept(words) == [
        "serve",
        "--hf-token",
        hidden(SECRET),
        "--password",
        "--verbose",
        "--api_key",
        hidden(SECRET),
    ]


@pytest.mark.parametrize(
    "place",
    [
        "/spec/template/spec/containers/0/env/0/value",
        "spec.template.spec.containers[name=server].env[name=A].value",
        "data.x",
        "/stringData/x",
        "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
        "/spec/auth/token",
    ],
)
def test_a_change_of_a_secret_field_says_that_it_changed_and_not_into_what(place: str) -> None:
    assert kept({"path": place, "before": SECRET, "after": "x"}) == {
        "path": place,
        "before": hidden(SECRET),
        "after": hidden("x"),
    }
    assert kept({"op": "replace", "path": place, "value": {"a": [SECRET]}})["value"] == {"a": [hidden(SECRET)]}
    assert kept({"pointer": place, "before": None})["before"] is None


def test_a_change_of_a_config_map_says_into_what_unless_its_name_calls_it_a_secret() -> None:
    change = {"kind": "ConfigMap", "path": "data.tools", "before": "off", "after": "on"}
    assert kept(change) == change
    for kind, place in (("Secret", "data.tools"), ("ConfigMap", "data.api-key")):
        assert kept({**change, "kind": kind, "path": place})["after"] == hidden("on")


def test_a_change_of_any_other_field_stays() -> None:
    change = {"path": "/spec/replicas", "before": 3, "after": 0}
    assert kept(change) == change


@pytest.mark.parametrize(
    "piece",
    [
        "eyJ-", "eyJabcdefgh.", "://", "://a:", "bearer ", "bearer    ", '"token":', '"token', "token=", "-----BEGIN ",
        "sk-", "hf_", '{"a":', "[", '"', "-----BEGIN PRIVATE KEY-----", "\\", "a", "--token=", "A=b ",
    ],
)  # fmt: skip
def test_hostile_text_costs_no_more_than_its_length(piece: str) -> None:
    """A server that wants a run to hang gets no pattern to do it with: cost grows with length, not its square."""

    def cost(length: int) -> float:
        text = piece * (length // len(piece))
        began = time.process_time()
        kept({"message": text, text: "x"})
        return time.process_time() - began

    assert cost(1_000_000) < 24 * max(cost(125_000), 0.02)


def test_what_is_nested_without_end_is_cut_off() -> None:
    value: Any = SECRET
    for _ in range(5000):
        value = [value]
    assert SECRET not in str(kept(value))
    secret: Any = {"kind": "Secret", "data": value}
    assert SECRET not in str(kept(secret))


NAMES = st.sampled_from(["kind", "data", "env", "token", "name", "value", "path", "items", "args", "x", "stringData"])
TEXTS = st.one_of(
    st.sampled_from(["Secret", "SecretList", "/data/x", "--token", "bearer ", "token=", '{"a":"token=b"}', "A=b"]),
    st.text(alphabet=string.ascii_letters + '=:/@ "{}[]-', max_size=30),
    st.text(max_size=10),
)
JSON = nested(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS),
    st.one_of(NAMES, TEXTS),
    most=4,
    max_leaves=20,
)


@settings(deadline=None)
@given(JSON)
def test_doing_it_twice_changes_nothing(value: Any) -> None:
    once = kept(value)
    assert kept(once) == once


@settings(deadline=None)
@given(JSON)
def test_what_is_kept_is_json(value: Any) -> None:
    assert json.loads(json.dumps(kept(value))) == kept(value)


def buried(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(JSON, max_size=2).flatmap(lambda before: inner.map(lambda one: [*before, one])),
        st.tuples(NAMES, inner, st.dictionaries(NAMES, JSON, max_size=3)).map(lambda got: {**got[2], got[0]: got[1]}),
        inner.map(json.dumps),
    )


SECRETS = st.sampled_from(
    [
        {"kind": "Secret", "data": {"x": SECRET}},
        {"kind": "Secret", "stringData": SECRET},
        {"kind": "SecretList", "items": [{"data": [SECRET]}]},
        {"env": [{"name": "A", "value": SECRET}]},
        {"env": {"A": SECRET}},
        {"users": [{"user": {"token": SECRET}}]},
        {"path": "/data/x", "value": SECRET},
        f"Bearer {SECRET}",
        ["--password", SECRET],
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.recursive(SECRETS, buried, max_leaves=6))
def test_a_secret_is_found_however_deep_it_is_buried(value: Any) -> None:
    """In objects, lists and texts that are documents themselves, beside anything else."""
    assert SECRET not in json.dumps(kept(value))
