"""Reports of real runs: one in which all went well is believed, and one in which it did not is told as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace
from tests.cluster.orders import Scene
from tests.cluster.test_takedown_traps import clean_up


@pytest.fixture
def place(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Scene]:
    """A workspace whose model is not switched on yet."""
    workspace.write_model(workspace.deployment("fable", replicas=1))
    found = Scene(control_planes, workspace, orchestrator)
    yield found
    clean_up(found)


def reported(scene: Scene, finished: Finished, code: int = 0) -> str:
    """The report of a run in Markdown, as plain words; the page is written as well."""
    run = finished.json["run"]
    page = f"{run}.html"
    told = scene.orchestrator("report", run, "--html", page, "--markdown", "-").expect(code)
    assert f"Report of run {run}" in (Path(scene.workspace.root) / page).read_text()
    return told.stdout.replace("\\", "")


@pytest.mark.slow
def test_every_kind_of_run_that_went_well_is_believed(place: Scene) -> None:
    """Journal, result and scope of real runs agree: the checks of a report raise no false alarm."""
    model = place.workspace.model
    book = place.workspace.write_playbook({"name": "everywhere", "enable": {"scope": {"all": True}}})
    order = place.write_order(models=[model])

    rollout = reported(place, place.orchestrator("apply", book, "-o", "json").expect(0))
    takedown = reported(place, place.take_down(order, models=[model]).expect(0))
    restore = reported(place, place.restore(order, models=[model]).expect(0))
    off = reported(place, place.orchestrator("disable", model, "--all", "-o", "json").expect(0))

    where = "all 3 clusters of 3 countries"
    assert f"Proven: each model is as wanted in {where}" in rollout
    assert f"Proven: {model} is switched off in {where}" in takedown
    assert "after the order was received" in takedown
    assert f"Proven: {model} is restored in {where}" in restore
    assert "Lifted by: EX-2026-0701" in restore
    assert f"Proven: {model} is switched off in {where}" in off
    assert all("Rehearsal on sandbox clusters." in told for told in (rollout, takedown, restore, off))


def test_a_rollout_that_was_rolled_back_is_not_called_proven(place: Scene) -> None:
    """The second image never becomes ready; what was rolled back is told as failed, with its reasons."""
    model, workspace = place.workspace.model, place.workspace
    book = workspace.write_playbook(
        {"name": "everywhere", "enable": {"scope": {"all": True}}}, onFailure="rollback-run"
    )
    place.orchestrator("apply", book, "-o", "json").expect(0)
    broken = workspace.deployment("fable", replicas=1, requests={"cpu": "4000"})
    workspace.write_model(broken)
    slow = {"name": "everywhere", "enable": {"scope": {"all": True}}, "strategy": {"progressDeadline": "8s"}}
    workspace.write_playbook(slow, onFailure="rollback-run")

    told = reported(place, place.orchestrator("apply", book, "-o", "json").expect(1))

    assert "Rehearsal on sandbox clusters. Failed: 0 of 3 items verified" in told
    assert model in told
