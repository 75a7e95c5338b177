"""Documents and scopes → wishes: what belongs to a cluster, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.model import Model, Override, Probe
from orchestrator.core.scope import Scope
from orchestrator.core.verdict import Want
from orchestrator.documents.examples import examples_folder
from orchestrator.workflow.requests import Asking, Command, overrides_in, probes_of, request_for_command
from orchestrator.workflow.session import load_workspace

FLEET = Fleet(
    name="test",
    clusters=(
        Cluster(name="dublin", region="eu-west", country="IE"),
        Cluster(name="nowhere", region="eu-west"),
        Cluster(name="oslo", region="eu-north", country="NO"),
    ),
)
IN_EU = Scope(in_=("EU",))


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    return Asking(workspace=load_workspace(tmp_path), fleet=FLEET)


@pytest.mark.parametrize(
    ("cluster", "want", "is_asked"),
    [
        ("dublin", Want.ENABLED, True),
        ("dublin", Want.DISABLED, True),
        ("oslo", Want.ENABLED, False),
        ("oslo", Want.DISABLED, False),
        ("nowhere", Want.ENABLED, False),
        ("nowhere", Want.DISABLED, True),
    ],
)
def test_a_probe_concerns_the_clusters_of_its_scope(asking: Asking, cluster: str, want: Want, is_asked: bool) -> None:
    """Where geography is in doubt, nothing is called off without asking; an endpoint elsewhere proves no health."""
    model = Model(name="fable-5", probes=(Probe(url="https://eu.models.example", scope=IN_EU),))
    assert bool(probes_of(asking, model, cluster, want)) is is_asked


def test_a_probe_without_a_scope_concerns_every_cluster(asking: Asking) -> None:
    model = Model(name="fable-5", probes=(Probe(url="https://models.example"),))
    assert probes_of(asking, model, "oslo", Want.ENABLED) == model.probes


def test_an_override_for_regions_of_another_fleet_is_no_error(asking: Asking) -> None:
    """One model document serves several fleets."""
    model = Model(
        name="fable-5",
        overrides=(
            Override(scope=Scope(regions=("ap-northeast",)), replicas=9),
            Override(scope=IN_EU, replicas=3),
            Override(scope=Scope(all=True), profile="restricted"),
        ),
    )
    assert overrides_in(asking, model, "dublin") == model.overrides[1:]
    assert overrides_in(asking, model, "oslo") == model.overrides[2:]


def test_a_model_that_is_named_twice_is_switched_once() -> None:
    """Two items would work on the same objects at the same time, under one lock."""
    asking = Asking(workspace=load_workspace(examples_folder()), fleet=FLEET)
    command = Command(models=("fable-5", "fable-5"), scope=Scope(all=True), want=Want.DISABLED)
    (wave,) = request_for_command(asking, command).waves
    assert [wish.cluster.name for wish in wave.wishes] == ["dublin", "nowhere", "oslo"]
