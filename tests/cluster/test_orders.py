"""`orders`, `hold` and `disable --hold` through the real command line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.test_holds import OURS, Held

CHANNEL = {"name": "partner-api", "owner": "Partners", "contact": "partners@models.example"}


@pytest.fixture
def held(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Held]:
    """A workspace with one model that has a channel; guards and records of the test are taken away afterwards."""
    workspace.write_model(replicas=1, channels=[CHANNEL])
    place = Held(control_planes, workspace, orchestrator)
    yield place
    own = f"orchestrator.dev/model={workspace.model}"
    policies = "validatingadmissionpolicybindings,validatingadmissionpolicies"
    control_planes.everywhere("delete", policies, "-l", own, "--ignore-not-found", check=False)
    control_planes.everywhere("delete", "configmap,secret", "-n", OURS, "-l", own, "--ignore-not-found", check=False)
    orders = f"orchestrator.dev/order={place.digest[:16]}"
    control_planes.everywhere("delete", "configmap", "-n", OURS, "-l", orders, "--ignore-not-found", check=False)


def order_of(held: Held, **spec: Any) -> dict[str, Any]:
    content = {
        "authority": "Bureau of Examples",
        "reference": "EX-2026-0612",
        "received": "2026-06-12T21:21:00Z",
        "deadline": "2h",
        "models": [held.workspace.model, f"{held.workspace.model}-nowhere"],
        "about": {"nationality": {"except": ["US"]}},
        **spec,
    }
    metadata = {"name": f"{held.workspace.model}-filed"}
    return {"apiVersion": "orchestrator/v1", "kind": "Order", "metadata": metadata, "spec": content}


def test_orders_of_files_and_orders_that_only_clusters_know(held: Held) -> None:
    """With what is owed per cluster, whom nobody knows, and the words of the scope; authority and reference are not."""
    first, second, third = held.planes.clusters
    held.workspace.write("playbooks/orders/filed.yaml", order_of(held))
    ledger = {first: "verified", second: "owed", third: "owed"}
    held.keep(first, replace(held.hold, ledger=ledger))
    held.keep(second, replace(held.hold, ledger={**ledger, second: "guarded"}))
    done = held.orchestrator("orders", "list", "-o", "json").expect(0)
    orders = {one["name"]: one for one in done.json["orders"] if held.workspace.model in one["name"]}
    filed, known = orders[f"{held.workspace.model}-filed"], orders[held.hold.name]
    assert filed["file"] == "playbooks/orders/filed.yaml"
    assert filed["unknownModels"] == [f"{held.workspace.model}-nowhere"]
    assert filed["deadline"] == "2026-06-12T23:21:00Z"
    assert "so every cluster is in scope" in filed["words"][0]
    assert (filed["inForce"], filed["debt"], filed["clusters"], filed["lift"]) == (False, [], [], None)
    assert "Bureau of Examples" not in done.stdout
    assert known["file"] is None
    assert known["clusters"] == [first, second]
    model = held.workspace.model
    assert {(one["cluster"], one["standing"]) for one in known["debt"]} == {(second, "guarded"), (third, "owed")}
    assert {one["model"] for one in known["debt"]} == {model}
    held.keep(third, held.lift)
    (shown,) = held.orchestrator("orders", "show", held.digest[:12], "-o", "json").expect(0).json["orders"]
    assert shown["debt"] == []
    assert (shown["lift"]["reference"], shown["lift"]["clusters"]) == ("withdrawn", [third])
    table = held.orchestrator("orders", "show", held.hold.name).expect(0).stdout
    assert "only in clusters" in table
    assert "lifted: withdrawn" in table
    missing = held.orchestrator("orders", "show", f"{held.hold.name}x", "-o", "json").expect(2).json
    assert held.hold.name in missing["error"]["hint"]


def test_from_a_bare_folder_contexts_tell_what_the_clusters_record(held: Held, tmp_path: Path) -> None:
    """A laptop with nothing but a kubeconfig lists holds and orders; clusters are then called as their contexts."""
    first, second, _ = held.planes.clusters
    held.keep(first, replace(held.hold, ledger={first: "verified", second: "owed"}))
    bare = tmp_path / "laptop"
    bare.mkdir()
    asked = ("--contexts", "all", "-o", "json")
    holds = held.run("hold", "list", *asked, workspace=bare).expect(0).json["holds"]
    assert [len(one["clusters"]) for one in holds if one["name"] == held.hold.name] == [1]
    (shown,) = held.run("orders", "show", held.hold.name, *asked, workspace=bare).expect(0).json["orders"]
    assert (shown["file"], [one["standing"] for one in shown["debt"]]) == (None, ["owed"])


def test_what_somebody_attests_is_kept_in_every_cluster(held: Held) -> None:
    """Only a channel of the order's models, so that a typing error does not leave the real one open."""
    held.workspace.write("playbooks/orders/filed.yaml", order_of(held, models=[held.workspace.model]))
    name = f"{held.workspace.model}-filed"
    said = ("--by", "Ann Example", "--note", "closed 17:40, ticket 4711", "-o", "json")
    refused = held.orchestrator("orders", "attest", name, "partner-ap", *said).expect(2).json
    assert "did you mean partner-api?" in refused["error"]["hint"]
    (entry,) = held.orchestrator("orders", "attest", name, "partner-api", *said).expect(0).json["orders"]
    try:
        (attested,) = entry["attestations"]
        assert (attested["subject"], attested["by"]) == ("partner-api", "Ann Example")
        assert attested["actor"]
        assert attested["at"]
        for cluster in held.planes.clusters:
            label = f"orchestrator.dev/order={entry['digest'][:16]}"
            (kept,) = held.planes.read(cluster, "configmaps", "-n", OURS, "-l", label)["items"]
            assert kept["data"]["note"] == "closed 17:40, ticket 4711"
    finally:
        held.planes.everywhere(
            "delete", "configmap", "-n", OURS, "-l", f"orchestrator.dev/order={entry['digest'][:16]}"
        )


def test_holds_are_listed_with_what_is_owed(held: Held) -> None:
    """Expired ones hold all the same, and are said to be expired; so does what nobody understands."""
    first, second, _ = held.planes.clusters
    held.keep(first, held.hold)
    operators = replace(held.hold, name="hold-0a1b2c3d", kind="operator", reason="incident 17")
    operators = replace(operators, digest="f" * 48 + held.digest[:16], until=datetime(2026, 1, 1, tzinfo=UTC))
    held.keep(second, operators)
    try:
        done = held.orchestrator("hold", "list", "-o", "json").expect(0)
        mine = {one["name"]: one for one in done.json["holds"] if one["model"] == held.workspace.model}
        assert mine[held.hold.name]["owing"] == []
        assert mine[held.hold.name]["clusters"] == [first]
        assert (mine["hold-0a1b2c3d"]["expired"], mine["hold-0a1b2c3d"]["lifted"]) == (True, False)
        assert mine["hold-0a1b2c3d"]["reason"] == "incident 17"
        table = held.orchestrator("hold", "list").expect(0).stdout
        assert "holds, expired" in table
        refused = held.orchestrator("enable", held.workspace.model, "--cluster", first, "-o", "json").expect(4)
        assert {"hold-0a1b2c3d", held.hold.name} <= set(re.split(r"[ ,:]+", refused.json["error"]["message"]))
        held.orchestrator("hold", "lift", held.hold.name, "--confirm", held.hold.name, "-o", "json").expect(4)
        held.orchestrator("hold", "lift", "hold-00000000", "--confirm", "hold-00000000", "-o", "json").expect(2)
    finally:
        held.planes.kubectl(second, "delete", "configmap", "-n", OURS, operators.object_name)


@pytest.mark.long
def test_an_operators_hold_from_its_reason_to_its_lift(held: Held) -> None:
    """Dark where it was asked, on elsewhere; kept off by whatever way; lifted by name; and then as it was."""
    first, second, third = held.planes.clusters
    model = held.workspace.model
    held.orchestrator("enable", model, "--all", "-o", "json").expect(0)
    done = held.orchestrator(
        "disable", model, "--cluster", first, "--cluster", second, "--hold", "incident 17", "--soak", "2s",
        "--until", "2036-01-01T00:00:00Z", "-o", "json",
    )  # fmt: skip
    result = done.json
    items = done.items()
    assert set(items) == {first, second}, done.stderr
    assert {(item["verdict"], item["guard"]) for item in items.values()} == {("verified", "proven")}, json.dumps(items)
    assert [held.replicas(cluster) for cluster in held.planes.clusters] == [0, 0, 1]
    name = result["order"]
    assert name.startswith("hold-")
    (entry,) = [
        one for one in held.orchestrator("hold", "list", "-o", "json").expect(0).json["holds"] if one["name"] == name
    ]
    assert (entry["type"], entry["reason"], entry["expired"], entry["owing"]) == ("operator", "incident 17", False, [])
    held.orchestrator("enable", model, "--cluster", first, "-o", "json").expect(4)
    held.orchestrator("enable", model, "--cluster", third, "-o", "json").expect(0)
    said = held.planes.kubectl(first, "scale", "deployment/server", "--replicas=1", "-n", model, check=False)
    assert name in said or "denied" in said
    refused = held.orchestrator("hold", "lift", name, "-o", "json").expect(4).json
    assert refused["error"]["code"] == "not-confirmed"
    lifted = held.orchestrator("hold", "lift", name, "--confirm", name, "--reason", "closed", "-o", "json")
    lifted.expect(0)
    assert [held.replicas(cluster) for cluster in held.planes.clusters] == [1, 1, 1]
    held.orchestrator("enable", model, "--cluster", first, "-o", "json").expect(0)
    left = held.orchestrator("hold", "list", "-o", "json").expect(0).json["holds"]
    assert not [one for one in left if one["name"] == name and not one["lifted"]]


def test_a_hold_needs_a_reason_and_a_time_to_come(held: Held) -> None:
    model = held.workspace.model
    scope = ("--all", "-o", "json")
    assert "already" in held.orchestrator(
        "disable", model, *scope, "--hold", "x", "--until", "2020-01-01T00:00:00Z"
    ).expect(2).stdout  # fmt: skip
    held.orchestrator("disable", model, *scope, "--hold", " ").expect(2)
    held.orchestrator("disable", model, *scope, "--hold", "x", "--until", "tomorrow").expect(2)
    held.orchestrator("disable", f"{model}-typo", *scope, "--hold", "x").expect(2)
