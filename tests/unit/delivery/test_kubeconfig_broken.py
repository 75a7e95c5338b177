"""A broken kubeconfig file is an error of the file, a broken context is its own; never a crash, never a secret."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.delivery import kubeconfig
from orchestrator.delivery.kubeconfig import load_kubeconfig
from orchestrator.errors import DocumentError, Unreachable
from tests.unit.delivery.kubeconfigs import document, load
from tests.unit.nesting import nested


def test_context_without_its_parts(tmp_path: Path) -> None:
    contexts = [
        {"name": "no cluster", "context": {"cluster": "gone", "user": "one"}},
        {"name": "no user", "context": {"cluster": "one", "user": "gone"}},
        {"name": "empty"},
        {"name": "good", "context": {"cluster": "one", "user": "one"}},
    ]
    config = load(tmp_path, {**document(), "contexts": contexts})
    for name in ("no cluster", "no user", "empty"):
        with pytest.raises(Unreachable) as caught:
            config.context(name)
        assert name in caught.value.message
        assert "0.yaml" in caught.value.message
    assert config.context("good").server.url


def test_name_twice_in_one_file_is_ambiguous(tmp_path: Path) -> None:
    twice = document()
    twice["users"] *= 2
    with pytest.raises(Unreachable, match="twice"):
        load(tmp_path, twice).context("one")


def test_unknown_context_is_named_harmlessly(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as caught:
        load(tmp_path, document()).context("evil\x1b]0;title")
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "- a list",
        "clusters: [{cluster: {}}]",
        "clusters: text",
        "a: !!python/object/apply:os.system ['true']",
        "[" * 100_000,
        "- " * 100_000,
        "\x00",
        "a: \ud800".encode("utf-16", "surrogatepass").decode("latin-1"),
    ],
    ids=["cut", "list", "no name", "no entries", "python tag", "deep flow", "deep block", "control", "bytes"],
)
def test_file_that_is_no_kubeconfig(tmp_path: Path, text: str) -> None:
    """It is an error of the file, naming it; never a crash."""
    path = tmp_path / "bad.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DocumentError) as caught:
        load_kubeconfig(path, {})
    assert caught.value.file == str(path)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))], "expand"),
        (["a0: &a0 {x: y}", *(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 60))], "expand"),
        (["a: &a [*a]"], "contains itself"),
        (["a: " + "[" * 65 + "]" * 65], "nested deeper than 64"),
    ],
    ids=["aliases", "merge keys", "itself", "depth"],
)
def test_a_page_that_means_gigabytes_is_refused_before_it_is_built(
    tmp_path: Path, lines: list[str], words: str
) -> None:
    """A merge key copies what it merges, and a plugin gets its configuration written out."""
    with pytest.raises(DocumentError, match=words):
        load(tmp_path, "\n".join(lines))


def test_a_few_aliases_are_fine(tmp_path: Path) -> None:
    text = "users: [{name: one, user: &u {token: a}}, {name: two, user: *u}]"
    assert load(tmp_path, text).contexts() == ()


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(33 * 1024 * 1024)
    with pytest.raises(DocumentError, match="larger"):
        load_kubeconfig(path, {})


def test_error_of_the_file_quotes_no_secret(tmp_path: Path) -> None:
    with pytest.raises(DocumentError) as caught:
        load(tmp_path, "users:\n- user: {token: s3cret\n  - x")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.line in (3, 4)


@pytest.mark.parametrize("name", ["\0", "x" * 300, "x/" * 3000])
def test_a_path_that_is_none_is_an_error_of_the_file(tmp_path: Path, name: str) -> None:
    """`KUBECONFIG` is the environment's word, and no more trusted than a file's."""
    with pytest.raises(DocumentError, match="cannot be read"):
        load_kubeconfig(tmp_path / name, {})


def test_a_kubeconfig_may_come_through_a_pipe(tmp_path: Path) -> None:
    """As a shell's `<(…)` hands it over."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "w") as pipe:
        pipe.write(yaml.safe_dump(document()))
        pipe.close()
        assert load_kubeconfig(Path(f"/proc/self/fd/{reading}"), {}).contexts() == ("one",)


def test_a_pipe_that_stays_silent_is_an_error_and_no_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubeconfig, "_PIPE_SECONDS", 0.2)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb"), pytest.raises(DocumentError, match="nothing more comes"):
        load_kubeconfig(Path(f"/proc/self/fd/{reading}"), {})


@pytest.mark.parametrize("key", ["certificate-authority", "client-certificate", "client-key"])
def test_a_pipe_or_device_in_place_of_a_certificate_blocks_nobody(tmp_path: Path, key: str) -> None:
    """Opening a named pipe waits for its other end, and a device has none: every other cluster would wait along."""
    os.mkfifo(tmp_path / "pipe")
    for path in ("pipe", "/dev/zero", "."):
        entry = "cluster" if key == "certificate-authority" else "user"
        changed = document()
        changed[f"{entry}s"][0][entry][key] = path
        with pytest.raises(Unreachable, match=f"`{key}` .* cannot be read"):
            load(tmp_path, changed).context("one")


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("10.0.0.1", "abc"),
        ("10.0.0.1", "99999999"),
        ("a b\n", "443"),
        ("x@y", "443"),
        ("[::1", "443"),
        ("h/\u202e", "1"),
    ],
)
def test_an_environment_that_makes_no_address_is_the_pods_own_error(tmp_path: Path, host: str, port: str) -> None:
    environ = {"HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    config = load_kubeconfig(None, environ)
    assert config.contexts() == (kubeconfig.IN_CLUSTER,)
    with pytest.raises(Unreachable) as caught:
        config.context(kubeconfig.IN_CLUSTER)
    assert caught.value.code == "context"
    assert caught.value.message.isprintable()


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400) | st.text(alphabet="{}[]:-&*<|>#!'\",\n \tabcn", max_size=80).map(str.encode))
def test_whatever_the_bytes_a_kubeconfig_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    """No bytes of a file are anything but contexts, or an error of that file."""
    path = tmp_path / "any.yaml"
    path.write_bytes(content)
    try:
        config = load_kubeconfig(path, {})
    except DocumentError as error:
        assert error.file == str(path)
        return
    for name in config.contexts():
        with contextlib.suppress(Unreachable):
            config.context(name)


_VALUES = nested(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20), st.text(max_size=10), max_leaves=6
)
_FIELDS = {
    "cluster": ["server", "certificate-authority-data", "tls-server-name", "proxy-url", "extensions"],
    "user": ["token", "tokenFile", "username", "as", "as-groups", "as-user-extra", "exec", "client-key-data"],
}


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), entry=st.sampled_from(sorted(_FIELDS)))
def test_whatever_a_field_holds_it_is_used_or_refused(tmp_path: Path, data: st.DataObject, entry: str) -> None:
    changed = document()
    changed[f"{entry}s"][0][entry][data.draw(st.sampled_from(_FIELDS[entry]))] = data.draw(_VALUES)
    with contextlib.suppress(DocumentError, Unreachable):
        load(tmp_path, changed).context("one")
