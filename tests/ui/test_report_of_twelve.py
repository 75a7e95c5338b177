"""The report of a real takedown over twelve countries, one of them out of reach, as a manager sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from orchestrator import sandbox
from tests.ui.browser import browser

pytestmark = pytest.mark.ui
MODEL = "fable-5"
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "fable", "namespace": "default"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "fable"}},
        "template": {
            "metadata": {"labels": {"app": "fable"}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "server", "image": "registry.example/fable:1"}],
            },
        },
    },
}


@dataclass(frozen=True)
class World:
    """Twelve regions in twelve countries, a workspace over them, and the one that is lost."""

    root: Path
    regions: sandbox.Sandbox
    lost: str

    def orchestrator(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The real command line in this workspace."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "ORCHESTRATOR_STATE": str(self.root / "state"),
        }
        command = [sys.executable, "-m", "orchestrator", "-C", str(self.root), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)

    def write(self, path: str, *documents: object) -> None:
        """Write YAML into the workspace."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump_all(documents, sort_keys=False))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("twelve")
    regions = sandbox.up(root / "sandbox", 12, lambda line: None)
    try:
        fleet = yaml.safe_load(regions.fleet.read_text())
        fleet["spec"]["kubeconfig"] = str(regions.kubeconfig)
        found = World(root, regions, lost=fleet["spec"]["clusters"][-1]["name"])
        found.write("fleet.yaml", fleet)
        document = {"apiVersion": "orchestrator/v1", "metadata": {"name": MODEL}}
        found.write(f"manifests/{MODEL}/objects.yaml", DEPLOYMENT)
        found.write(
            f"manifests/{MODEL}/model.yaml", {**document, "kind": "Model", "spec": {"manifests": ["objects.yaml"]}}
        )
        about = {
            "authority": "Bureau of Examples",
            "reference": "EX-2026-0612",
            "models": [MODEL],
            "about": {"everyone": True},
        }
        order = {
            **document,
            "metadata": {"name": "directive-2026-06-12"},
            "kind": "Order",
            "spec": {**about, "deadline": "2h"},
        }
        found.write("playbooks/orders/directive.yaml", order)
        yield found
    finally:
        sandbox.down(root / "sandbox")


def test_a_takedown_over_twelve_countries_with_one_out_of_reach(world: World, tmp_path: Path) -> None:
    """On, then dark in eleven countries; the twelfth is named, drawn and owed, and nothing is called proven."""
    on = world.orchestrator("enable", MODEL, "--all", "--progress-deadline", "5m")
    assert on.returncode == 0, on.stdout + on.stderr
    world.regions.cluster(world.lost).stop()
    order = ("--order", "playbooks/orders/directive.yaml", "--confirm", MODEL, "--rehearse", "--soak", "2s")
    off = world.orchestrator("takedown", *order)
    assert off.returncode == 3, off.stdout + off.stderr

    page = tmp_path / "takedown.html"
    told = world.orchestrator("report", "--last", "--html", str(page), "--markdown", "-")

    assert told.returncode == 0, told.stderr
    assert f"Not proven: 11 of 12 items verified; 1 unreachable ({world.lost})." in page.read_text()
    assert "11 of 12 items verified" in told.stdout
    shown = Path(os.environ.get("REPORT_PICTURES") or tmp_path)
    with browser(tmp_path / "profile") as chromium:
        for scheme in ("light", "dark"):
            chromium.open(page, scheme=scheme)
            assert chromium.requests() == [page.as_uri()]
            assert chromium.complaints() == []
            assert chromium.find_barriers() == []
            states = chromium.evaluate(
                "[...document.querySelectorAll('#map tbody tr')].map(row => row.cells[1].innerText.trim())"
            )
            assert states == ["unreachable", *["verified"] * 11]
            assert chromium.evaluate("document.querySelectorAll('.lanes tbody tr').length") == 12
            assert chromium.evaluate("document.querySelectorAll('[data-pin]').length") == 12
            chromium.screenshot().save(shown / f"{scheme}.png")
        (shown / "takedown.pdf").write_bytes(chromium.print())


def test_the_rollout_that_switched_it_on_reads_as_proven(world: World, tmp_path: Path) -> None:
    """Every real run in which all went well is believed: no false alarm of the checks against the journal."""
    runs = sorted(path.name for path in (world.root / "state" / "runs").iterdir())
    told = world.orchestrator("report", runs[0], "--markdown", "-")

    assert told.returncode == 0, told.stderr
    assert "Proven: fable-5 is switched on in all 12 clusters of 12 countries" in told.stdout.replace("\\", "")
