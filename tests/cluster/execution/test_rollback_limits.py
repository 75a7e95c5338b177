"""What a rollback on real control planes leaves alone, and what it says when it cannot."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.core.events import Event, EventType
from orchestrator.core.objects import JsonObject, ObjectRef, ref_of
from orchestrator.core.plan import ItemPlan
from orchestrator.core.playbook import OnFailure
from orchestrator.core.ports import ClusterWriter
from orchestrator.core.records import manifests_name
from orchestrator.core.verdict import Verdict
from orchestrator.errors import Unreachable
from orchestrator.execution import RunOutcome
from tests.cluster.execution.plans import CRASHING, Release, plan, wave
from tests.cluster.execution.regions import SYSTEM, Region, codes, staged, words


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
