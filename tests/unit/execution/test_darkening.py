"""The order of things in a takedown: what fails is said, what can be done is done, and no cluster waits for another.

What the writes really do is tested on real control planes, in tests/cluster/execution.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from orchestrator.core.holds import Hold, Lift, RestoreRecord
from orchestrator.core.objects import JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.observation import Settled, Subject
from orchestrator.core.plan import ClusterPlan, Plan
from orchestrator.core.ports import ClusterWriter
from orchestrator.core.result import ResultItem
from orchestrator.core.takedown import Darkening, Guard, GuardProof, NeutralSurvey, Workload
from orchestrator.core.verdict import Judgement, Readiness, Reason, State, Verdict, Want
from orchestrator.errors import ClusterError, Forbidden, Unreachable
from orchestrator.execution import DarkPorts, Joining, RunOptions, RunOutcome, take_dark
from orchestrator.execution.darkness import dark_verdict
from tests.unit.execution.doubles import WORKLOAD, SilentProber, idle, item_of, locks_in, plan_of, wave_of
from tests.unit.execution.world import World, codes

DIGEST = "a" * 64
_API = "admissionregistration.k8s.io/v1"


@dataclass
class ToldProver:
    """Says of each guard what it is told."""

    proof: GuardProof = field(default_factory=lambda: GuardProof(status="proven", denied=("a pod by label",)))
    surveyed: list[str] = field(default_factory=list)

    async def survey(self, writer: ClusterWriter) -> NeutralSurvey:
        self.surveyed.append(writer.cluster.name)
        return NeutralSurvey(admitted=("a neutral pod",))

    def widen(self, guard: Guard, subject: Subject, workloads: Iterable[Workload]) -> Guard | Reason:
        return guard

    async def prove(
        self, writer: ClusterWriter, guard: Guard, subject: Subject, before: NeutralSurvey, *, deadline: float
    ) -> GuardProof:
        return self.proof


def guard() -> Guard:
    def obj(kind: str) -> JsonObject:
        return {"apiVersion": _API, "kind": kind, "metadata": {"name": "g"}, "spec": {}}

    policy, binding = obj("ValidatingAdmissionPolicy"), obj("ValidatingAdmissionPolicyBinding")
    return Guard(
        name="g", model="fable-5", order="directive", digest=DIGEST, policy=policy, binding=binding, marker="[g]"
    )


def darkening(**changed: Any) -> Darkening:
    record = RestoreRecord(model="fable-5", ref=WORKLOAD, uid="u", before={"/spec/replicas": 3})
    hold = Hold(name="directive", model="fable-5", digest=DIGEST)
    return Darkening(**{"hold": hold, "guard": guard(), "records": (record,), "soak": 1.0, **changed})


@dataclass
class DarkWorld(World):
    """Some clusters in memory, a model running in each."""

    prover: ToldProver = field(default_factory=ToldProver)

    def __post_init__(self) -> None:
        super().__post_init__()
        for cluster in self.clusters.values():
            cluster._store(WORKLOAD, _deployment(3))

    def dark_part(self, name: str, **changed: Any) -> ClusterPlan:
        cluster = self.clusters[name].cluster
        values = idle(want=Want.DISABLED, **{"darkening": darkening(), **changed})
        return ClusterPlan(cluster=cluster, items=(item_of(cluster, **values),))

    def plan(self, **changed: Any) -> Plan:
        parts = [self.dark_part(name, **changed) for name in self.clusters]
        return replace(plan_of(wave_of("takedown", *parts, want=Want.DISABLED)), action="takedown")

    async def take_dark(self, plan: Plan | None = None, late: Joining | None = None) -> RunOutcome:
        ports = DarkPorts(
            writers=self.clusters,
            verifier=self.verifier,
            prober=SilentProber(),
            checks={},
            journal=self.journal,
            clock=self.clock,
            tell=self.hear,
            guard_prover=self.prover,
            late=late,
        )
        options = RunOptions(run="R", holder="me run R", stop=self.stop, cluster_deadline=self.cluster_deadline)
        return await asyncio.wait_for(take_dark(plan or self.plan(), ports, options), 20)

    async def take_one_dark(self, plan: Plan | None = None) -> ResultItem:
        (item,) = (await self.take_dark(plan)).items
        return item

    def refuse(self, name: str, *, kind: str, verb: str | None = None, error: ClusterError | None = None) -> None:
        """Let a cluster refuse requests about a kind."""

        def failing(asked: str, ref: ObjectRef) -> ClusterError | None:
            is_meant = ref.kind == kind and (asked == verb if verb else asked not in ("get", "list"))
            return (error or Forbidden(f"not permitted: {asked} {kind}", status=403)) if is_meant else None

        self.clusters[name].failing = failing


def _deployment(replicas: int) -> JsonObject:
    metadata = {"name": WORKLOAD.name, "namespace": WORKLOAD.namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas}}


def replicas_in(world: DarkWorld, name: str) -> int:
    return int(dig(world.clusters[name].objects[WORKLOAD], "spec", "replicas"))


async def test_records_and_hold_are_kept_before_anything_is_changed() -> None:
    """And the neutral survey is made before the guard is bound: afterwards nobody could tell whose refusal it is."""
    world = DarkWorld("a")
    item = await world.take_one_dark()
    assert (item.verdict, item.guard, item.changed) == (Verdict.VERIFIED, "proven", True)
    writes = [write for write in world.clusters["a"].writes() if "Lease" not in write]
    kinds = [write.split()[1].rpartition("/")[2] for write in writes if not write.startswith("replace")]
    # A policy refuses nothing until it is bound.
    first_change = min(kinds.index("Deployment"), kinds.index("ValidatingAdmissionPolicyBinding"))
    assert set(kinds[:first_change]) == {"Secret", "ConfigMap", "ValidatingAdmissionPolicy"}
    assert kinds.index("ValidatingAdmissionPolicy") < kinds.index("ValidatingAdmissionPolicyBinding")
    assert world.prover.surveyed == ["a"]
    assert (replicas_in(world, "a"), locks_in(world.clusters["a"])) == (0, [])


async def test_a_dead_cluster_costs_the_others_nothing() -> None:
    world = DarkWorld("abc")
    world.clusters["b"].failing = lambda verb, ref: Unreachable("no answer")
    world.verifier.raises["b"] = Unreachable("no answer")
    outcome = await world.take_dark()
    assert [item.verdict for item in outcome.items] == [Verdict.VERIFIED, Verdict.UNREACHABLE, Verdict.VERIFIED]
    assert not outcome.interrupted


async def test_a_cluster_that_hangs_ends_at_its_deadline() -> None:
    world = DarkWorld("ab", cluster_deadline=3.0)

    async def hang(*arguments: Any, **options: Any) -> JsonObject:
        await asyncio.Event().wait()
        raise AssertionError

    world.clusters["b"].scale = hang  # type: ignore[method-assign]
    outcome = await world.take_dark()
    assert [item.verdict for item in outcome.items] == [Verdict.VERIFIED, Verdict.UNREACHABLE]
    assert "deadline" in codes(outcome.items[1])


@pytest.mark.parametrize(
    ("kind", "verdict", "code"),
    [
        ("Lease", Verdict.VERIFIED, "forbidden"),
        ("Secret", Verdict.VERIFIED, "forbidden"),
        ("ConfigMap", Verdict.UNVERIFIED, "hold-missing"),
        ("ValidatingAdmissionPolicy", Verdict.UNVERIFIED, "forbidden"),
        ("ValidatingAdmissionPolicyBinding", Verdict.UNVERIFIED, "forbidden"),
    ],
)
async def test_whatever_is_refused_the_model_is_stopped_and_the_refusal_named(
    kind: str, verdict: Verdict, code: str
) -> None:
    """No lock, record, hold or guard: each is a reason, and only what proves or keeps absence costs the verdict."""
    world = DarkWorld("a")
    world.refuse("a", kind=kind)
    item = await world.take_one_dark()
    assert replicas_in(world, "a") == 0
    assert (item.verdict, code in codes(item)) == (verdict, True), item.reasons
    assert any(kind in reason.message or kind in str(reason.object) for reason in item.reasons)


async def test_a_model_seen_running_after_our_write_was_refused_has_failed() -> None:
    world = DarkWorld("a")
    world.refuse("a", kind="Deployment", verb="scale")
    world.verifier.says["a"] = Readiness.PROGRESSING
    item = await world.take_one_dark()
    assert (item.verdict, "forbidden" in codes(item)) == (Verdict.FAILED, True), item.reasons


async def test_a_guard_that_harms_others_is_unbound_at_once_and_nothing_is_verified() -> None:
    world = DarkWorld("a")
    harm = Reason(code="guard-harms", message="the guard refuses a neutral pod")
    world.prover.proof = GuardProof(status="absent", reasons=(harm,), has_to_go=True)
    item = await world.take_one_dark()
    assert (item.verdict, item.guard) == (Verdict.UNVERIFIED, "absent")
    assert {"guard-harms", "guard-unbound"} <= set(codes(item))
    assert not [ref for ref in world.clusters["a"].objects if ref.api_version == _API]
    assert replicas_in(world, "a") == 0


async def test_a_guard_that_is_not_proven_stays_and_counts_for_nothing() -> None:
    world = DarkWorld("a")
    unprovable = Reason(code="unprovable", message="somebody else refuses a neutral pod")
    world.prover.proof = GuardProof(status="absent", reasons=(unprovable,))
    item = await world.take_one_dark()
    assert (item.verdict, item.guard) == (Verdict.UNVERIFIED, "absent")
    assert len([ref for ref in world.clusters["a"].objects if ref.api_version == _API]) == 2


async def test_the_subject_is_judged_everywhere_and_under_the_guard_as_it_stands() -> None:
    world = DarkWorld("a")
    await world.take_one_dark()
    (subject,) = world.verifier.settled
    assert (subject.is_everywhere, subject.guard, world.verifier.soaks) == (True, "proven", [1.0])


async def test_a_way_that_stays_open_is_residue() -> None:
    world = DarkWorld("a")
    shared = Reason(code="not-cut-shared", message="shared with mythos-5")
    item = await world.take_one_dark(world.plan(darkening=darkening(not_cut=(shared,))))
    assert (item.verdict, "not-cut-shared" in codes(item)) == (Verdict.RESIDUE, True)


async def test_a_doubt_of_the_plan_is_a_doubt_of_its_item() -> None:
    world = DarkWorld("a")
    doubt = Reason(code="found-nowhere", message="nobody knows how it is recognised")
    item = await world.take_one_dark(world.plan(doubts=(doubt,)))
    assert (item.verdict, "found-nowhere" in codes(item)) == (Verdict.UNVERIFIED, True)


async def test_a_run_that_is_to_stop_begins_nothing() -> None:
    world = DarkWorld("a")
    world.stop.set()
    outcome = await world.take_dark()
    assert [item.verdict for item in outcome.items] == [Verdict.NOT_RUN]
    assert outcome.interrupted
    assert world.writes() == {}


async def test_a_run_that_is_stopped_while_it_watches_ends_there() -> None:
    """What was sent is sent; the item says that it was not verified."""
    world = DarkWorld("a")
    world.verifier.hangs.add("a")
    task = asyncio.create_task(world.take_dark())
    await asyncio.wait({task}, timeout=0.5)
    assert world.verifier.settled
    world.stop.set()
    outcome = await task
    assert outcome.interrupted
    assert [(item.verdict, item.changed) for item in outcome.items] == [(Verdict.UNVERIFIED, True)]
    assert locks_in(world.clusters["a"]) == []


async def test_a_lift_that_lies_in_the_cluster_ends_it_before_it_begins() -> None:
    world = DarkWorld("a")
    lift = Lift(digest=DIGEST, order="directive", reference="R", actor="somebody").to_config_map()
    await world.clusters["a"].create(lift)
    world.clusters["a"].requests.clear()
    item = await world.take_one_dark()
    assert (item.verdict, codes(item), item.changed) == (Verdict.UNVERIFIED, ["lifted"], False)
    assert world.writes() == {}


async def test_a_takedown_that_finds_its_lock_lost_and_a_lift_stops_sending() -> None:
    """A machine that slept through the restore must not take the models down again."""
    world = DarkWorld("a")
    cluster = world.clusters["a"]
    lease = ObjectRef("coordination.k8s.io/v1", "Lease", "orchestrator-system", "lock.fable-5")
    lift = Lift(digest=DIGEST, order="directive", reference="R", actor="somebody").to_config_map()

    def sleep(event: Any) -> None:
        if event.type.value == "itemStarted":
            world.clock.jump(3600)
            taken = cluster.objects[lease]
            cluster._store(lease, {**taken, "spec": {**taken["spec"], "holderIdentity": "restorer"}})
            lifted = ObjectRef("v1", "ConfigMap", "orchestrator-system", lift["metadata"]["name"])
            cluster._store(lifted, lift)

    world.on_event = sleep
    item = await world.take_one_dark()
    assert (item.verdict, "lifted" in codes(item)) == (Verdict.UNVERIFIED, True), item.reasons
    assert replicas_in(world, "a") == 3
    assert cluster.objects[lease]["spec"]["holderIdentity"] == "restorer"


async def test_a_workload_that_carries_another_model_s_label_is_left_alone() -> None:
    world = DarkWorld("a")
    labelled = _deployment(3)
    labelled["metadata"]["labels"] = {"orchestrator.dev/model": "mythos-5"}
    world.clusters["a"]._store(WORKLOAD, labelled)
    item = await world.take_one_dark()
    assert (replicas_in(world, "a"), "shared" in codes(item)) == (3, True)


@pytest.mark.parametrize(
    ("readiness", "state", "terms", "verdict"),
    [
        (Readiness.DONE, State.DISABLED, {}, Verdict.VERIFIED),
        (Readiness.DONE, State.DISABLED, {"is_cut": False}, Verdict.RESIDUE),
        (Readiness.DONE, State.DISABLED, {"doubts": True}, Verdict.UNVERIFIED),
        (Readiness.DONE, State.DISABLED, {"refused": True}, Verdict.VERIFIED),
        (Readiness.PROGRESSING, State.MIXED, {}, Verdict.RESIDUE),
        (Readiness.PROGRESSING, State.ENABLED, {"refused": True}, Verdict.FAILED),
        (Readiness.UNKNOWN, State.UNKNOWN, {"refused": True}, Verdict.UNVERIFIED),
        (Readiness.FAILED, State.MIXED, {}, Verdict.RESIDUE),
    ],
)
def test_verdicts_of_a_takedown(readiness: Readiness, state: State, terms: dict[str, bool], verdict: Verdict) -> None:
    """Failed only where it was seen running after a refusal; verified only without doubt and with every way cut."""
    settled = Settled(judgement=Judgement(readiness, state))
    given = {"refused": False, "is_cut": True, "doubts": False, **terms}
    assert dark_verdict(settled, **given) is verdict


@pytest.mark.parametrize("status", ["proven", "absent"])
async def test_a_superseded_hold_goes_only_where_the_successors_guard_is_proven(status: Any) -> None:
    """Else nothing but the predecessor's guard might keep the model off."""
    before = Hold(name="directive", model="fable-5", digest="b" * 64)
    world = DarkWorld("a", prover=ToldProver(proof=GuardProof(status=status)))
    cluster = next(iter(world.clusters.values()))
    config_map = before.to_config_map()
    cluster._store(ref_of(config_map), config_map)
    item = await world.take_one_dark(world.plan(darkening=darkening(replaces=(before,))))
    assert (ref_of(config_map) in cluster.objects) is (status == "absent")
    assert ("superseded" in codes(item)) is (status == "proven")
