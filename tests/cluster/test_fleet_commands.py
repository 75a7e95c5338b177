"""`fleet check`, `fleet import` and `fleet prepare` on real control planes, through the real command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace
from tests.cluster.grants import Administrator, shipped

NOWHERE = {"name": "gone", "cluster": {"server": "https://127.0.0.1:9"}}


@pytest.fixture
def fleet_schema(orchestrator: Run) -> dict[str, Any]:
    """The published contract."""
    schema: dict[str, Any] = orchestrator("schema", "FleetReport").json
    return schema


def by_context(done: Finished, schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The clusters of a report that keeps the contract, by context."""
    jsonschema.validate(done.json, schema)
    assert done.json["exitCode"] == done.code
    return {cluster["context"]: cluster for cluster in done.json["clusters"]}


def codes(cluster: dict[str, Any]) -> list[str]:
    """Codes of what stands in the way."""
    return [reason["code"] for reason in cluster["reasons"]]


def edit(path: Path, change: Any) -> dict[str, Any]:
    """Change a YAML document; returns it."""
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    change(document)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return document


def kubeconfig_with(planes: ControlPlanes, path: Path, renamed: dict[str, str]) -> Path:
    """The kubeconfig with contexts renamed, and one more whose server does not answer."""
    path.write_text(planes.kubeconfig.read_text())

    def change(document: dict[str, Any]) -> None:
        for context in document["contexts"]:
            context["name"] = renamed.get(context["name"], context["name"])
        document["clusters"].append(NOWHERE)
        user = document["users"][0]["name"]
        document["contexts"].append({"name": "gone", "context": {"cluster": "gone", "user": user}})
        document["current-context"] = "gone"

    edit(path, change)
    return path


def test_an_administrator_finds_nothing_wrong(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, fleet_schema: dict[str, Any]
) -> None:
    done = orchestrator("fleet", "check", "-o", "json", workspace=workspace.root)
    found = by_context(done, fleet_schema)
    assert done.code == 0, done.stdout
    fleet = yaml.safe_load((workspace.root / "fleet.yaml").read_text())["spec"]["clusters"]
    assert [found[one["name"]]["uid"] for one in fleet] == [one["uid"] for one in fleet]
    for cluster in found.values():
        assert cluster["verdict"] == "verified"
        assert cluster["version"].startswith("v1.")
        assert cluster["roles"] == {"viewer": True, "operator": True, "responder": True}
        assert cluster["sandbox"] is True
        assert cluster["actor"]


def test_check_names_the_wrong_cluster_a_missing_pin_a_twin_and_a_country_that_nodes_contradict(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, fleet_schema: dict[str, Any]
) -> None:
    """Each fault is that cluster's alone, and contexts that the fleet leaves out are listed."""
    wrong, unpinned, misplaced = control_planes.clusters

    def spoil(document: dict[str, Any]) -> None:
        clusters = {one["name"]: one for one in document["spec"]["clusters"]}
        clusters[wrong]["uid"] = "00000000-0000-0000-0000-000000000000"
        del clusters[unpinned]["uid"]
        clusters[misplaced]["country"] = "NO"
        twin = {"name": "twin", "region": "here", "context": "twin"}
        document["spec"]["clusters"].append(twin)
        document["spec"]["kubeconfig"] = "kubeconfig"

    edit(workspace.root / "fleet.yaml", spoil)
    kubeconfig = kubeconfig_with(control_planes, workspace.root / "kubeconfig", {})

    def add_twin(document: dict[str, Any]) -> None:
        context = next(one for one in document["contexts"] if one["name"] == unpinned)
        document["contexts"].append({**context, "name": "twin"})

    edit(kubeconfig, add_twin)
    done = orchestrator("fleet", "check", "-o", "json", workspace=workspace.root)
    found = by_context(done, fleet_schema)
    assert done.code == 3
    assert (found[wrong]["verdict"], codes(found[wrong])) == ("unreachable", ["wrong-cluster"])
    assert found[wrong]["actor"] is None
    assert codes(found[unpinned]) == ["not-pinned"]
    assert found[unpinned]["uid"] in found[unpinned]["reasons"][0]["message"]
    assert codes(found[misplaced]) == ["geography"]
    assert "declared in NO" in found[misplaced]["reasons"][0]["message"]
    assert codes(found["twin"]) == ["not-pinned", "duplicate"]
    assert done.json["notCovered"] == ["gone"]

    table = orchestrator("fleet", "check", workspace=workspace.root)
    assert table.code == 3
    assert "not covered: contexts outside the fleet: gone" in table.stdout


def test_check_names_what_each_role_lacks(
    control_planes: ControlPlanes,
    workspace: TestWorkspace,
    orchestrator: Run,
    fleet_schema: dict[str, Any],
    namespace: str,
) -> None:
    """Somebody without any role still learns who they are, where the cluster tells its identity at all."""
    admin = Administrator(control_planes, control_planes.clusters[0], namespace)
    admin.kubectl("create", "serviceaccount", "nobody", "-n", namespace)
    user = admin.token({"name": "nobody", "namespace": namespace})
    kubeconfig = admin.kubeconfig(workspace.root / "kubeconfig", user)
    arguments = ("fleet", "check", "-o", "json", "--kubeconfig", str(kubeconfig))

    stranger = by_context(orchestrator(*arguments, workspace=workspace.root), fleet_schema)[admin.cluster]
    assert (stranger["verdict"], codes(stranger)) == ("unverified", ["forbidden"])
    assert "get namespaces" in stranger["reasons"][0]["message"]

    rule = [f"--verb={verb}" for verb in ("get", "list", "watch")] + ["--resource=namespaces,nodes,pods"]
    admin.kubectl("create", "clusterrole", f"{namespace}-some", *rule)
    account = f"--serviceaccount={namespace}:nobody"
    admin.kubectl("create", "clusterrolebinding", f"{namespace}-some", f"--clusterrole={namespace}-some", account)
    try:
        for _ in range(10):
            done = orchestrator(*arguments, "--role", "viewer", workspace=workspace.root)
            known = by_context(done, fleet_schema)[admin.cluster]
            if codes(known) == ["permission-missing"]:
                break
        assert (done.code, known["roles"]) == (3, {"viewer": False})
        assert known["actor"] == f"system:serviceaccount:{namespace}:nobody"
        message = known["reasons"][0]["message"]
        assert "get deployments.apps" in message
        assert "get secrets in orchestrator-system" in message
        assert "list pods" not in message
    finally:
        admin.kubectl("delete", f"clusterrolebinding/{namespace}-some", f"clusterrole/{namespace}-some")


def test_a_role_that_does_not_exist_is_a_usage_error(workspace: TestWorkspace, orchestrator: Run) -> None:
    done = orchestrator("fleet", "check", "--role", "viewr", workspace=workspace.root)
    assert done.code == 2
    assert "viewer" in done.stderr


@pytest.mark.slow
def test_import_pins_what_answers_and_names_what_does_not(
    control_planes: ControlPlanes, orchestrator: Run, fleet_schema: dict[str, Any], tmp_path: Path
) -> None:
    """Names are made safe; region and country are the nodes'; the unreachable costs exit 3 and nothing else."""
    first, second, third = control_planes.clusters
    renamed = {first: "arn:aws:eks:x:1:cluster/../Models_A", second: "models-a"}
    kubeconfig = kubeconfig_with(control_planes, tmp_path / "kubeconfig", renamed)
    root = tmp_path / "new"
    root.mkdir()
    arguments = ("fleet", "import", "-o", "json", "--kubeconfig", str(kubeconfig))

    dry = orchestrator(*arguments, "--dry-run", workspace=root)
    assert (dry.code, list(root.iterdir())) == (3, [])
    done = orchestrator(*arguments, workspace=root)
    found = by_context(done, fleet_schema)
    assert done.code == 3
    assert (found["gone"]["verdict"], found["gone"]["uid"]) == ("unreachable", None)

    written = yaml.safe_load((root / "fleet.yaml").read_text())["spec"]["clusters"]
    known = {one["uid"]: one for one in yaml.safe_load(control_planes.fleet_file.read_text())["spec"]["clusters"]}
    assert [(one["region"], one["country"]) for one in written] == [
        (known[one["uid"]]["region"], known[one["uid"]]["country"]) for one in written
    ]
    assert [one["name"] for one in written] == ["models-a", "models-a-2", third]
    assert len(written) == len(known)
    check = orchestrator("fleet", "check", "--kubeconfig", str(kubeconfig), workspace=root)
    assert check.code == 0, check.stdout + check.stderr
    assert "not covered: contexts outside the fleet: gone" in check.stdout

    again = orchestrator(*arguments, workspace=root)
    assert list(by_context(again, fleet_schema)) == ["gone"]
    assert yaml.safe_load((root / "fleet.yaml").read_text())["spec"]["clusters"] == written


def test_import_leaves_out_another_context_of_a_cluster_that_is_there(
    control_planes: ControlPlanes,
    workspace: TestWorkspace,
    orchestrator: Run,
    fleet_schema: dict[str, Any],
    tmp_path: Path,
) -> None:
    first = control_planes.clusters[0]
    kubeconfig = kubeconfig_with(control_planes, tmp_path / "kubeconfig", {first: "alias"})
    before = (workspace.root / "fleet.yaml").read_text()
    arguments = ("--context", "ali*", "--kubeconfig", str(kubeconfig), "-o", "json")
    done = orchestrator("fleet", "import", *arguments, workspace=workspace.root)
    found = by_context(done, fleet_schema)
    assert done.code == 0
    assert list(found) == ["alias"]
    assert codes(found["alias"]) == ["duplicate"]
    assert first in found["alias"]["reasons"][0]["message"]
    assert (workspace.root / "fleet.yaml").read_text() == before

    none = orchestrator("fleet", "import", "--context", "nothing-*", workspace=workspace.root)
    assert none.code == 2


def test_import_keeps_a_context_out_that_no_fleet_can_name(
    control_planes: ControlPlanes, orchestrator: Run, tmp_path: Path
) -> None:
    """Its name is somebody else's text: it reaches neither the terminal nor the document."""
    first, *others = control_planes.clusters
    kubeconfig = kubeconfig_with(control_planes, tmp_path / "kubeconfig", {first: "models \x1b[31m"})
    root = tmp_path / "new"
    root.mkdir()
    done = orchestrator("fleet", "import", "--context", "[!g]*", "--kubeconfig", str(kubeconfig), workspace=root)
    assert done.code == 3
    assert "rename it in the kubeconfig" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    written = yaml.safe_load((root / "fleet.yaml").read_text())["spec"]["clusters"]
    assert [one["name"] for one in written] == others


def versions(planes: ControlPlanes, cluster: str) -> dict[str, str]:
    """resourceVersions of everything that is prepared; what is not there is missing."""
    found = {}
    for obj in shipped():
        kind, metadata = obj["kind"], obj["metadata"]
        where = ("-n", metadata["namespace"]) if "namespace" in metadata else ()
        text = planes.kubectl(cluster, "get", kind, metadata["name"], *where, "-o", "json", "--ignore-not-found")
        if text:
            found[f"{kind}/{metadata['name']}"] = json.loads(text)["metadata"]["resourceVersion"]
    return found


def test_prepare_makes_namespace_and_roles_once(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, fleet_schema: dict[str, Any]
) -> None:
    """A dry run writes nothing, the first run everything, the second nothing again."""
    first = control_planes.clusters[0]
    roles = [f"{obj['kind']}/{obj['metadata']['name']}" for obj in shipped() if "rules" in obj]
    for role in (obj for obj in shipped() if "rules" in obj):
        where = ("-n", role["metadata"]["namespace"]) if "namespace" in role["metadata"] else ()
        control_planes.kubectl(first, "delete", role["kind"], role["metadata"]["name"], *where, "--ignore-not-found")
    before = versions(control_planes, first)
    assert not set(roles) & set(before)

    dry = orchestrator("fleet", "prepare", "--dry-run", "-o", "json", workspace=workspace.root)
    assert dry.code == 0, dry.stdout + dry.stderr
    assert versions(control_planes, first) == before

    done = orchestrator("fleet", "prepare", "-o", "json", workspace=workspace.root)
    assert {one["verdict"] for one in by_context(done, fleet_schema).values()} == {"verified"}
    after = {cluster: versions(control_planes, cluster) for cluster in control_planes.clusters}
    assert all(set(found) == {*roles, "Namespace/orchestrator-system"} for found in after.values())

    assert orchestrator("fleet", "prepare", workspace=workspace.root).code == 0
    assert {cluster: versions(control_planes, cluster) for cluster in control_planes.clusters} == after


def test_prepare_is_refused_by_name_where_it_is_not_permitted(
    control_planes: ControlPlanes,
    workspace: TestWorkspace,
    orchestrator: Run,
    fleet_schema: dict[str, Any],
    namespace: str,
) -> None:
    """Making roles needs an administrator: a viewer learns which object was refused and why; others are prepared."""
    admin = Administrator(control_planes, control_planes.clusters[0], namespace)
    subject = {"kind": "ServiceAccount", "name": "viewer", "namespace": namespace}
    admin.grant(subject, ("viewer",))
    try:
        kubeconfig = workspace.root / "kubeconfig"
        kubeconfig.write_text(control_planes.kubeconfig.read_text())

        def swap(document: dict[str, Any]) -> None:
            document["users"][0]["user"] = admin.token(subject)

        edit(kubeconfig, swap)
        arguments = ("fleet", "prepare", "-o", "json", "--kubeconfig", str(kubeconfig))
        found = by_context(orchestrator(*arguments, workspace=workspace.root), fleet_schema)
        refused, *others = (found[name] for name in control_planes.clusters)
        assert refused["verdict"] == "failed"
        assert "patch namespaces" in refused["reasons"][0]["message"]
        assert {one["verdict"] for one in others} == {"verified"}
    finally:
        admin.withdraw()
