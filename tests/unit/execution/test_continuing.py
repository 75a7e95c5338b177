"""A run that was cut off anywhere is gone on with, and ends as the undisturbed one: in memory, after every record."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.events import Event, EventType
from orchestrator.core.objects import JsonObject, ObjectRef, dig
from orchestrator.core.observation import Subject
from orchestrator.core.plan import Change, ClusterPlan, ItemPlan, Plan, Verb
from orchestrator.core.playbook import OnFailure
from orchestrator.core.records import CatalogueEntry, pack_manifests
from orchestrator.core.verdict import Judgement, Readiness, Verdict, Want
from orchestrator.execution import RunOptions, RunOutcome, RunPorts, execute
from orchestrator.execution.begun import Begun, begun_by, found_before
from orchestrator.execution.recording import read_entry
from tests.unit.execution.doubles import (
    MODEL,
    WORKLOAD,
    JumpingClock,
    MemoryCluster,
    MemoryJournal,
    SilentProber,
    ToldVerifier,
    idle,
    item_of,
    judgement,
    manifest_of,
    plan_of,
    wave_of,
)
from tests.unit.execution.world import codes, verdicts

OLD, NEW = 3, 2
"""Replicas before the run, and those it wants."""


class Killed(BaseException):
    """The process is gone."""


class MortalJournal(MemoryJournal):
    """Keeps so many records; with the last of them the process is gone."""

    def __init__(self, records: int | None) -> None:
        super().__init__()
        self._left = records

    def record(self, event: Event) -> None:
        if self._left is not None and len(self.events) >= self._left:
            raise Killed
        # What a journal gives back is JSON, whatever it was given.
        super().record(replace(event, data=json.loads(json.dumps(dict(event.data), default=str))))
        if self._left is not None and len(self.events) >= self._left:
            raise Killed


class PickyVerifier(ToldVerifier):
    """Finds the new revision doomed in cluster b, and everything else well."""

    def _say(self, subject: Subject) -> Judgement:
        doomed = subject.cluster == "b" and subject.revision == "r1"
        return judgement(Readiness.FAILED if doomed else Readiness.DONE, subject.want)


class Stage:
    """Two clusters at revision r0, and a rollout of r1 that fails in the second one."""

    def __init__(self) -> None:
        self.clusters = {name: MemoryCluster(name) for name in "ab"}
        self.events: list[Event] = []

    async def set_up(self) -> Stage:
        for cluster in self.clusters.values():
            await cluster.create(pack_manifests(MODEL, "r0", (manifest_of("r0"),)))
            await cluster.apply(entry("r0").to_config_map())
            await cluster.apply(manifest_of("r0"))
            await cluster.scale(WORKLOAD, OLD)
        return self

    async def plan(self) -> Plan:
        """As the planner would, against what is there now."""
        waves = []
        for name, cluster in self.clusters.items():
            live, previous = await cluster.get(WORKLOAD), await read_entry(cluster, MODEL)
            assert live is not None
            changes: list[Change] = []
            if dig(live, "metadata", "annotations", "orchestrator.dev/revision") != "r1":
                changes.append(Change(verb=Verb.APPLY, ref=WORKLOAD, manifest=manifest_of("r1"), uid=uid_of(live)))
            if dig(live, "spec", "replicas") != NEW:
                changes.append(Change(verb=Verb.SCALE, ref=WORKLOAD, replicas=NEW, uid=uid_of(live)))
            is_set = previous is not None and previous.revision == "r1"
            planned = {
                "changes": tuple(changes), "entry": entry("r1"), "entry_changes": not is_set, "previous": previous,
                "absent_before": (), "manifests": (manifest_of("r1"),),
            }  # fmt: skip
            item = item_of(
                cluster.cluster, name, **(planned if changes or not is_set else idle(**planned_idle(previous)))
            )
            waves.append(wave_of(name, part(cluster, item)))
        return plan_of(*waves, on_failure=OnFailure.ROLLBACK_RUN)

    async def run(self, records: int | None = None, begun: Begun | None = None) -> RunOutcome | None:
        """Run to the end, or until so many records are written: then None."""
        journal = MortalJournal(records)
        ports = RunPorts(
            writers=self.clusters, verifier=PickyVerifier(), prober=SilentProber(), checks={}, journal=journal,
            clock=JumpingClock(),
        )  # fmt: skip
        try:
            options = RunOptions(run="R", holder=f"me run {len(self.events)}", begun=begun)
            return await asyncio.wait_for(execute(await self.plan(), ports, options), 20)
        except Killed:
            return None
        finally:
            self.events += journal.events

    def state(self) -> dict[str, Any]:
        """Everything but what counts writes, and what was kept of the revision that failed."""
        return {
            f"{name} {ref}": normal(live)
            for name, cluster in self.clusters.items()
            for ref, live in cluster.objects.items()
            if not ref.name.endswith(".r1") and ref.kind != "Lease"
        }


def planned_idle(previous: CatalogueEntry | None) -> dict[str, Any]:
    return {"entry": entry("r1"), "previous": previous}


def part(cluster: MemoryCluster, item: ItemPlan) -> ClusterPlan:
    return ClusterPlan(cluster=cluster.cluster, items=(item,))


def entry(revision: str) -> CatalogueEntry:
    objects = ((WORKLOAD.api_version, WORKLOAD.kind, WORKLOAD.namespace, WORKLOAD.name),)
    replicas = {str(WORKLOAD): OLD if revision == "r0" else NEW}
    return CatalogueEntry(
        model=MODEL, want=Want.ENABLED, revision=revision, playbook="p", objects=objects, replicas=replicas,
        definition={"match": {"labels": {"of": revision}}},
    )  # fmt: skip


def uid_of(live: JsonObject) -> str:
    return str(live["metadata"]["uid"])


def normal(live: Mapping[str, Any]) -> JsonObject:
    found = copy.deepcopy(dict(live))
    for name in ("resourceVersion", "generation", "uid", "managedFields"):
        found["metadata"].pop(name, None)
    return found


async def undisturbed() -> Stage:
    stage = await Stage().set_up()
    outcome = await stage.run()
    assert outcome is not None
    assert verdicts(outcome) == {"a": Verdict.FAILED, "b": Verdict.FAILED}
    return stage


async def test_an_undisturbed_rollback_leads_back_to_where_it_began() -> None:
    """What the tests below hold the others against."""
    began, ended = await Stage().set_up(), await undisturbed()
    assert ended.state() == began.state()


async def test_whatever_record_a_run_is_killed_after_it_is_rolled_back_to_what_was_there_before_it() -> None:
    """Not to what the killed run had made of it: the entry, revision and replicas of before, everywhere."""
    expected = await undisturbed()
    for records in range(1, len(expected.events) + 1):
        stage = await Stage().set_up()
        assert await stage.run(records) is None
        outcome = await stage.run(begun=begun_by(stage.events))
        assert outcome is not None
        place = f"after {records} records, {stage.events[records - 1]}"
        assert verdicts(outcome) == {"a": Verdict.FAILED, "b": Verdict.FAILED}, place
        assert all("rolled-back" in codes(item) for item in outcome.items), place
        assert stage.state() == expected.state(), place


@pytest.mark.parametrize("second", [9, *(pytest.param(records, marks=pytest.mark.long) for records in (3, 15, 21))])
async def test_a_run_that_goes_on_may_be_killed_as_well(second: int) -> None:
    """The chain of both tells what was there first."""
    expected = await undisturbed()
    for first in range(2, len(expected.events), 3):
        stage = await Stage().set_up()
        assert await stage.run(first) is None
        if await stage.run(second, begun_by(stage.events)) is None:
            assert await stage.run(begun=begun_by(stage.events)) is not None
        assert stage.state() == expected.state(), f"after {first} and {second} records"


async def test_a_rollback_is_finished_without_beginning_what_the_run_never_came_to() -> None:
    """Also when the new revision would be well by now: a rollback that was decided is not reconsidered."""
    expected = await undisturbed()
    decided = next(place for place, event in enumerate(expected.events) if event.type is EventType.ROLLING_BACK) + 1
    stage = await Stage().set_up()
    await stage.run(decided)
    for cluster in stage.clusters.values():
        cluster.requests.clear()
    await stage.run(begun=begun_by(stage.events))
    applied = [
        live
        for cluster in stage.clusters.values()
        for ref, live in cluster.objects.items()
        if ref == WORKLOAD and dig(live, "spec", "replicas") != OLD
    ]
    assert not applied
    assert stage.state() == expected.state()


async def test_what_somebody_else_has_set_since_is_left_alone() -> None:
    """Their entry is neither ours nor what was found: the run that goes on cannot tell what is right."""
    expected = await undisturbed()
    decided = next(place for place, event in enumerate(expected.events) if event.type is EventType.ROLLING_BACK) + 1
    stage = await Stage().set_up()
    await stage.run(decided)
    theirs = replace(entry("r7"), playbook="q")
    await stage.clusters["a"].apply(theirs.to_config_map())
    outcome = await stage.run(begun=begun_by(stage.events))
    assert outcome is not None
    assert codes(outcome.items[0])[-1] == "before-unknown"
    assert outcome.items[0].verdict is Verdict.FAILED
    assert await read_entry(stage.clusters["a"], MODEL) == theirs
    assert verdicts(outcome)["b"] is Verdict.FAILED


async def test_what_a_journal_with_gaps_does_not_tell_is_not_rolled_back() -> None:
    """The entry in the cluster is what the killed run made of it, and no way back."""
    stage = await Stage().set_up()
    events = (await undisturbed()).events
    decided = next(place for place, event in enumerate(events) if event.type is EventType.ROLLING_BACK)
    await stage.run(decided)
    outcome = await stage.run(begun=Begun(is_whole=False))
    assert outcome is not None
    assert verdicts(outcome) == {"a": Verdict.FAILED, "b": Verdict.FAILED}
    assert all(codes(item)[-1] == "before-unknown" for item in outcome.items)


def started(**data: Any) -> Event:
    at = JumpingClock().now()
    return Event(type=EventType.ITEM_STARTED, at=at, cluster="a", model=MODEL, data={"revision": "r1", **data})


def test_an_entry_that_cannot_be_read_is_unknown_never_absent() -> None:
    """A rollback would else delete what was there before."""
    (item,) = begun_by([started(before="[left out: 900000 bytes]", beforeDigest="0" * 64)]).items.values()
    assert (item.before, item.is_before_known) == (None, False)
    (item,) = begun_by([started()]).items.values()
    assert not item.is_before_known
    (item,) = begun_by([started(before=None)]).items.values()
    assert item.is_before_known


async def test_what_the_journal_hides_of_an_entry_is_noticed() -> None:
    kept = found_before((await (await Stage().set_up()).plan()).waves[0].clusters[0].items[0])
    (item,) = begun_by([started(**kept)]).items.values()
    assert item.before == entry("r0")
    assert not item.hides_definition
    kept["before"] = kept["before"].replace('"of":"r0"', '"of":"hidden"')
    (item,) = begun_by([started(**kept)]).items.values()
    assert item.hides_definition


def test_a_write_that_was_refused_is_none_and_one_without_answer_may_be_one() -> None:
    at = JumpingClock().now()

    def event(type_: EventType, **data: Any) -> Event:
        data = {"verb": "scale", "object": str(WORKLOAD), **data}
        return Event(type=type_, at=at, cluster="a", model=MODEL, data=data)

    sending = event(EventType.SENDING)
    refused = event(EventType.ANSWERED, error="conflict", sent=True)
    lost = event(EventType.ANSWERED, error="timeout", sent=True)
    for events, attempts in (
        ([sending], 1),
        ([sending, refused], 0),
        ([sending, lost], 1),
        ([sending, refused, sending], 1),
    ):
        (item,) = begun_by([started(before=None), *events]).items.values()
        assert len(item.attempts) == attempts, events


def test_unreadable_events_are_no_reason_to_fail() -> None:
    """A journal is a file that anybody may have written."""
    at = JumpingClock().now()
    strange: list[Any] = [None, 7, "x", [], {}, {"before": []}]
    for value in strange:
        for type_ in EventType:
            data = {"before": value, "absent": value, "verb": value, "object": value, "steps": ["s"], "replicas": value}
            begun_by([Event(type=type_, at=at, cluster="a", model=MODEL, data=data)] * 2)
    assert begun_by([]).rolling_back is None


def test_refs_are_printed_without_their_version() -> None:
    """By which the journal's names are found among a plan's objects."""
    assert str(ObjectRef("apps/v1", "Deployment", "serving", "fable")) == "apps/Deployment serving/fable"
