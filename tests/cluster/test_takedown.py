"""An order taken through the real command line: everything off, kept off, proven; and back again as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.orders import Scene, wait_until


@pytest.fixture
def scene(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Scene]:
    """Two models that an order names and one that it does not, on in every region; nothing of it stays behind."""
    found = Scene(control_planes, workspace, orchestrator)
    found.write_models()
    found.orchestrator("apply", "playbooks/all-on.yaml", "-o", "json").expect(0)
    yield found
    for cluster in control_planes.clusters:
        for name in found.ours(cluster):
            kind, _, plain = name.partition("/")
            place = () if kind.startswith("Validating") else ("-n", "orchestrator-system")
            control_planes.kubectl(cluster, "delete", kind, plain, *place, "--ignore-not-found", "--wait=false")


def test_a_takedown_proves_absence_and_a_restore_gives_everything_back(scene: Scene) -> None:
    """Guards proven, no pod left, the other model untouched; then every object as it was, and nothing of ours left."""
    planes, clusters = scene.planes, scene.planes.clusters
    before = {cluster: scene.objects(cluster) for cluster in clusters}
    kept = {cluster: scene.ours(cluster) for cluster in clusters}
    order = scene.write_order(contact="desk@models.example")

    result = scene.take_down(order).expect(0).json

    assert result["action"] == "takedown"
    assert {(item["verdict"], item["state"], item["guard"]) for item in result["items"]} == {
        ("verified", "disabled", "proven")
    }
    for item in result["items"]:
        assert item["times"]["guarded"]
        assert item["times"]["stopped"] <= item["times"]["lastPodGone"] <= item["times"]["verified"]
    for cluster in clusters:
        assert scene.pods(cluster, scene.scaled) == scene.pods(cluster, scene.sharded) == []
        assert len(scene.pods(cluster, scene.other)) == 1
        assert scene.objects(cluster)["Deployment/saga"] == before[cluster]["Deployment/saga"]
        planes.kubectl(cluster, "scale", "deployment/saga", "--replicas=2", "-n", scene.workspace.namespace)
        planes.kubectl(cluster, "scale", "deployment/saga", "--replicas=1", "-n", scene.workspace.namespace)

    scene.restore(order).expect(0)

    for cluster in clusters:
        wait_until(lambda cluster=cluster: len(scene.pods(cluster, scene.other)) == 1)  # type: ignore[misc]
        assert scene.objects(cluster) == before[cluster]
        # Those of other tests stay as well: a lift is for good.
        assert [name.partition(".")[0] for name in scene.ours(cluster) ^ kept[cluster]] == ["ConfigMap/lift"]
    status = scene.orchestrator("status", scene.scaled, scene.sharded, "-o", "json").expect(0).json
    assert {item["state"] for item in status["items"]} == {"enabled"}


def test_every_way_back_is_refused_with_our_message(scene: Scene) -> None:
    """Scaling up in both ways, a pod by label, a removed mark: the API server refuses, naming the order's contact."""
    order = scene.write_order(contact="desk@models.example")
    scene.take_down(order).expect(0)
    cluster, namespace = scene.planes.clusters[0], scene.workspace.namespace
    labelled = {"orchestrator.dev/model": scene.scaled}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "copy", "namespace": namespace, "labels": labelled},
        "spec": {"containers": [{"name": "server", "image": "registry.example/server:1"}]},
    }
    attempts = (
        (("scale", "deployment/fable", "--replicas=2", "-n", namespace), None),
        (("patch", "deployment/fable", "-n", namespace, "-p", '{"spec":{"replicas":1}}'), None),
        (("scale", "statefulset/mythos-shard", "--replicas=1", "-n", namespace), None),
        (("create", "-f", "-"), json.dumps(pod)),
        (("label", "deployment/fable", "orchestrator.dev/model-", "-n", namespace), None),
    )
    for arguments, stdin in attempts:
        said = scene.planes.kubectl(cluster, *arguments, stdin=stdin, check=False)
        assert "desk@models.example" in said, f"{arguments}: {said}"
    verified = scene.orchestrator("verify", "--order", order, "--rehearse", "-o", "json").expect(0).json
    told = {reason["code"] for item in verified["items"] for reason in item["reasons"]}
    assert "guard-editors" in told, "nobody says who may take the guard away"
    assert {(item["verdict"], item["guard"]) for item in verified["items"]} == {("verified", "proven")}


@pytest.mark.long
def test_what_is_held_is_not_switched_on_by_anybody(scene: Scene) -> None:
    """`enable` is refused, `apply` keeps it off as held and costs nothing; a second takedown writes nothing anew."""
    order = scene.write_order()
    scene.take_down(order).expect(0)
    refused = scene.orchestrator("enable", scene.scaled, "--all", "-o", "json").expect(4).json
    assert refused["error"]["code"] == "held"
    applied = scene.orchestrator("apply", "playbooks/all-on.yaml", "-o", "json").expect(0).json
    verdicts = {item["verdict"] for item in applied["items"] if item["model"] != scene.other}
    assert verdicts == {"held"}
    again = scene.take_down(order).expect(0).json
    assert {item["verdict"] for item in again["items"]} == {"verified"}
    scene.restore(order).expect(0)
    for cluster in scene.planes.clusters:
        assert len(scene.pods(cluster, scene.scaled)) == 2, "the first record was overwritten by the second takedown"


@pytest.mark.slow
def test_it_needs_nothing_but_kubeconfig_and_order(scene: Scene) -> None:
    """From a folder without a workspace: the catalogues in the clusters tell what the order's models are."""
    order = scene.write_order()
    laptop = scene.workspace.root.parent / "laptop"
    laptop.mkdir()
    (laptop / "order.yaml").write_text((scene.workspace.root / order).read_text())
    done = scene.run(
        "takedown", "--order", "order.yaml", "--contexts", "all", "--confirm", f"{scene.scaled},{scene.sharded}",
        "--rehearse", "--soak", "2s", "-o", "json", workspace=laptop,
    )  # fmt: skip
    done.expect(0)
    for cluster in scene.planes.clusters:
        assert scene.pods(cluster, scene.scaled) == scene.pods(cluster, scene.sharded) == []


def test_a_model_that_is_found_nowhere_is_unverified(scene: Scene) -> None:
    """A name that no workspace, catalogue or match explains proves nothing."""
    unknown = f"{scene.workspace.namespace}-nobody"
    order = scene.write_order(models=[unknown])
    done = scene.take_down(order, models=[unknown]).expect(3).json
    assert {item["verdict"] for item in done["items"]} == {"unverified"}
    assert {"found-nowhere"} <= {reason["code"] for item in done["items"] for reason in item["reasons"]}


@pytest.mark.slow
def test_a_model_that_never_was_anywhere_is_unverified_though_the_order_says_how_it_looks(scene: Scene) -> None:
    """Marks that fit nothing in any cluster are more likely wrong than the model is likely gone."""
    absent = f"{scene.workspace.namespace}-phantom"
    match = {absent: {"images": [f"registry.example/{absent}"]}}
    order = scene.write_order(models=[absent], match=match)
    done = scene.take_down(order, models=[absent]).expect(3).json
    assert {(item["verdict"], item["guard"]) for item in done["items"]} == {("unverified", "proven")}


@pytest.mark.slow
def test_without_the_models_names_nothing_is_done(scene: Scene) -> None:
    order = scene.write_order()
    refused = scene.orchestrator("takedown", "--order", order, "--rehearse", "-o", "json").expect(4).json
    assert refused["error"]["code"] == "not-confirmed"
    wrong = scene.orchestrator("takedown", "--order", order, "--rehearse", "--confirm", scene.scaled, "-o", "json")
    wrong.expect(4)
    assert all(scene.pods(cluster, scene.scaled) for cluster in scene.planes.clusters)


def test_a_sandbox_is_not_taken_for_the_real_thing(scene: Scene) -> None:
    """Without --rehearse an order is refused where a sandbox answers."""
    order = scene.write_order()
    names = f"{scene.scaled},{scene.sharded}"
    refused = scene.orchestrator("takedown", "--order", order, "--confirm", names, "-o", "json").expect(4).json
    assert refused["error"]["code"] == "rehearsal"


@pytest.mark.long
def test_pods_that_serve_others_are_named_beforehand_and_stopped_only_when_asked_for(scene: Scene) -> None:
    """Without --include-shared they stay and are residue; with it they go, and the plan has said so."""
    namespace, cluster = scene.workspace.namespace, scene.planes.clusters[0]
    model = scene.workspace.root / "manifests" / scene.scaled / "model.yaml"
    model.write_text(model.read_text() + "  sharedIn: [{selector: {serves: several}}]\n")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "several", "namespace": namespace, "labels": {"serves": "several"}},
        "spec": {"containers": [{"name": "server", "image": "registry.example/several:1"}]},
    }
    scene.planes.kubectl(cluster, "create", "-f", "-", stdin=json.dumps(pod))
    order = scene.write_order(models=[scene.scaled])
    plan = scene.orchestrator("plan", "--order", order, "--rehearse", "-o", "json").json
    items = [item for wave in plan["plan"]["waves"] for part in wave["clusters"] for item in part["items"]]
    named = [note["object"] for item in items for note in item["notes"] if note["code"] == "collateral"]
    assert named == [f"Pod {namespace}/several"]

    left = scene.take_down(order, models=[scene.scaled]).expect(3).items()
    assert left[cluster]["verdict"] == "residue"
    assert scene.planes.read(cluster, "pod", "several", "-n", namespace) is not None

    scene.take_down(order, "--include-shared", models=[scene.scaled]).expect(0)
    assert scene.planes.read(cluster, "pod", "several", "-n", namespace) is None


def test_a_drill_tells_what_would_work_and_changes_nothing(scene: Scene) -> None:
    """Every write as a dry run, every permission, timed; no hold, no guard, no replica fewer."""
    order = scene.write_order()
    before = {cluster: (scene.objects(cluster), scene.ours(cluster)) for cluster in scene.planes.clusters}
    report = scene.orchestrator("drill", "--order", order, "--rehearse", "-o", "json").expect(0).json
    assert {step["step"] for step in report["steps"]} == {"hold", "record", "guard", "stop", "search", "drain"}
    assert all(step["works"] for step in report["steps"])
    assert before == {cluster: (scene.objects(cluster), scene.ours(cluster)) for cluster in scene.planes.clusters}
