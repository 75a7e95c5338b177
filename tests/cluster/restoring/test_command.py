"""`restore` as its user runs it: from a laptop that has nothing but a kubeconfig and the order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.core.order import Order
from orchestrator.documents.orders import load_order
from tests.cluster.conftest import Run, TestWorkspace
from tests.cluster.restoring.conftest import Stage


def _write_order(folder: Path, stage: Stage, **spec: Any) -> Order:
    """An order in a folder without a workspace, as the tool reads it."""
    document = {
        "apiVersion": "orchestrator/v1",
        "kind": "Order",
        "metadata": {"name": f"{stage.darkness.namespace}-directive"},
        "spec": {
            "authority": "Bureau of Examples",
            "reference": "EX-2026-0612",
            "models": [stage.darkness.model],
            "about": {"everyone": True},
            "restore": {"jitter": "0s"},
            **spec,
        },
    }
    folder.mkdir(exist_ok=True)
    (folder / "order.yaml").write_text(yaml.safe_dump(document))
    order = load_order(folder / "order.yaml", stage.session.workspace.vocabulary).value
    stage.orders.append(order)
    return order


@pytest.mark.long
async def test_it_needs_nothing_but_kubeconfig_and_order(stage: Stage, orchestrator: Run, tmp_path: Path) -> None:
    """Refused without names and without a reference; then every object as it was, in every region."""
    darkness, laptop = stage.darkness, tmp_path / "laptop"
    before = {cluster: darkness.objects(cluster) for cluster in stage.clusters}
    order = _write_order(laptop, stage)
    for cluster in stage.clusters:
        darkness.take_dark(cluster, order)
    restore = ("restore", "--order", "order.yaml", "--contexts", "all", "-o", "json")

    orchestrator(*restore, "--confirm", darkness.model, workspace=laptop).expect(2)
    unconfirmed = orchestrator(*restore, "--lift-reference", "no. 17", workspace=laptop).expect(4).json
    assert unconfirmed["error"]["code"] == "not-confirmed"
    wrong = orchestrator(*restore, "--lift-reference", "no. 17", "--confirm", "fable-5", workspace=laptop)
    assert wrong.expect(4).json["error"]["code"] == "not-confirmed"
    assert "orchestrator guard" in darkness.try_to_wake(stage.clusters[0])

    done = orchestrator(*restore, "--lift-reference", "no. 17", "--confirm", darkness.model, workspace=laptop)

    items = done.expect(0).json["items"]
    assert [(item["verdict"], item["state"], item["changed"]) for item in items] == [("verified", "enabled", True)] * 3
    for cluster in stage.clusters:
        assert darkness.objects(cluster) == before[cluster]


async def test_an_order_of_other_content_lifts_nothing(stage: Stage, orchestrator: Run, tmp_path: Path) -> None:
    """The same name and other words are another order: exit 4, and everything stays as it is."""
    darkness, cluster = stage.darkness, stage.clusters[0]
    darkness.take_dark(cluster, _write_order(tmp_path / "laptop", stage))
    _write_order(tmp_path / "laptop", stage, reference="EX-2026-0613")
    refused = orchestrator(
        "restore", "--order", "order.yaml", "--contexts", "all", "--confirm", darkness.model,
        "--lift-reference", "no. 17", "-o", "json", workspace=tmp_path / "laptop",
    )  # fmt: skip
    assert refused.expect(4).json["error"]["code"] == "other-order"
    assert "orchestrator guard" in darkness.try_to_wake(cluster)


async def test_without_room_it_is_refused_with_the_amount(
    stage: Stage, orchestrator: Run, workspace: TestWorkspace, tmp_path: Path
) -> None:
    """Exit 4 before anything was written; `--ignore-capacity` goes on, and goes dark again where pods find no node."""
    darkness, cluster = stage.darkness, stage.clusters[0]
    darkness.take_dark(cluster, _write_order(tmp_path / "laptop", stage))
    big = '{"spec":{"template":{"spec":{"containers":[{"name":"server","resources":{"requests":{"cpu":"900"}}}]}}}}'
    darkness.planes.kubectl(cluster, "patch", "statefulset/shard", "-n", darkness.namespace, "-p", big)
    dark = darkness.objects(cluster)
    restore = (
        "restore", "--order", str(tmp_path / "laptop" / "order.yaml"), "--confirm", darkness.model,
        "--lift-reference", "no. 17", "--progress-deadline", "20s", "-o", "json",
    )  # fmt: skip

    refused = orchestrator(*restore, workspace=workspace.root).expect(4).json

    assert refused["error"]["code"] == "capacity"
    assert "short by" in refused["error"]["message"]
    assert darkness.objects(cluster) == dark
    failed = orchestrator(*restore, "--ignore-capacity", workspace=workspace.root).expect(1)
    (item,) = failed.json["items"]
    assert "dark-again" in {reason["code"] for reason in item["reasons"]}, item["reasons"]
    assert darkness.objects(cluster) == dark
