"""Imported clusters get names that are DNS labels, each once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.documents.names import is_dns_label
from orchestrator.workflow.fleet_names import cluster_names, dns_label


@pytest.mark.parametrize(
    ("context", "name"),
    [
        ("arn:aws:eks:eu-west-1:123:cluster/models", "models"),
        ("gke_project_europe-west1_models", "gke-project-europe-west1-models"),
        ("kind-local", "kind-local"),
        ("admin@prod", "prod"),
        ("../../etc/passwd", "passwd"),
        ("a/", "a"),
        ("---", "cluster"),
        ("", "cluster"),
        ("Ünï", "n"),
        ("x" * 62 + "-y", "x" * 62),
    ],
)
def test_a_context_becomes_a_dns_label(context: str, name: str) -> None:
    assert dns_label(context) == name


def test_names_that_would_be_alike_are_numbered_past_those_that_are_taken() -> None:
    """A number that another context has as its own name is skipped as well."""
    found = cluster_names(["a-2", "A", "a", "prod/a"], taken=["a-3"])
    assert found == {"a-2": "a-2", "A": "a", "a": "a-4", "prod/a": "a-5"}


@given(st.lists(st.text(max_size=80), unique=True, max_size=12), st.lists(st.text(max_size=70), max_size=5))
def test_every_name_is_a_label_and_none_comes_twice(contexts: list[str], taken: list[str]) -> None:
    found = cluster_names(contexts, taken)
    assert list(found) == contexts
    assert all(is_dns_label(name) for name in found.values())
    assert len({*found.values()} | {*taken}) == len(found) + len(set(taken))
