"""Rolling back on real control planes: to what was there, only what is still ours, and never more than that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.events import Event, EventType
from orchestrator.core.objects import JsonObject, ObjectRef, ref_of
from orchestrator.core.plan import ItemPlan, Plan
from orchestrator.core.playbook import OnFailure
from orchestrator.core.ports import ClusterWriter
from orchestrator.core.records import CatalogueEntry, manifests_name
from orchestrator.core.result import ResultItem
from orchestrator.core.verdict import State, Verdict, Want
from orchestrator.errors import Unreachable
from orchestrator.execution import RunOutcome
from tests.cluster.execution.conftest import Runner, Witness
from tests.cluster.execution.plans import CRASHING, Release, plan, wave

SYSTEM = "orchestrator-system"


def codes(item: ResultItem) -> list[str]:
    return [reason.code for reason in item.reasons]


def words(item: ResultItem) -> str:
    return "; ".join(reason.message for reason in item.reasons)


class Region:
    """One cluster, its model, and kubectl beside it."""

    def __init__(self, runner: Runner, witness: Witness, writer: ClusterWriter, model: str, namespace: str) -> None:
        self.runner, self.witness, self.writer = runner, witness, writer
        self.model, self.namespace = model, namespace

    async def bring_to(self, release: Release) -> None:
        await self._run(wave("before", (self.writer, await release.plan(self.writer, "before"))))

    async def switch_off(self, release: Release) -> None:
        await self._run(wave("before", (self.writer, await release.plan_off(self.writer, "before"))))

    async def _run(self, only: Any) -> None:
        outcome = await self.runner.run(plan(self.model, only))
        assert [item.verdict for item in outcome.items] == [Verdict.VERIFIED], outcome.items

    def deployment(self) -> dict[str, Any] | None:
        return self.witness.get("deployment", self.model, "-n", self.namespace)

    def entry(self) -> CatalogueEntry | None:
        found = self.witness.get("configmap", f"model.{self.model}", "-n", SYSTEM)
        return CatalogueEntry.from_config_map(found) if found else None

    def image(self) -> str:
        live = self.deployment()
        assert live is not None
        return str(live["spec"]["template"]["spec"]["containers"][0]["image"])

    def config_maps(self) -> set[str]:
        found = self.witness.get("configmaps", "-n", self.namespace) or {"items": []}
        return {item["metadata"]["name"] for item in found["items"]} - {"kube-root-ca.crt"}


@pytest.fixture
def regions(runner: Runner, witnesses: dict[str, Witness], model: str, namespace: str) -> list[Region]:
    return [Region(runner, witnesses[each.cluster.name], each, model, namespace) for each in runner.writers]


async def staged(regions: list[Region], releases: list[Release], on_failure: OnFailure) -> Plan:
    """One step per region, each to its release."""
    waves = [
        wave(f"step-{number}", (region.writer, await release.plan(region.writer, f"step-{number}")))
        for number, (region, release) in enumerate(zip(regions, releases, strict=True))
    ]
    return plan(releases[0].model, *waves, on_failure=on_failure)


async def test_every_region_returns_to_what_it_was_revision_replicas_and_absence(
    regions: list[Region], model: str, namespace: str
) -> None:
    """Before: on at another revision and size; off; nothing at all. The third region's pods crash."""
    old = Release(model, namespace, "1", replicas=3)
    on, off, empty = regions
    await on.bring_to(old)
    await off.bring_to(old)
    await off.switch_off(old)
    before = on.entry()
    new = Release(model, namespace, "2", replicas=1)
    bad = Release(model, namespace, "2", replicas=1, pod_annotations=CRASHING)
    planned = await staged([on, off, empty], [new, new, bad], OnFailure.ROLLBACK_RUN)

    outcome = await on.runner.run(planned)

    assert [item.verdict for item in outcome.items] == [Verdict.FAILED] * 3
    assert all("rolled-back" in codes(item) for item in outcome.items), [words(item) for item in outcome.items]
    assert f"rolled back to revision {old.revision}, verified" in words(outcome.items[0])
    live = on.deployment()
    assert live is not None
    assert (on.image(), live["spec"]["replicas"]) == ("registry.example/fable:1", 3)
    assert live["metadata"]["annotations"]["orchestrator.dev/revision"] == old.revision
    assert on.entry() == before
    assert on.config_maps() == {f"{model}-1"}
    assert (outcome.items[0].state, outcome.items[0].revision) == (State.ENABLED, old.revision)

    dark = off.deployment()
    assert dark is not None
    assert dark["spec"]["replicas"] == 0
    assert off.entry().want is Want.DISABLED  # type: ignore[union-attr]
    assert outcome.items[1].state is State.DISABLED

    assert empty.deployment() is None
    assert empty.entry() is None
    assert empty.config_maps() == set()
    for region in regions:
        assert region.witness.get("lease", f"lock.{model}", "-n", SYSTEM) is None


async def test_rolling_back_the_wave_leaves_earlier_waves_as_they_are(
    regions: list[Region], model: str, namespace: str
) -> None:
    good = Release(model, namespace)
    bad = Release(model, namespace, pod_annotations=CRASHING)
    first, second = regions[:2]
    outcome = await first.runner.run(await staged([first, second], [good, bad], OnFailure.ROLLBACK_WAVE))
    assert [item.verdict for item in outcome.items] == [Verdict.VERIFIED, Verdict.FAILED]
    assert first.deployment() is not None
    assert second.deployment() is None


async def test_stop_leaves_the_failed_region_as_it_is(regions: list[Region], model: str, namespace: str) -> None:
    bad = Release(model, namespace, pod_annotations=CRASHING)
    outcome = await regions[0].runner.run(await staged(regions[:1], [bad], OnFailure.STOP))
    assert "rolled-back" not in codes(outcome.items[0])
    assert regions[0].deployment() is not None


async def test_a_region_switched_off_before_is_never_switched_on_even_if_it_had_drifted(
    regions: list[Region], model: str, namespace: str
) -> None:
    """Off by a playbook, scaled up by hand since: the rollback goes to off, not to what the hand did."""
    old, region = Release(model, namespace), regions[0]
    await region.bring_to(old)
    await region.switch_off(old)
    region.witness("scale", "deployment", model, "-n", namespace, "--replicas=4")
    bad = Release(model, namespace, "2", pod_annotations=CRASHING)
    outcome = await region.runner.run(await staged([region], [bad], OnFailure.ROLLBACK_RUN))
    assert "rolled-back" in codes(outcome.items[0])
    assert region.deployment()["spec"]["replicas"] == 0  # type: ignore[index]


async def test_what_was_switched_off_in_this_run_stays_off(regions: list[Region], model: str, namespace: str) -> None:
    """Disables are never rolled back."""
    old, first, second = Release(model, namespace), regions[0], regions[1]
    await first.bring_to(old)
    bad = Release(model, namespace, "2", pod_annotations=CRASHING)
    off = wave("off", (first.writer, await old.plan_off(first.writer, "off")))
    on = wave("on", (second.writer, await bad.plan(second.writer, "on")))
    outcome = await first.runner.run(plan(model, off, on, on_failure=OnFailure.ROLLBACK_RUN))
    assert [item.verdict for item in outcome.items] == [Verdict.VERIFIED, Verdict.FAILED]
    assert first.deployment()["spec"]["replicas"] == 0  # type: ignore[index]
    assert second.deployment() is None


async def fail_after(
    regions: list[Region], model: str, namespace: str, meanwhile: Any
) -> tuple[RunOutcome, Release, Release]:
    """The first region goes 1 → 2 and is verified; the second fails; `meanwhile` happens to the first in between."""
    old, new = Release(model, namespace), Release(model, namespace, "2")
    await regions[0].bring_to(old)
    bad = Release(model, namespace, "2", pod_annotations=CRASHING)
    planned = await staged(regions[:2], [new, bad], OnFailure.ROLLBACK_RUN)

    def interfere(event: Event) -> None:
        if event.type is EventType.WAVE_ENDED and event.step == "step-0":
            meanwhile()

    regions[0].runner.on_event = interfere
    return await regions[0].runner.run(planned), old, new


async def test_an_object_that_somebody_else_wrote_since_is_left_alone(
    regions: list[Region], model: str, namespace: str
) -> None:
    region = regions[0]

    def take() -> None:
        mark = "orchestrator.dev/revision=theirs"
        region.witness("annotate", "--overwrite", "deployment", model, "-n", namespace, mark)

    outcome, _, new = await fail_after(regions, model, namespace, take)
    first, second = outcome.items
    assert "not-ours" in codes(first)
    assert "rolled-back" not in codes(first)
    assert region.image() == f"registry.example/fable:{new.version}"
    assert "rolled-back" in codes(second)


async def test_an_object_that_somebody_made_anew_is_left_alone(
    regions: list[Region], model: str, namespace: str
) -> None:
    """Same name, same marks, other uid."""
    region = regions[0]

    def make_anew() -> None:
        live = region.deployment()
        assert live is not None
        region.witness("delete", "deployment", model, "-n", namespace, "--cascade=foreground")
        metadata = {key: live["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
        region.witness("create", "-f", "-", stdin=json.dumps({**live, "metadata": metadata, "status": {}}))

    outcome, _, new = await fail_after(regions, model, namespace, make_anew)
    assert "not-ours" in codes(outcome.items[0])
    assert region.image() == f"registry.example/fable:{new.version}"


async def test_a_rollback_that_fails_is_said_with_both_reasons_and_costs_the_others_nothing(
    regions: list[Region], model: str, namespace: str
) -> None:
    """The manifests applied before are gone from the first cluster."""
    region = regions[0]
    old = Release(model, namespace)

    def lose() -> None:
        region.witness("delete", "secret", manifests_name(model, old.revision), "-n", SYSTEM)

    outcome, _, _ = await fail_after(regions, model, namespace, lose)
    first, second = outcome.items
    assert (first.verdict, second.verdict) == (Verdict.FAILED, Verdict.FAILED)
    assert "rollback-failed" in codes(first)
    assert f"revision {old.revision} are not kept" in words(first)
    assert "rolled-back" in codes(second)
    assert regions[1].deployment() is None


async def test_a_rollback_never_goes_through_a_hold(regions: list[Region], model: str, namespace: str) -> None:
    region = regions[0]

    def hold() -> None:
        labels = {"orchestrator.dev/record": "hold", "orchestrator.dev/model": model}
        metadata = {"name": f"directive.{model}", "namespace": SYSTEM, "labels": labels}
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"reason": "an order"}}
        region.witness("create", "-f", "-", stdin=json.dumps(manifest))

    outcome, _, new = await fail_after(regions, model, namespace, hold)
    first = outcome.items[0]
    assert (first.verdict, codes(first)[-1]) == (Verdict.FAILED, "rollback-held")
    assert f"directive.{model}" in words(first)
    assert region.image() == f"registry.example/fable:{new.version}"


async def test_what_may_hold_data_is_kept_and_listed(regions: list[Region], model: str, namespace: str) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "cache", "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    region = regions[0]
    bad = Release(model, namespace, pod_annotations=CRASHING, more=(claim,))
    outcome = await region.runner.run(await staged([region], [bad], OnFailure.ROLLBACK_RUN))
    (item,) = outcome.items
    assert "kept" in codes(item)
    assert f"PersistentVolumeClaim {namespace}/cache" in words(item)
    assert region.witness.get("pvc", "cache", "-n", namespace) is not None
    assert region.deployment() is None


async def test_an_object_that_was_there_before_us_is_not_deleted(
    regions: list[Region], model: str, namespace: str
) -> None:
    """Planned as new, but somebody created it before our write arrived: it is not ours to delete."""
    region = regions[0]
    bad = Release(model, namespace, pod_annotations=CRASHING)
    item: ItemPlan = await bad.plan(region.writer, "s")
    metadata = {"name": bad.config.name, "namespace": namespace}
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"other": "theirs"}}
    region.witness("apply", "--server-side", "--field-manager=them", "-f", "-", stdin=json.dumps(theirs))
    planned = plan(model, wave("s", (region.writer, item)), on_failure=OnFailure.ROLLBACK_RUN)
    outcome = await region.runner.run(planned)
    assert "not-restored" in codes(outcome.items[0])
    assert region.witness.get("configmap", bad.config.name, "-n", namespace) is not None
    assert region.deployment() is None


class LostAnswer:
    """The real writer, but the answer to one apply gets lost after the API server has committed it."""

    def __init__(self, writer: ClusterWriter, ref: ObjectRef) -> None:
        self._writer, self._ref = writer, ref

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    async def apply(self, manifest: JsonObject, **options: Any) -> JsonObject:
        answer = await self._writer.apply(manifest, **options)
        if ref_of(manifest) == self._ref:
            raise Unreachable("connection reset after the request was sent")
        return answer


async def test_a_write_whose_answer_was_lost_is_rolled_back_as_well(
    regions: list[Region], model: str, namespace: str
) -> None:
    """Nobody knows whether it took effect, so the rollback looks: it did, and carries this run's mark."""
    first, second = regions[:2]
    release = Release(model, namespace)
    bad = Release(model, namespace, pod_annotations=CRASHING)
    first.runner.in_between[first.writer.cluster.name] = LostAnswer(first.writer, release.deployment)
    outcome = await first.runner.run(await staged([first, second], [release, bad], OnFailure.ROLLBACK_RUN))
    lost, failed = outcome.items
    assert codes(lost)[0] == "unreachable"
    assert "rolled-back" in codes(lost), words(lost)
    assert first.deployment() is None
    assert first.entry() is None
    assert first.config_maps() == set()
    assert failed.verdict is Verdict.FAILED
