"""A broken kubeconfig file is an error of the file, a broken context is its own; never a crash, never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.delivery.kubeconfig import load_kubeconfig
from orchestrator.errors import DocumentError, Unreachable
from tests.unit.delivery.kubeconfigs import document, load


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


def test_alias_bomb_costs_nothing(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    assert load(tmp_path, "\n".join(lines)).contexts() == ()


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
