"""What `status` and `verify` say: never that all is well where a model, a cluster or a record is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.kind import Wanted
from orchestrator.core.model import Model
from orchestrator.core.objects import ANNOTATION_REVISION, LABEL_MODEL, JsonObject, ObjectRef
from orchestrator.core.observation import Expectation, Subject
from orchestrator.core.plan import ClusterPlan, ItemPlan, Plan, WavePlan
from orchestrator.core.records import HOLD, CatalogueEntry, pack_manifests, record
from orchestrator.core.result import StatusDocument
from orchestrator.core.verdict import Verdict, Want
from orchestrator.errors import Unreachable, UsageError
from orchestrator.workflow.judging import take_status, verify_plan
from orchestrator.workflow.session import Session, load_workspace
from tests.unit.verification.doubles import ManualClock, ToldCluster

MODEL = "fable-5"
REVISION = "r1"
OBJECTS = (("apps/v1", "Deployment", "serving", "fable"),)
ENTRY = CatalogueEntry(
    model=MODEL, want=Want.ENABLED, revision=REVISION, objects=OBJECTS, replicas={"apps/Deployment serving/fable": 1}
)
MANIFEST: JsonObject = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "fable",
        "namespace": "serving",
        "labels": {LABEL_MODEL: MODEL},
        "annotations": {ANNOTATION_REVISION: REVISION},
    },
    "spec": {"selector": {"matchLabels": {"app": "fable"}}, "template": {"metadata": {"labels": {"app": "fable"}}}},
}
KEPT = pack_manifests(MODEL, REVISION, (MANIFEST,))
HELD = record("ConfigMap", "directive", HOLD, MODEL, {"data": {}})


def running(replicas: int = 1) -> JsonObject:
    """The Deployment as a controller leaves it."""
    conditions = [
        {"type": "Available", "status": "True"},
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
    ]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
    return {
        **MANIFEST,
        "metadata": {**MANIFEST["metadata"], "generation": 1, "uid": "u1"},
        "spec": {**MANIFEST["spec"], "replicas": replicas},
        "status": {"observedGeneration": 1, "conditions": conditions, **counts},
    }


@dataclass
class Place:
    """A workspace without documents, and clusters that say what they are told."""

    clusters: dict[str, ToldCluster]
    session: Session

    def show(self, cluster: str, *objects: JsonObject) -> None:
        for obj in objects:
            self.clusters[cluster].show(obj)

    async def status(self, *models: str) -> StatusDocument:
        return await take_status(self.session, models, self.session.fleet.clusters)


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., Place]:
    def make(*names: str) -> Place:
        clusters = {name: ToldCluster() for name in names}
        for name, cluster in clusters.items():
            cluster.cluster = Cluster(name=name, region="here")
        connection = SimpleNamespace(writer=clusters.__getitem__, contexts_outside_fleet=list)
        fleet = Fleet(name="test", clusters=tuple(one.cluster for one in clusters.values()))
        session = Session(load_workspace(tmp_path), fleet, cast("Any", connection), ManualClock())
        return Place(clusters, session)

    return make


def held_plan(cluster: Cluster) -> Plan:
    """A plan that would enable the model here, were it not held."""
    subject = Subject(
        model=Model(name=MODEL),
        cluster=cluster.name,
        region=cluster.region,
        want=Want.ENABLED,
        expectations=(Expectation(ObjectRef(*OBJECTS[0]), MANIFEST, Wanted(replicas=1)),),
        namespaces=("serving",),
        revision=REVISION,
    )
    item = ItemPlan(step="s", subject=subject, entry=ENTRY, held_by=("directive",))
    parts = (ClusterPlan(cluster=cluster, items=(item,)),)
    wave = WavePlan(step="s", want=Want.ENABLED, words=(), clusters=parts, models=(MODEL,))
    return Plan(action="apply", name="p", fleet="test", models=(MODEL,), waves=(wave,))


def verdicts(document: StatusDocument) -> dict[tuple[str, str], Verdict]:
    return {(item.model, item.cluster): item.verdict for item in document.items}


def codes(document: StatusDocument) -> list[str]:
    return [reason.code for item in document.items for reason in item.reasons]


async def test_what_the_catalogue_wants_and_what_is_there_agree(place: Callable[..., Place]) -> None:
    here = place("a")
    here.show("a", ENTRY.to_config_map(), KEPT, running())
    document = await here.status()
    assert (verdicts(document), document.exit_code) == ({(MODEL, "a"): Verdict.VERIFIED}, 0)


async def test_a_name_that_nobody_knows_is_a_usage_error(place: Callable[..., Place]) -> None:
    """An empty table with exit code 0 would say that all is well with it."""
    with pytest.raises(UsageError, match="fable-6"):
        await place("a").status("fable-6")


async def test_a_model_that_only_one_cluster_knows_is_not_proven_elsewhere(place: Callable[..., Place]) -> None:
    here = place("a", "b")
    here.show("a", ENTRY.to_config_map(), KEPT, running())
    document = await here.status(MODEL)
    assert verdicts(document) == {(MODEL, "a"): Verdict.VERIFIED, (MODEL, "b"): Verdict.UNVERIFIED}


@pytest.mark.parametrize("known", [True, False])
async def test_a_cluster_out_of_reach_is_named_whoever_knows_its_models(
    place: Callable[..., Place], known: bool
) -> None:
    """A workspace may have no models at all: another cluster's catalogue may know them, or nobody."""
    here = place("a", "b")
    here.clusters["b"].errors["ConfigMap"] = Unreachable("no answer")
    if known:
        here.show("a", ENTRY.to_config_map(), KEPT, running())
    document = await here.status()
    assert verdicts(document)[MODEL if known else "*", "b"] is Verdict.UNREACHABLE
    assert document.exit_code == 3


@pytest.mark.parametrize("kept", [None, {**KEPT, "data": {"gz": "AAAA"}}, pack_manifests(MODEL, REVISION, ())])
async def test_without_the_manifests_nothing_enabled_is_verified(
    place: Callable[..., Place], kept: JsonObject | None
) -> None:
    """A damaged Secret in one cluster must neither hide drift nor end the whole command."""
    here = place("a")
    here.show("a", ENTRY.to_config_map(), running(), *([kept] if kept else []))
    document = await here.status()
    assert verdicts(document) == {(MODEL, "a"): Verdict.UNVERIFIED}
    assert codes(document) == ["manifests-lost"]


@pytest.mark.parametrize(("replicas", "verdict"), [(1, Verdict.RESIDUE), (0, Verdict.HELD)])
async def test_status_calls_nothing_verified_that_runs_under_a_hold(
    place: Callable[..., Place], replicas: int, verdict: Verdict
) -> None:
    here = place("a")
    here.show("a", ENTRY.to_config_map(), KEPT, HELD, running(replicas))
    document = await here.status()
    assert verdicts(document) == {(MODEL, "a"): verdict}
    assert document.items[0].holds == ("directive",)


@pytest.mark.parametrize(("replicas", "verdict"), [(1, Verdict.RESIDUE), (0, Verdict.HELD)])
async def test_verify_calls_nothing_verified_that_runs_under_a_hold(
    place: Callable[..., Place], replicas: int, verdict: Verdict
) -> None:
    here = place("a")
    here.show("a", HELD, running(replicas))
    document = await verify_plan(here.session, held_plan(here.clusters["a"].cluster))
    assert verdicts(document) == {(MODEL, "a"): verdict}
