"""Ways to a model that this tool cannot switch: an order is kept only when somebody answers for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.orders import JsonObject, Scene
from tests.cluster.test_takedown_traps import clean_up

CHANNEL = {"name": "partner-api", "owner": "Partners", "contact": "partners@models.example"}
SAID = ("--by", "Ann Example", "--note", "closed 17:40, ticket 4711", "-o", "json")


@pytest.fixture
def scene(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Scene]:
    """A fleet of one region and two models, each with a channel of the same name."""
    file = workspace.root / "fleet.yaml"
    fleet = yaml.safe_load(file.read_text())
    del fleet["spec"]["clusters"][1:]
    file.write_text(yaml.safe_dump(fleet, sort_keys=False))
    found = Scene(control_planes, workspace, orchestrator)
    found.write_models()
    for model in (found.scaled, found.sharded):
        path = workspace.root / f"manifests/{model}/model.yaml"
        document = yaml.safe_load(path.read_text())
        document["spec"]["channels"] = [CHANNEL]
        path.write_text(yaml.safe_dump(document, sort_keys=False))
    found.orchestrator("apply", "playbooks/all-on.yaml", "-o", "json").expect(0)
    yield found
    clean_up(found)


def verdicts(document: JsonObject) -> dict[str, str]:
    """By model, what became of its channel."""
    assert {channel["name"] for channel in document["channels"]} == {"partner-api"}
    return {channel["model"]: channel["verdict"] for channel in document["channels"]}


@pytest.mark.slow
def test_one_word_covers_one_model_and_verify_counts_what_is_open(scene: Scene) -> None:
    """Every cluster is dark, and yet the order is kept only when the last channel is answered for."""
    order = scene.write_order()
    name = yaml.safe_load((scene.workspace.root / order).read_text())["metadata"]["name"]
    verify = ("verify", "--order", order, "--rehearse", "-o", "json")
    opened = {scene.scaled: "unverified", scene.sharded: "unverified"}
    done = scene.take_down(order).expect(3).json
    assert {item["verdict"] for item in done["items"]} == {"verified"}
    assert verdicts(done) == opened
    seen = scene.orchestrator(*verify).expect(3).json
    assert {item["verdict"] for item in seen["items"]} == {"verified"}
    assert verdicts(seen) == opened

    refused = scene.orchestrator("orders", "attest", name, "partner-api", *SAID).expect(2).json
    assert refused["error"]["code"] == "ambiguous"
    assert scene.scaled in refused["error"]["message"]
    assert scene.sharded in refused["error"]["message"]

    attest = ("orders", "attest", name, "partner-api", *SAID)
    (entry,) = scene.orchestrator(*attest, "--model", scene.scaled).expect(0).json["orders"]
    assert [(one["subject"], one["model"]) for one in entry["attestations"]] == [("partner-api", scene.scaled)]
    assert verdicts(scene.orchestrator(*verify).expect(3).json) == {**opened, scene.scaled: "verified"}
    scene.orchestrator(*attest, "--model", scene.sharded).expect(0)
    assert set(verdicts(scene.orchestrator(*verify).expect(0).json).values()) == {"verified"}
    scene.take_down(order).expect(0)
