"""How a pod is recognised, and how images and weights are compared."""

from __future__ import annotations

import itertools

import pytest

from orchestrator.core.model import Match
from orchestrator.core.objects import JsonObject
from orchestrator.verification.recognition import fits


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
        (Match(images=("registry.example/fable",)), _pod(image="REGISTRY.example:443/fable:2"), True),
        (Match(images=("docker.io/fable",)), _pod(image="registry-1.docker.io/library/fable:2"), True),
        (Match(labels={"a": "b", "c": "d"}), {"metadata": {"labels": {"a": "b"}}}, False),
        (Match(labels={"a": "b"}), {"metadata": {"labels": {"a": "b", "c": "d"}}}, True),
    ],
)
def test_any_one_sign_suffices(match: Match, pod: JsonObject, expected: bool) -> None:
    """Labels must all be there; weights may be part of a longer text; an image's repository must be the same."""
    assert fits(match, pod) is expected


@pytest.mark.parametrize(
    "container",
    [
        {"args": ["--from=$(BUCKET)/fable-5"], "env": [{"name": "BUCKET", "value": "s3://w"}]},
        {"args": ["$(ALL)"], "env": [{"name": "B", "value": "s3://w"}, {"name": "ALL", "value": "$(B)/fable-5"}]},
        {"lifecycle": {"postStart": {"exec": {"command": ["load", "s3://w/fable-5"]}}}},
        {"startupProbe": {"exec": {"command": ["sh", "-c", "load s3://w/fable-5"]}}},
        {"volumeMounts": [{"name": "weights", "mountPath": "/m", "subPath": "s3://w/fable-5"}]},
    ],
)
def test_weights_are_found_wherever_a_container_is_told_of_them(container: JsonObject) -> None:
    """Also where variables put an address together: the kubelet does so before the container starts."""
    assert fits(Match(weights=("s3://w/fable-5",)), _pod(**container))


def test_an_image_that_is_mounted_as_a_volume_is_an_image_of_the_pod() -> None:
    volume = {"name": "weights", "image": {"reference": "registry.example/fable:1"}}
    pod = {"metadata": {}, "spec": {"containers": [], "volumes": [volume]}}
    assert fits(Match(images=("registry.example/fable",)), pod)


def test_variables_that_grow_without_bounds_cost_no_memory() -> None:
    """Each is made of a hundred of the one before: only a hostile pod is written so."""
    names = [f"V{number}" for number in range(8)]
    env = [{"name": name, "value": f"$({before})" * 100} for before, name in itertools.pairwise(names)]
    pod = _pod(args=["$(V7)"], env=[{"name": "V0", "value": "x" * 100}, *env])
    assert not fits(Match(weights=("s3://w/fable-5",)), pod)
