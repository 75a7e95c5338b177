"""The way back as a plan: which waves, which replicas, what stays off, and what is short of room."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.core.holds import Hold, Lift, RestoreRecord
from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.core.plan import ItemPlan, Plan
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason, Want
from orchestrator.planning.restoring import Group, Kept, Lifting, Remains, plan_restore
from tests.unit.planning.samples import CLUSTERS, DEPLOYMENT, FLEET, HPA, MANIFESTS, MODEL

DIGEST = "d" * 64
LIFT = Lift(digest=DIGEST, order="directive", reference="no. 17", actor="")
LIFTING = Lifting(lift=LIFT, models=(MODEL.name,), fleet=FLEET, jitter=30.0)
RECORD = RestoreRecord(model=MODEL.name, ref=DEPLOYMENT, uid="u", before={"/spec/replicas": 5})
ENTRY = CatalogueEntry(
    model=MODEL.name,
    want=Want.ENABLED,
    revision="r1",
    objects=(("apps/v1", "Deployment", "fable", "server"),),
    replicas={str(DEPLOYMENT): 3},
)


def _live(replicas: int) -> JsonObject:
    (manifest,) = (one for one in MANIFESTS if one["kind"] == "Deployment")
    return {**manifest, "spec": {**manifest["spec"], "replicas": replicas}}


def _snapshot(
    number: int, *, entry: CatalogueEntry | None = ENTRY, replicas: int = 0, **changed: Any
) -> ClusterSnapshot:
    return ClusterSnapshot(
        cluster=CLUSTERS[number],
        holds=(Hold(name="directive", model=MODEL.name, digest=DIGEST),),
        entries={MODEL.name: entry} if entry else {},
        live={DEPLOYMENT: _live(replicas)},
        **changed,
    )


def _plan(
    lifting: Lifting = LIFTING, *snapshots: ClusterSnapshot, shortages: tuple[Reason, ...] = (), **kept: Any
) -> Plan:
    looked = snapshots or tuple(_snapshot(number) for number in range(3))
    known = {"model": MODEL, "records": (RECORD,), **kept}
    remains = {one.cluster.name: Remains(models={MODEL.name: Kept(**known)}, shortages=shortages) for one in looked}
    away = {
        one.name: ClusterSnapshot(cluster=one, failure=Reason(code="timeout", message="no answer")) for one in CLUSTERS
    }
    return plan_restore(lifting, {**away, **{one.cluster.name: one for one in looked}}, remains)


def _only(plan: Plan, cluster: str = "eu-1") -> ItemPlan:
    (item,) = (
        item for wave in plan.waves for part in wave.clusters for item in part.items if part.cluster.name == cluster
    )
    return item


def test_each_cluster_comes_back_in_the_first_wave_that_holds_it_and_the_rest_last() -> None:
    groups = (
        Group(name="canary", clusters=frozenset({"us-1"}), soak=60.0),
        Group(name="america", clusters=frozenset({"us-1"})),
        Group(name="asia", clusters=frozenset({"ap-1", "us-1"})),
    )
    plan = _plan(replace(LIFTING, groups=groups))
    found = [(wave.step, [part.cluster.name for part in wave.clusters], wave.soak, wave.jitter) for wave in plan.waves]
    assert found == [("canary", ["us-1"], 60.0, 30.0), ("asia", ["ap-1"], 0.0, 30.0), ("rest", ["eu-1"], 0.0, 30.0)]


def test_the_record_counts_and_not_what_the_catalogue_wished() -> None:
    """Five replicas ran when it was taken down, although three were wanted."""
    item = _only(_plan())
    assert item.subject.want is Want.ENABLED
    assert item.subject.expectations[0].wanted.replicas == 5
    (change,) = item.changes
    assert (change.ref, change.replicas) == (DEPLOYMENT, 5)
    assert item.restoration is not None
    assert item.restoration.records == (RECORD,)


def test_an_autoscalers_number_is_only_where_it_starts() -> None:
    """Also where the autoscaler had to be deleted and is made again."""
    item = _only(_plan(LIFTING, _snapshot(0, scalers=(HPA,))))
    assert item.subject.expectations[0].wanted.replicas is None
    ref = ObjectRef("autoscaling/v2", "HorizontalPodAutoscaler", "fable", "server")
    scaler = RestoreRecord(model=MODEL.name, ref=ref, uid="u", before={}, whole=HPA)
    item = _only(_plan(records=(RECORD, scaler)))
    assert item.subject.expectations[0].wanted.replicas is None


def test_what_was_off_before_stays_off() -> None:
    """Zero on record, or off by the catalogue: it is given back as it was, which is off."""
    nothing = replace(RECORD, before={"/spec/replicas": 0})
    assert _only(_plan(records=(nothing,))).subject.want is Want.DISABLED
    off = replace(ENTRY, want=Want.DISABLED)
    item = _only(_plan(LIFTING, _snapshot(0, entry=off), records=()))
    assert item.subject.want is Want.DISABLED
    assert item.doubts == ()


def test_a_model_that_should_be_on_and_has_no_record_is_in_doubt() -> None:
    item = _only(_plan(records=()))
    assert item.subject.want is Want.DISABLED
    assert [reason.code for reason in item.doubts] == ["no-record"]


def test_without_a_catalogue_the_records_tell_what_there_was() -> None:
    item = _only(_plan(LIFTING, _snapshot(0, entry=None)))
    assert [(one.ref, one.wanted.replicas) for one in item.subject.expectations] == [(DEPLOYMENT, 5)]
    assert item.subject.namespaces == ("fable",)


def test_under_another_hold_nothing_is_brought_up_and_no_room_is_asked_for() -> None:
    """Only the lifted order's own hold goes, however many others are lifted elsewhere."""
    holds = tuple(Hold(name=name, model=MODEL.name, digest=digit * 64) for name, digit in (("a", "d"), ("b", "e")))
    snapshot = replace(_snapshot(0), holds=holds, lifted=frozenset({"d" * 64, "e" * 64}))
    short = (Reason(code="capacity", message="short", object=str(DEPLOYMENT)),)
    item = _only(_plan(LIFTING, snapshot, shortages=short, held_by=("other",)))
    assert (item.held_by, item.changes, item.refusals) == (("other",), (), ())
    assert item.restoration is not None
    assert [hold.name for hold in item.restoration.holds] == ["a"]
    free = _only(_plan(LIFTING, snapshot))
    assert free.restoration is not None
    assert [hold.name for hold in free.restoration.holds] == ["a", "b"]


def test_a_shortage_refuses_its_item_unless_it_is_ignored_on_record() -> None:
    short = (Reason(code="capacity", message="short by 2 cpu", object=str(DEPLOYMENT)),)
    assert _only(_plan(shortages=short)).refusals == short
    ignoring = _plan(replace(LIFTING, ignore_capacity=True), shortages=short)
    assert _only(ignoring).refusals == ()
    assert {(one.code, "short by 2 cpu" in one.message) for one in ignoring.overridden} == {("capacity-ignored", True)}
    elsewhere = (Reason(code="capacity", message="short", object="apps/Deployment other/one"),)
    assert _only(_plan(shortages=elsewhere)).refusals == ()


def test_every_reachable_cluster_gets_the_lift_and_one_that_owes_is_named() -> None:
    """A cluster with nothing to bring back is in the plan, too; one out of reach counts where it is concerned."""
    plan = _plan(LIFTING, _snapshot(0))
    assert plan.lift == LIFT
    assert [cluster.name for wave in plan.waves for cluster, _ in wave.unreachable] == ["us-1", "ap-1"]
    plan = _plan(replace(LIFTING, concerned=frozenset({"eu-1", "ap-1"})), _snapshot(0))
    assert [cluster.name for wave in plan.waves for cluster, _ in wave.unreachable] == ["ap-1"]
    assert any("us-1" in words for wave in plan.waves for words in wave.words)
    empty = plan_restore(LIFTING, {one.name: ClusterSnapshot(cluster=one) for one in CLUSTERS}, {})
    assert [len(wave.clusters) for wave in empty.waves] == [3]


def test_a_wave_that_holds_no_cluster_is_told_of_first() -> None:
    """From a bare laptop contexts stand for clusters: nobody comes back as a canary, and that is said."""
    canary = Group(name="canary", clusters=frozenset())
    plan = _plan(replace(LIFTING, groups=(canary,)))
    assert "in the order's wave canary" in plan.waves[0].words[0]
    assert not any("wave canary" in words for wave in _plan().waves for words in wave.words)
