"""What is read of a cluster, and that no filter can hide what should be gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core.objects import LABEL_MODEL
from orchestrator.core.observation import Expectation
from orchestrator.core.verdict import Want
from orchestrator.verification.needs import needs_of
from tests.unit.verification.waits import deployment, subject


def _kinds(want: Want) -> set[str]:
    return {need.kind for need in needs_of(subject(want))}


def test_on_needs_the_objects_and_their_pods() -> None:
    """Endpoints and scalers say nothing about health."""
    assert _kinds(Want.ENABLED) == {"Deployment", "Pod"}


def test_off_needs_endpoints_and_scalers_as_well() -> None:
    """Every kind of scaler that a file in `kinds/` describes."""
    assert _kinds(Want.DISABLED) == {
        "Deployment",
        "Pod",
        "EndpointSlice",
        "HorizontalPodAutoscaler",
        "ScaledObject",
    }


@pytest.mark.parametrize(("want", "labels"), [(Want.ENABLED, f"{LABEL_MODEL}=fable-5"), (Want.DISABLED, "")])
def test_a_label_that_somebody_took_off_hides_nothing_that_should_be_gone(want: Want, labels: str) -> None:
    """Only what we applied and want to be there is listed by our label."""
    manifest = deployment(0)
    manifest["metadata"]["labels"] = {LABEL_MODEL: "fable-5"}
    labelled = subject(want)
    labelled = replace(labelled, expectations=(Expectation(labelled.expectations[0].ref, manifest),))
    (need,) = [need for need in needs_of(labelled) if need.kind == "Deployment"]
    assert need.labels == labels


def test_pods_are_looked_for_wherever_something_is_expected() -> None:
    """Also where whoever made the subject forgot to name the namespace."""
    forgetful = replace(subject(Want.DISABLED), namespaces=("other",))
    assert {need.namespace for need in needs_of(forgetful) if need.kind == "Pod"} == {"ns", "other"}
