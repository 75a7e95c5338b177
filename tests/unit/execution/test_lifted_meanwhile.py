"""A lift that comes while a takedown of its order runs: whoever of the two comes later knows of the other.

Held at the very moments at which it matters: the restore was planned when the takedown had kept nothing yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.events import Event
from orchestrator.core.holds import LABEL_ORDER, Hold, Lift
from orchestrator.core.objects import LABEL_MODEL, LABEL_RECORD, JsonObject, ref_of
from orchestrator.core.plan import ClusterPlan
from orchestrator.core.verdict import State, Verdict
from orchestrator.execution import DarkPorts, RunOptions, RunOutcome, bring_back
from tests.unit.execution.doubles import MODEL, SilentProber, locks_in, plan_of, wave_of
from tests.unit.execution.test_darkening import DIGEST, DarkWorld, darkening, guard, replicas_in
from tests.unit.execution.test_two_at_once import HurriedClock
from tests.unit.execution.world import codes

LIFT = Lift(digest=DIGEST, order="directive", reference="no. 17", actor="somebody")
HOLD = Hold(name="directive", model=MODEL, digest=DIGEST)
OTHER = Hold(name="another", model=MODEL, digest="b" * 64)


def _labelled() -> Any:
    """The guard with the labels by which it is found to be taken away."""
    labels = {LABEL_ORDER: DIGEST[:16], LABEL_MODEL: MODEL}

    def with_labels(obj: JsonObject) -> JsonObject:
        return {**obj, "metadata": {**obj["metadata"], "labels": labels}}

    plain = guard()
    return replace(plain, policy=with_labels(plain.policy), binding=with_labels(plain.binding))


def _world() -> DarkWorld:
    return DarkWorld("a", clock=HurriedClock())


def _when(moment: Callable[[Event], bool], world: DarkWorld, *objects: JsonObject) -> None:
    """These objects come to lie in the cluster at that moment."""

    def hear(event: Event) -> None:
        if moment(event):
            for obj in objects:
                world.clusters["a"]._store(ref_of(obj), obj)

    world.on_event = hear


def _keeps_hold(event: Event) -> bool:
    return event.type == "sending" and f"hold.{DIGEST[:16]}" in str(event.data.get("object"))


def _has_settled(event: Event) -> bool:
    return event.type == "soaking"


def _left_of_us(world: DarkWorld) -> set[str]:
    """Our records but the tombstone, and the guard."""
    found = world.clusters["a"].objects.items()
    ours = {ref.name for ref, obj in found if LABEL_RECORD in obj["metadata"].get("labels", {})}
    return {name for name in ours if name != LIFT.object_name} | {ref.name for ref, _ in found if ref.name == "g"}


@pytest.mark.parametrize("moment", [_keeps_hold, _has_settled], ids=["as it began", "when all was dark"])
async def test_a_takedown_that_meets_a_lift_gives_back_what_it_had_begun(moment: Callable[[Event], bool]) -> None:
    world = _world()
    _when(moment, world, LIFT.to_config_map())
    item = await world.take_one_dark(world.plan(darkening=darkening(guard=_labelled())))
    assert (item.verdict, set(codes(item))) == (Verdict.UNVERIFIED, {"lifted"}), item.reasons
    assert replicas_in(world, "a") == 3
    assert (_left_of_us(world), locks_in(world.clusters["a"])) == (set(), [])


async def test_what_another_order_holds_as_well_stays_off() -> None:
    """Its record of what ran stays, too: that order's lift will need it."""
    world = _world()
    _when(_has_settled, world, LIFT.to_config_map(), OTHER.to_config_map())
    item = await world.take_one_dark(world.plan(darkening=darkening(guard=_labelled())))
    assert (item.verdict, set(codes(item))) == (Verdict.UNVERIFIED, {"lifted", "held"}), item.reasons
    assert replicas_in(world, "a") == 0
    (record,) = darkening().records
    assert _left_of_us(world) == {record.object_name, OTHER.object_name}


async def test_what_an_earlier_run_of_the_order_took_is_left_to_its_restore() -> None:
    """That one found its hold when it was planned; and this run calls nothing verified."""
    world = _world()
    await world.take_one_dark()
    _when(_has_settled, world, LIFT.to_config_map())
    item = await world.take_one_dark()
    assert item.verdict is Verdict.UNVERIFIED
    assert set(codes(item)) == {"lifted", "not-restored"}
    assert (replicas_in(world, "a"), HOLD.object_name in _left_of_us(world)) == (0, True)


async def test_what_cannot_be_given_back_is_said_and_its_hold_stays() -> None:
    world = _world()

    def hear(event: Event) -> None:
        if _has_settled(event):
            world.clusters["a"]._store(ref_of(LIFT.to_config_map()), LIFT.to_config_map())
            world.refuse("a", kind="Deployment")

    world.on_event = hear
    item = await world.take_one_dark()
    assert item.verdict is Verdict.UNVERIFIED
    assert {"lifted", "not-restored", "forbidden"} <= set(codes(item)), item.reasons
    assert (replicas_in(world, "a"), HOLD.object_name in _left_of_us(world)) == (0, True)


async def _restore(world: DarkWorld) -> RunOutcome:
    """The run of a restore whose plan found nothing to give back here."""
    empty = ClusterPlan(cluster=world.clusters["a"].cluster, items=())
    ports = DarkPorts(
        writers=world.clusters,
        verifier=world.verifier,
        prober=SilentProber(),
        guard_prover=world.prover,
        checks={},
        journal=world.journal,
        clock=world.clock,
        tell=lambda event: None,
    )
    plan = replace(plan_of(wave_of("all", empty)), action="restore", lift=LIFT)
    return await bring_back(plan, ports, RunOptions(run="Q", holder="other run Q"))


async def test_a_restore_names_the_hold_that_a_takedown_kept_after_it_was_planned() -> None:
    world = _world()
    await world.clusters["a"].create(HOLD.to_config_map())
    (item,) = (await _restore(world)).items
    assert (item.cluster, item.model, item.verdict, item.state) == ("a", MODEL, Verdict.UNVERIFIED, State.UNKNOWN)
    assert (codes(item), item.holds) == (["not-restored"], ("directive",))


async def test_holds_of_other_orders_are_no_concern_of_a_restore_that_gives_nothing_back() -> None:
    world = _world()
    await world.clusters["a"].create(OTHER.to_config_map())
    assert (await _restore(world)).items == ()
