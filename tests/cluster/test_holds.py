"""Holds as a union, through the real command line, by records written by hand: each is about one test's own model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import pytest
import yaml

from orchestrator.core.holds import Hold, Lift
from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace

OURS = "orchestrator-system"
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OURS}}


@dataclass(frozen=True)
class Held:
    """A workspace with one model, and the records of one order about it."""

    planes: ControlPlanes
    workspace: TestWorkspace
    run: Run

    @property
    def digest(self) -> str:
        return sha256(self.workspace.model.encode()).hexdigest()

    @property
    def hold(self) -> Hold:
        """Everyone, everywhere."""
        return Hold(
            name=f"{self.workspace.model}-directive",
            model=self.workspace.model,
            digest=self.digest,
            about={"everyone": True},
            ledger=dict.fromkeys(self.planes.clusters, "verified"),
        )

    @property
    def lift(self) -> Lift:
        return Lift(digest=self.digest, order=self.hold.name, reference="withdrawn", actor="ann")

    def keep(self, cluster: str, record: Hold | Lift) -> None:
        documents = yaml.safe_dump_all([NAMESPACE, record.to_config_map()])
        self.planes.kubectl(cluster, "apply", "-f", "-", stdin=documents)

    def orchestrator(self, *arguments: str, **options: Any) -> Finished:
        return self.run(*arguments, workspace=self.workspace.root, **options)

    def replicas(self, cluster: str) -> int:
        found = self.planes.read(cluster, "deployment", "server", "-n", self.workspace.namespace)
        return int(found["spec"]["replicas"]) if found else 0

    def change_fleet(self, **spec: Any) -> None:
        path = self.workspace.root / "fleet.yaml"
        document = yaml.safe_load(path.read_text())
        document["spec"].update(spec)
        path.write_text(yaml.safe_dump(document, sort_keys=False))


@pytest.fixture
def held(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Held]:
    """Whatever the test recorded is taken away again: other tests share these clusters."""
    workspace.write_model(replicas=1)
    place = Held(control_planes, workspace, orchestrator)
    yield place
    own = f"orchestrator.dev/model={workspace.model}"
    control_planes.everywhere("delete", "configmap", "-n", OURS, "-l", own, "--ignore-not-found", check=False)
    orders = f"orchestrator.dev/order={place.digest[:16]}"
    control_planes.everywhere("delete", "configmap", "-n", OURS, "-l", orders, "--ignore-not-found", check=False)


def test_a_hold_in_one_cluster_holds_the_others(held: Held) -> None:
    """As for a cluster that was added, or away, when the model was taken down: it has no record of its own."""
    first, second, third = held.planes.clusters
    held.keep(first, held.hold)
    refused = held.orchestrator("enable", held.workspace.model, "--cluster", third, "-o", "json").expect(4).json
    assert refused["error"]["code"] == "held"
    assert held.hold.name in refused["error"]["message"]
    assert held.replicas(third) == 0
    path = held.workspace.write_playbook({"name": "on", "enable": {"scope": {"clusters": [second, third]}}})
    applied = held.orchestrator("apply", path, "-o", "json").expect(0)
    assert {item["verdict"] for item in applied.items().values()} == {"held"}
    assert {tuple(item["holds"]) for item in applied.items().values()} == {(held.hold.name,)}
    held.orchestrator("apply", path, "--held=fail", "-o", "json").expect(1)
    shown = held.orchestrator("status", held.workspace.model, "--cluster", second, "-o", "json").expect(0)
    assert shown.items()[second]["holds"] == [held.hold.name]


def test_a_saved_plan_is_held_by_what_came_after_it(held: Held) -> None:
    """In another cluster than those it is about, as from a responder who could not reach them; or in the fleet file."""
    first, second, third = held.planes.clusters
    path = held.workspace.write_playbook({"name": "on", "enable": {"scope": {"clusters": [second, third]}}})
    held.orchestrator("plan", path, "--save", "plan.json").expect(0)
    held.keep(first, held.hold)
    applied = held.orchestrator("apply", "plan.json", "-o", "json").expect(0)
    assert {item["verdict"] for item in applied.items().values()} == {"held"}
    assert {tuple(item["holds"]) for item in applied.items().values()} == {(held.hold.name,)}
    assert held.replicas(second) == held.replicas(third) == 0
    held.keep(second, held.lift)
    applied = held.orchestrator("apply", "plan.json", "-o", "json").expect(0)
    assert {item["verdict"] for item in applied.items().values()} == {"verified"}


def test_a_lift_anywhere_ends_it_everywhere(held: Held) -> None:
    """A cluster that was away while its order was lifted comes back with the hold, and is not held."""
    first, second, _ = held.planes.clusters
    held.keep(first, held.hold)
    held.keep(second, held.lift)
    done = held.orchestrator("enable", held.workspace.model, "--cluster", first, "-o", "json").expect(0)
    assert done.items()[first]["verdict"] == "verified"
    assert held.replicas(first) == 1


def test_a_hold_of_a_later_version_still_holds(held: Held) -> None:
    """Whatever it may be about."""
    first, _, third = held.planes.clusters
    written = held.hold.to_config_map()
    written["data"] = {"apiVersion": "orchestrator/v9", "name": held.hold.name, "scope": "the moon"}
    held.planes.kubectl(first, "apply", "-f", "-", stdin=yaml.safe_dump_all([NAMESPACE, written]))
    refused = held.orchestrator("enable", held.workspace.model, "--cluster", third, "-o", "json").expect(4).json
    assert held.hold.name in refused["error"]["message"]


def test_an_order_in_force_holds_without_any_record(held: Held) -> None:
    """A file alone is only a file; listed by the fleet it holds, until any cluster has its lift."""
    first, second, _ = held.planes.clusters
    order = {
        "apiVersion": "orchestrator/v1",
        "kind": "Order",
        "metadata": {"name": f"{held.workspace.model}-listed"},
        "spec": {
            "authority": "Bureau of Examples",
            "reference": "EX-1",
            "models": [held.workspace.model],
            "about": {"nationality": {"except": ["US"]}},
        },
    }
    held.workspace.write("playbooks/orders/listed.yaml", order)
    held.orchestrator("plan", held.workspace.write_playbook({"name": "on", "enable": {"scope": {"all": True}}})).expect(
        0
    )
    held.change_fleet(inForce=["playbooks/orders/listed.yaml"])
    refused = held.orchestrator("enable", held.workspace.model, "--cluster", first, "-o", "json").expect(4).json
    assert "-listed" in refused["error"]["message"]
    from orchestrator.workflow.session import load_workspace

    (document,) = load_workspace(held.workspace.root).in_force()
    lift = replace(held.lift, digest=document.value.digest)
    held.keep(second, lift)
    try:
        held.orchestrator("enable", held.workspace.model, "--cluster", first, "-o", "json").expect(0)
    finally:
        held.planes.kubectl(second, "delete", "configmap", "-n", OURS, lift.object_name)


def test_what_is_derived_from_a_held_model_is_held(held: Held) -> None:
    """Although it was written only after the takedown."""
    first, second, _ = held.planes.clusters
    held.keep(first, replace(held.hold, model=f"{held.workspace.model}-base"))
    try:
        held.orchestrator("enable", held.workspace.model, "--cluster", second, "-o", "json").expect(0)
        held.workspace.write_model(replicas=1, derivedFrom=[f"{held.workspace.model}-base"])
        held.orchestrator("enable", held.workspace.model, "--cluster", second, "-o", "json").expect(4)
    finally:
        held.planes.kubectl(
            first, "delete", "configmap", "-n", OURS, "-l", f"orchestrator.dev/order={held.digest[:16]}"
        )


def test_whoever_owes_does_not_leave_the_fleet(held: Held) -> None:
    """Every plan that could enable the model ends with exit 2; switching off is permitted all the same."""
    first, second, _ = held.planes.clusters
    held.keep(first, replace(held.hold, ledger={first: "verified", "gone-1": "owed"}))
    refused = held.orchestrator("enable", held.workspace.model, "--cluster", second, "-o", "json").expect(2).json
    assert refused["error"]["code"] == "owing"
    assert "gone-1 still owes" in refused["error"]["message"]
    held.orchestrator("disable", held.workspace.model, "--cluster", second, "-o", "json").expect(0)


@pytest.mark.long
def test_a_region_that_is_down_is_named_and_holds_nothing(held: Held) -> None:
    """What it alone records cannot be known; the plan says so."""
    path = held.workspace.root / "fleet.yaml"
    fleet = yaml.safe_load(path.read_text())
    dead = {"name": "dead-1", "region": "dead", "context": "dead-1"}
    fleet["spec"]["clusters"].append(dead)
    kubeconfig = yaml.safe_load(held.planes.kubeconfig.read_text())
    context = {"name": "dead-1", "context": {"cluster": "dead-1", "user": kubeconfig["users"][0]["name"]}}
    kubeconfig["clusters"].append({"name": "dead-1", "cluster": {"server": "https://127.0.0.1:9"}})
    kubeconfig["contexts"].append(context)
    (held.workspace.root / "kubeconfig").write_text(json.dumps(kubeconfig))
    fleet["spec"]["kubeconfig"] = "kubeconfig"
    path.write_text(yaml.safe_dump(fleet, sort_keys=False))
    first = held.planes.clusters[0]
    playbook = held.workspace.write_playbook({"name": "on", "enable": {"scope": {"clusters": [first]}}})
    planned = held.orchestrator("plan", playbook, "-o", "json").expect(0).json
    (wave,) = planned["plan"]["waves"]
    assert any("not known: dead-1" in words for words in wave["words"])
    held.orchestrator("enable", held.workspace.model, "--cluster", first, "-o", "json").expect(0)
