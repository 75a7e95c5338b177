"""What somebody takes away, or leaves half done, while a takedown goes on: neither hold nor record is lost by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from orchestrator.core.events import Event, EventType
from orchestrator.core.holds import Hold, Lift, RestoreRecord, read_hold, read_restore_record
from orchestrator.core.objects import JsonObject, ref_of
from orchestrator.core.verdict import Verdict
from orchestrator.errors import Forbidden
from orchestrator.execution.keeping import KEPT_FOR
from tests.unit.execution.doubles import WORKLOAD
from tests.unit.execution.test_darkening import DIGEST, DarkWorld, darkening, guard, replicas_in
from tests.unit.execution.world import codes

HOLD = ref_of(darkening().hold.to_config_map())
EARLIER = "e" * 64
RECORD = RestoreRecord(model="fable-5", ref=WORKLOAD, uid="u", before={"/spec/replicas": 9})
SECRET = ref_of(RECORD.to_secret())


def once(type_: EventType, act: Callable[[], object]) -> Callable[[Event], None]:
    """Does it at the first event of a kind."""
    done: list[Event] = []

    def hear(event: Event) -> None:
        if event.type is type_ and not done:
            done.append(event)
            act()

    return hear


async def test_a_hold_that_somebody_deletes_meanwhile_is_kept_again_and_that_is_said() -> None:
    world = DarkWorld("a")
    world.on_event = once(EventType.GUARD_TRIED, lambda: world.clusters["a"].objects.pop(HOLD))
    item = await world.take_one_dark()
    kept = read_hold(world.clusters["a"].objects[HOLD])
    assert kept is not None and (kept.digest, dict(kept.ledger)) == (DIGEST, {"a": "verified"})
    assert (item.verdict, "hold-tampered" in codes(item)) == (Verdict.VERIFIED, True), item.reasons


async def test_without_a_hold_nothing_is_verified_in_the_end() -> None:
    """Whoever enables the model next would not be told of the order."""
    world = DarkWorld("a")

    def take_away() -> None:
        world.clusters["a"].objects.pop(HOLD)
        world.refuse("a", kind="ConfigMap", error=Forbidden("not permitted: create configmaps", status=403))

    world.on_event = once(EventType.GUARD_TRIED, take_away)
    item = await world.take_one_dark()
    assert (item.verdict, "hold-missing" in codes(item)) == (Verdict.UNVERIFIED, True), item.reasons


async def test_a_guard_that_somebody_added_an_exemption_to_is_written_anew() -> None:
    """Everything that we wrote is still in it: what counts is what it says, all of it."""
    world = DarkWorld("a")
    policy = ref_of(guard().policy)

    def exempt() -> None:
        live = world.clusters["a"].objects[policy]
        world.clusters["a"]._store(policy, {**live, "spec": {"matchConstraints": {"excludeResourceRules": [{}]}}})

    world.on_event = once(EventType.SOAKING, exempt)
    item = await world.take_one_dark()
    assert world.clusters["a"].objects[policy]["spec"] == {}
    assert (item.verdict, "guard-tampered" in codes(item)) == (Verdict.VERIFIED, True), item.reasons


async def test_who_puts_back_what_was_stopped_is_named_by_manager_owner_and_tracking_mark() -> None:
    """Stopped once more, and never forgotten: before the guard worked nobody refused it."""
    world = DarkWorld("a")
    labels = {"kustomize.toolkit.fluxcd.io/name": "models", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
    owner = {"apiVersion": "odd.example/v1", "kind": "Fleet", "name": "all", "uid": "f", "controller": True}
    fields: JsonObject = {"f:spec": {"f:replicas": {}}}
    wrote = {"manager": "kustomize-controller", "operation": "Apply", "fieldsV1": fields}

    def put_back() -> None:
        live = world.clusters["a"].objects[WORKLOAD]
        metadata = {**live["metadata"], "labels": labels, "ownerReferences": [owner], "managedFields": [wrote]}
        world.clusters["a"].objects[WORKLOAD] = {**live, "metadata": metadata, "spec": {"replicas": 3}}

    def hear(event: Event) -> None:
        if event.type is EventType.ANSWERED and event.data["verb"] == "scale" and not done:
            done.append(event)
            put_back()

    done: list[Event] = []
    world.on_event = hear
    item = await world.take_one_dark()
    assert (item.verdict, replicas_in(world, "a")) == (Verdict.VERIFIED, 0)
    (reason,) = [reason for reason in item.reasons if reason.code == "reverted"]
    for words in ("kustomize-controller (Apply)", "odd.example/Fleet", "Flux Kustomization flux-system/models"):
        assert words in reason.message
    (event,) = [event for event in world.told if event.type is EventType.REVERTED]
    assert event.data["managers"] == ["kustomize-controller (Apply)"]


def _with_record(world: DarkWorld, replicas: int, *holds: Hold, kept_for: str = EARLIER) -> None:
    cluster = world.clusters["a"]
    secret = RECORD.to_secret()
    secret["metadata"]["annotations"] = {KEPT_FOR: kept_for[:16]}
    for obj in (secret, *(hold.to_config_map() for hold in holds)):
        cluster._store(ref_of(obj), obj)
    cluster._store(WORKLOAD, {**cluster.objects[WORKLOAD], "spec": {"replicas": replicas}})


def _number_on_record(world: DarkWorld) -> object:
    return read_restore_record(world.clusters["a"].objects[SECRET]).before["/spec/replicas"]


@pytest.mark.parametrize("is_lifted_here", [True, False], ids=["lifted here", "its hold deleted by hand"])
async def test_what_the_first_order_found_is_known_to_the_second_ones_later_runs(is_lifted_here: bool) -> None:
    """Executed while the model was dark, the second had nothing to write; then the first was lifted.

    Whatever somebody puts back afterwards (where no guard could be made) is not what was there before.
    """
    world = DarkWorld("a")
    first = Hold(name="earlier", model="fable-5", digest=EARLIER)
    _with_record(world, 0, first)
    in_the_dark = world.plan(darkening=darkening(records=()))
    assert (await world.take_one_dark(in_the_dark)).verdict is Verdict.VERIFIED
    cluster = world.clusters["a"]
    cluster.objects.pop(ref_of(first.to_config_map()))
    if is_lifted_here:
        lift = Lift(digest=EARLIER, order="earlier", reference="no. 17", actor="").to_config_map()
        cluster._store(ref_of(lift), lift)
    cluster._store(WORKLOAD, {**cluster.objects[WORKLOAD], "spec": {"replicas": 1}})
    await world.take_one_dark(world.plan(darkening=darkening()))
    assert _number_on_record(world) == 9


async def test_what_a_restore_had_only_half_given_back_is_not_taken_for_all_of_it() -> None:
    """Where nodes come by themselves one replica is started first; its order is lifted, and its hold is still here."""
    world = DarkWorld("a")
    _with_record(world, 1, Hold(name="earlier", model="fable-5", digest=EARLIER))
    lift = Lift(digest=EARLIER, order="earlier", reference="no. 17", actor="").to_config_map()
    world.clusters["a"]._store(ref_of(lift), lift)
    early = replace(RECORD, before={"/spec/replicas": 1})
    await world.take_one_dark(world.plan(darkening=darkening(records=(early,))))
    assert _number_on_record(world) == 9


@pytest.mark.parametrize(
    ("data", "expected"),
    [({"gz": "bm90aGluZw=="}, 3), ({}, 3), ({"apiVersion": "b3JjaGVzdHJhdG9yL3Y5", "gz": "bm90aGluZw=="}, None)],
    ids=["damaged", "empty", "of a later version"],
)
async def test_a_record_that_tells_nothing_is_no_first_record(data: dict[str, str], expected: int | None) -> None:
    """Whatever runs now would be lost with it; one that a later version wrote tells that one everything."""
    world = DarkWorld("a")
    _with_record(world, 3, Hold(name="earlier", model="fable-5", digest=EARLIER))
    cluster = world.clusters["a"]
    version = {"apiVersion": RECORD.to_secret()["data"]["apiVersion"]}
    cluster._store(SECRET, {**cluster.objects[SECRET], "data": {**version, **data}})
    await world.take_one_dark()
    if expected is None:
        assert cluster.objects[SECRET]["data"] == data
    else:
        assert _number_on_record(world) == expected
