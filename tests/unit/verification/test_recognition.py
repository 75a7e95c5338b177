"""How a pod is recognised, and how images and weights are compared."""

from __future__ import annotations

import pytest

from orchestrator.core.model import Match
from orchestrator.core.objects import JsonObject
from orchestrator.verification.recognition import fits, repository_of


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("registry.example/fable", "registry.example/fable"),
        ("registry.example/fable:1.2", "registry.example/fable"),
        ("registry.example/fable@sha256:00ff", "registry.example/fable"),
        ("registry.example/fable:1.2@sha256:00ff", "registry.example/fable"),
        ("registry.example:5000/team/fable:1", "registry.example:5000/team/fable"),
        ("localhost/fable", "localhost/fable"),
        ("team/fable:1", "docker.io/team/fable"),
        ("fable:1", "docker.io/library/fable"),
        ("docker.io/library/fable", "docker.io/library/fable"),
    ],
)
def test_images_are_compared_without_tag_or_digest(image: str, repository: str) -> None:
    """A port is no tag, and a name without registry means the one that container runtimes take it for."""
    assert repository_of(image) == repository


def _pod(**container: object) -> JsonObject:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", **container}]}}


@pytest.mark.parametrize(
    ("match", "pod", "expected"),
    [
        (Match(), _pod(image="registry.example/fable"), False),
        (Match(images=("registry.example/fable:1",)), _pod(image="registry.example/fable:2"), True),
        (Match(images=("registry.example/fable",)), _pod(image="registry.example/fable-tools:2"), False),
        (Match(images=("fable",)), _pod(image="docker.io/library/fable:2"), True),
        (Match(weights=("s3://w/fable",)), _pod(command=["serve", "--from", "s3://w/fable"]), True),
        (Match(weights=("s3://w/fable",)), _pod(args=["--from=s3://w/fable-5/shards"]), True),
        (Match(weights=("s3://w/fable",)), _pod(args=["--from=s3://w/mythos"]), False),
        (Match(weights=("s3://w/fable",)), _pod(env=[{"name": "W", "valueFrom": {}}]), False),
        (Match(labels={"a": "b", "c": "d"}), {"metadata": {"labels": {"a": "b"}}}, False),
        (Match(labels={"a": "b"}), {"metadata": {"labels": {"a": "b", "c": "d"}}}, True),
    ],
)
def test_any_one_sign_suffices(match: Match, pod: JsonObject, expected: bool) -> None:
    """Labels must all be there; weights may be part of a longer text; an image's repository must be the same."""
    assert fits(match, pod) is expected
