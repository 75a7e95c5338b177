"""Rolling back on real control planes: every region to what it was."""

from __future__ import annotations

from orchestrator.core.playbook import OnFailure
from orchestrator.core.verdict import State, Verdict, Want
from tests.cluster.execution.plans import CRASHING, Release, plan, wave
from tests.cluster.execution.regions import SYSTEM, Region, codes, staged, words


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
