"""The shipped roles give exactly what is needed, as the real RBAC authorizer sees it."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.sandbox.certificates import Authority
from tests.cluster import everything as kinds
from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace, command_line
from tests.cluster.grants import Administrator, Permission, permissions
from tests.cluster.legs import LEGS, LOOKING, SHOWN, Leg, Stage, narrow, walk

BOTH = ("viewer", "operator")
SAMPLE = (
    "list pods",
    "list endpointslices.discovery.k8s.io",
    "get applications.argoproj.io",
    "watch pods",
    "patch deployments.apps",
    "update leases.coordination.k8s.io",
)
"""What every test run takes away; the long ones take away each permission in turn."""


def cases(role: str) -> list[Any]:
    """One case for each permission of a role."""
    return [
        pytest.param(one, id=str(one), marks=[] if str(one) in SAMPLE else [pytest.mark.long])
        for one in permissions()
        if one.role.endswith(role)
    ]


@pytest.fixture(scope="module")
def foreign_kinds(control_planes: ControlPlanes) -> Iterator[None]:
    """KEDA's, Argo CD's and Flux's kinds are served for as long as these tests run."""
    admin = Administrator(control_planes, control_planes.clusters[0], "foreign")
    names = [f"crd/{plural}.{group}" for group, _, plural, _ in kinds.FOREIGN_KINDS]
    admin.apply(*(kinds.definition(*parts) for parts in kinds.FOREIGN_KINDS))
    admin.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)
    yield
    admin.kubectl("delete", *names)


@pytest.fixture
def admin(control_planes: ControlPlanes, namespace: str) -> Iterator[Administrator]:
    administrator = Administrator(control_planes, control_planes.clusters[0], namespace)
    yield administrator
    names = (f"{namespace}-{suffix}" for suffix in ("all", "bad"))
    administrator.withdraw(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names))


@pytest.fixture(scope="module")
def shown(
    control_planes: ControlPlanes, foreign_kinds: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Models that an administrator switched, for everybody to look at."""
    home, name = tmp_path_factory.mktemp("shown"), f"t-{uuid.uuid4().hex[:8]}"
    admin = Administrator(control_planes, control_planes.clusters[0], name)
    admin.kubectl("create", "namespace", name)
    (home / "fleet.yaml").write_text(control_planes.fleet_file.read_text())
    country = narrow(home, admin.cluster, control_planes.kubeconfig)
    stage = Stage(admin, TestWorkspace(home, name), command_line(control_planes, home), country)
    try:
        for leg, done in walk(stage, SHOWN):
            assert done.code == leg.code, (leg.name, done.stdout, done.stderr)
        yield stage
    finally:
        admin.kubectl("delete", "namespace", name, f"{name}-all", "--wait=false", "--ignore-not-found")


def checked(stage: Stage, missing: Permission | None, roles: tuple[str, ...] = BOTH) -> Finished:
    """`fleet check`, once the authorizer has heard of every role; it names exactly the missing permission."""
    options = [word for role in roles for word in ("--role", role)]
    lacks: list[str] = []
    for _ in range(10):
        done = stage.run("fleet", "check", *options)
        (cluster,) = done.json["clusters"]
        lacks = [one["message"].split(" lacks: ")[1] for one in cluster["reasons"] if " lacks: " in one["message"]]
        if missing is None and not cluster["reasons"]:
            return done
        if names(done, missing) and all("," not in words for words in lacks):
            return done
        time.sleep(0.3)
    raise AssertionError((missing, done.stdout, done.stderr))


def names(done: Finished, missing: Permission | None) -> bool:
    """Whether a command says which permission it misses."""
    said = (done.stdout + done.stderr).replace(" in ", "\n").split("\n")
    return missing is not None and any(f"{missing}" in line for line in said)


_COST_LESS = ("lock-left", "not-watched")
"""Reasons that take nothing from what a consistent list proves."""


def notices(stage: Stage, missing: Permission, legs: tuple[Leg, ...]) -> str:
    """The first command that misses the permission: it must say so, and claim nothing that rests on it."""
    for leg, done in walk(stage, legs):
        if done.code == leg.code and not names(done, missing):
            continue
        assert names(done, missing), (leg.name, done.stdout, done.stderr)
        items = done.json.get("items", ()) if done.stdout else ()
        for item in items:
            blocking = [reason["code"] for reason in item["reasons"] if reason["code"] not in _COST_LESS]
            assert not (item["verdict"] == "verified" and blocking), item
            assert item["verdict"] != "verified" or item["reasons"], item
        return leg.name
    raise AssertionError(f"no command misses {missing}: the role gives too much")


@pytest.mark.slow
def test_every_command_works_with_the_roles(
    control_planes: ControlPlanes,
    foreign_kinds: None,
    admin: Administrator,
    workspace: TestWorkspace,
    orchestrator: Run,
) -> None:
    """A user with a client certificate, who is bound to viewer and operator and nothing else."""
    pki = control_planes.directory / "clusters" / admin.cluster / "pki"
    pair = Authority(pki).client(f"user-{admin.prefix}", admin.prefix, group="switchers")
    admin.grant({"kind": "User", "name": admin.prefix}, BOTH)
    user = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
    country = narrow(workspace.root, admin.cluster, admin.kubeconfig(workspace.root / "kubeconfig", user))
    stage = Stage(admin, workspace, orchestrator, country)

    check = checked(stage, None).json["clusters"][0]
    assert (check["verdict"], check["actor"]) == ("verified", admin.prefix)
    assert check["roles"] == {"viewer": True, "operator": True}
    for leg, done in walk(stage):
        assert done.code == leg.code, (leg.name, done.stdout, done.stderr)
        assert "not permitted" not in done.stdout + done.stderr, (leg.name, done.stdout, done.stderr)


def viewer(stage: Stage, admin: Administrator, home: Path, missing: Permission | None) -> Stage:
    """The same workspace as a service account sees it that is bound to the viewer's role."""
    subject = {"kind": "ServiceAccount", "name": "viewer", "namespace": admin.prefix}
    admin.grant(subject, ("viewer",), missing)
    workspace = TestWorkspace(home / "workspace", stage.name)
    narrow(workspace.root, admin.cluster, admin.kubeconfig(home / "kubeconfig", admin.token(subject)))
    for folder in ("manifests", "playbooks"):
        shutil.copytree(stage.workspace.root / folder, workspace.root / folder)
    return Stage(admin, workspace, stage.orchestrator, stage.country)


@pytest.mark.slow
def test_a_viewer_looks_and_changes_nothing(
    shown: Stage, admin: Administrator, workspace: TestWorkspace, tmp_path: Path
) -> None:
    """What a viewer may not do is refused by the first verb that is missing, with nothing sent."""
    stage = viewer(shown, admin, tmp_path, None)
    check = checked(stage, None, ("viewer",)).json["clusters"][0]
    assert check["actor"] == f"system:serviceaccount:{admin.prefix}:viewer"
    for leg, done in walk(stage, LOOKING):
        assert done.code == leg.code, (leg.name, done.stdout, done.stderr)
        assert "not permitted" not in done.stdout + done.stderr, (leg.name, done.stdout, done.stderr)
    refused = stage.run("disable", f"{stage.name}-all", "--all")
    assert refused.code == 1
    (item,) = refused.json["items"]
    assert (item["verdict"], item["changed"]) == ("failed", False)
    assert "create leases.coordination.k8s.io in orchestrator-system" in item["reasons"][0]["message"]


@pytest.mark.parametrize("missing", cases("viewer"))
def test_each_permission_of_a_viewer_is_missed_by_name(
    shown: Stage, admin: Administrator, workspace: TestWorkspace, tmp_path: Path, missing: Permission
) -> None:
    stage = viewer(shown, admin, tmp_path, missing)
    checked(stage, missing, ("viewer",))
    notices(stage, missing, LOOKING)


@pytest.mark.parametrize("missing", cases("operator"))
def test_each_permission_of_an_operator_is_missed_by_name(
    foreign_kinds: None,
    admin: Administrator,
    workspace: TestWorkspace,
    orchestrator: Run,
    missing: Permission,
) -> None:
    subject = {"kind": "ServiceAccount", "name": "operator", "namespace": admin.prefix}
    admin.grant(subject, BOTH, missing)
    kubeconfig = admin.kubeconfig(workspace.root / "kubeconfig", admin.token(subject))
    country = narrow(workspace.root, admin.cluster, kubeconfig)
    stage = Stage(admin, workspace, orchestrator, country)
    checked(stage, missing)
    notices(stage, missing, LEGS)


def test_where_nodes_may_not_be_listed_no_declared_country_is_relied_upon(
    admin: Administrator, workspace: TestWorkspace, orchestrator: Run
) -> None:
    """Nobody could notice that it stands elsewhere: it is out of every `enable --in`, and nothing is sent."""
    (missing,) = (one for one in permissions() if str(one) == "list nodes")
    subject = {"kind": "ServiceAccount", "name": "blind", "namespace": admin.prefix}
    admin.grant(subject, BOTH, missing)
    kubeconfig = admin.kubeconfig(workspace.root / "kubeconfig", admin.token(subject))
    country = narrow(workspace.root, admin.cluster, kubeconfig)
    checked(Stage(admin, workspace, orchestrator, country), missing)
    workspace.write_model(replicas=1)
    done = orchestrator("enable", workspace.model, "--in", country, "-o", "json", workspace=workspace.root)
    assert done.code == 2
    assert "list nodes" in done.stdout
    assert admin.kubectl("get", "deployments", "-n", workspace.namespace, "-o", "name") == ""
    _relies_on_no_country_of_a_model(workspace, orchestrator, country)


def _relies_on_no_country_of_a_model(workspace: TestWorkspace, orchestrator: Run, country: str) -> None:
    """What holds in a country of one model alone makes its nodes matter, whatever the playbook's scope is."""
    workspace.write_model(replicas=1, overrides=[{"scope": {"in": [country]}, "replicas": 7}])
    playbook = workspace.write_playbook({"name": "on", "enable": {"scope": {"all": True}}})
    planned = orchestrator("plan", playbook, "-o", "json", workspace=workspace.root).expect(0)
    (item,) = planned.json["plan"]["waves"][0]["clusters"][0]["items"]
    assert [change["replicas"] for change in item["changes"] if change["verb"] == "scale"] == []
    assert item["entry"]["replicas"] == {f"apps/Deployment {workspace.namespace}/server": 1}


def test_the_sample_is_of_permissions_that_the_roles_give() -> None:
    """A permission that was renamed must not silently leave every test run."""
    assert set(SAMPLE) <= {str(one) for one in permissions()}
