"""Real control planes for the cluster tests: started once for the whole run, a fresh namespace for each test."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from orchestrator import sandbox
from orchestrator.documents import schemas
from tests.cluster.warm import run_command

KUBECTL = str(Path(sys.executable).with_name("kubectl"))
_AT_ONCE = 8
"""So many namespaces are cleared away together: that costs about as much as one alone."""


@dataclass(frozen=True)
class ControlPlanes:
    """Three real control planes that every test shares."""

    directory: Path
    kubeconfig: Path
    fleet_file: Path
    clusters: list[str]
    _retired: list[str] = field(default_factory=list, repr=False)

    def kubectl(self, cluster: str, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """What kubectl prints for one cluster; an independent client, so that we never judge ourselves by ourselves."""
        command = [KUBECTL, "--kubeconfig", str(self.kubeconfig), "--context", cluster, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout if done.returncode == 0 else done.stderr

    def read(self, cluster: str, *arguments: str) -> Any:
        """What `kubectl get` reads; None where the object is not there."""
        found = self.kubectl(cluster, "get", *arguments, "-o", "json", check=False)
        if "(NotFound)" in found.partition("\n")[0]:
            return None
        return json.loads(found)

    def everywhere(self, *arguments: str, stdin: str | None = None, check: bool = True) -> None:
        """The same kubectl command for every cluster, at once."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda cluster: self.kubectl(cluster, *arguments, stdin=stdin, check=check), self.clusters))

    def retire(self, namespace: str) -> None:
        """Delete a namespace without waiting, and soon whatever we keep of its models elsewhere."""
        self.everywhere("delete", "namespace", namespace, "--wait=false", check=False)
        self._retired.append(namespace)
        if len(self._retired) >= _AT_ONCE:
            self.clear_away(self._retired)
            self._retired.clear()

    def clear_away(self, namespaces: Collection[str]) -> None:
        """Delete guards and records of these namespaces' models: each makes every later command a little dearer."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda cluster: self._clear_away(cluster, namespaces), self.clusters))

    def _clear_away(self, cluster: str, namespaces: Collection[str]) -> None:
        for kinds, place in (
            ("validatingadmissionpolicybindings,validatingadmissionpolicies", ()),
            ("configmaps,secrets,leases", ("-n", "orchestrator-system")),
        ):
            listed = self.kubectl(cluster, "get", kinds, *place, "-o", "name", check=False).split()
            if names := [name for name in listed if any(namespace in name for namespace in namespaces)]:
                self.kubectl(cluster, "delete", *names, *place, "--ignore-not-found", "--wait=false", check=False)


@contextmanager
def started_control_planes(directory: Path) -> Iterator[ControlPlanes]:
    """Three of them in this folder, until the end of the block."""
    fleet_file = directory / "fleet.yaml"
    try:
        sandbox.up(directory, 3, lambda line: None)
        fleet = yaml.safe_load(fleet_file.read_text())
        yield ControlPlanes(
            directory=directory,
            kubeconfig=directory / "kubeconfig",
            fleet_file=fleet_file,
            clusters=[cluster["name"] for cluster in fleet["spec"]["clusters"]],
        )
    finally:
        sandbox.down(directory)


@pytest.fixture(scope="session")
def control_planes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlanes]:
    with started_control_planes(tmp_path_factory.mktemp("control-planes") / "sandbox") as planes:
        yield planes


@pytest.fixture
def namespace(control_planes: ControlPlanes) -> Iterator[str]:
    """A fresh namespace on every control plane, retired afterwards."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    control_planes.everywhere("create", "namespace", name)
    yield name
    control_planes.retire(name)


@dataclass(frozen=True)
class TestWorkspace:
    """A workspace of one test: its model is named after its namespace, because catalogues are the cluster's."""

    __test__ = False

    root: Path
    namespace: str

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.namespace

    def write(self, path: str, *documents: dict[str, Any]) -> Path:
        """Write YAML documents into the workspace."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump_all(documents, sort_keys=False))
        return file

    def write_model(self, *manifests: dict[str, Any], **spec: Any) -> None:
        """The model document, and its manifests (a Deployment `server` with one container when none are given)."""
        self.write(f"manifests/{self.model}/objects.yaml", *(manifests or (self.deployment(),)))
        if "adopt" not in spec:
            spec = {"manifests": ["."], **spec}
        self.write(
            f"manifests/{self.model}/model.yaml",
            {"apiVersion": "orchestrator/v1", "kind": "Model", "metadata": {"name": self.model}, "spec": spec},
        )

    def write_playbook(self, *steps: dict[str, Any], name: str | None = None, **spec: Any) -> str:
        """A playbook for the model; returns its path in the workspace."""
        name = name or f"{self.model}-rollout"
        document = {
            "apiVersion": "orchestrator/v1",
            "kind": "Playbook",
            "metadata": {"name": name},
            "spec": {"models": [self.model], "steps": list(steps), **spec},
        }
        return str(self.write(f"playbooks/{name}.yaml", document).relative_to(self.root))

    def deployment(
        self,
        name: str = "server",
        *,
        image: str = "registry.example/server:1",
        pod_labels: dict[str, str] | None = None,
        pod_annotations: dict[str, str] | None = None,
        requests: dict[str, str] | None = None,
        grace: int = 1,
        kind: str = "Deployment",
        **spec: Any,
    ) -> dict[str, Any]:
        """A Deployment or StatefulSet of the test's namespace."""
        labels = {"app": name}
        template = {
            "metadata": {"labels": {**labels, **(pod_labels or {})}, "annotations": pod_annotations or {}},
            "spec": {
                "terminationGracePeriodSeconds": grace,
                "containers": [{"name": "server", "image": image, "resources": {"requests": requests or {}}}],
            },
        }
        body = {"selector": {"matchLabels": labels}, "template": template, **spec}
        if kind == "StatefulSet":
            body["serviceName"] = name
        return {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": body,
        }


@pytest.fixture
def workspace(control_planes: ControlPlanes, namespace: str, tmp_path: Path) -> TestWorkspace:
    """A workspace over the shared control planes, empty but for its fleet."""
    root = tmp_path / "workspace"
    root.mkdir()
    fleet = yaml.safe_load(control_planes.fleet_file.read_text())
    fleet["spec"]["kubeconfig"] = str(control_planes.kubeconfig)
    (root / "fleet.yaml").write_text(yaml.safe_dump(fleet, sort_keys=False))
    return TestWorkspace(root, namespace)


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.stdout)

    def expect(self, code: int) -> Finished:
        """Itself, when it ended with this code; else everything that it said."""
        assert self.code == code, f"exit {self.code}, not {code}\n{self.stdout}\n{self.stderr}"
        return self

    def items(self) -> dict[str, dict[str, Any]]:
        """The items of a result for one model, by cluster."""
        return {item["cluster"]: item for item in self.json["items"]}


Run = Callable[..., Finished]


def check_contract(done: Finished) -> None:
    """Exactly one document on stdout, of a published kind, that says the exit code it came with."""
    document = done.json
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind in schemas.PRINTED_KINDS:
        for problem in Draft202012Validator(schemas.schema(kind)).iter_errors(document):
            raise AssertionError(f"{kind} {problem.json_path}: {problem.message}")
        # A plan is printed whatever the exit code says of it.
        assert kind == "Plan" or document["exitCode"] == done.code, f"{kind}, but the exit code is {done.code}"


def command_line(control_planes: ControlPlanes, home: Path) -> Run:
    """Runs the real command line as its user would, with a home and a state folder of its own."""

    def run(*arguments: str, workspace: Path | None = None, env: dict[str, str] | None = None) -> Finished:
        """Whatever is printed as JSON is held against the published schemas."""
        place = ["-C", str(workspace)] if workspace else []
        environment = {
            "PATH": str(Path(sys.executable).parent) + ":/usr/bin:/bin",
            "HOME": str(home),
            "ORCHESTRATOR_STATE": str(home / "state"),
            "KUBECONFIG": str(control_planes.kubeconfig),
            "NO_COLOR": "1",
            "COLUMNS": "160",
            **(env or {}),
        }
        done = run_command([*place, *arguments], environment, timeout=180)
        finished = Finished(done.returncode, done.stdout, done.stderr)
        if "json" in arguments:
            check_contract(finished)
        return finished

    return run


@pytest.fixture
def orchestrator(control_planes: ControlPlanes, tmp_path: Path) -> Run:
    """The real command line, with a home of the test's own."""
    return command_line(control_planes, tmp_path)
