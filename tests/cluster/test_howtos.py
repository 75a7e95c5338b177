"""The how-tos, followed word for word on real control planes; what they have their reader write is tried out, too."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator import sandbox
from orchestrator.core.objects import LABEL_RECORD, SYSTEM_NAMESPACE
from tests.cluster.conftest import ControlPlanes, TestWorkspace
from tests.cluster.howtos import HOWTOS, House, Reader, blocks_of, environment
from tests.cluster.orders import wait_until
from tests.package.readme_blocks import Block

FOLLOWED = ("first-fleet", "adopt", "drill", "lifting")
"""In this order: each goes on where the one before ended."""
WRITTEN = ("a-kind", "a-check")


def starts_a_sandbox(block: Block) -> bool:
    return "sandbox up" in block.text


@pytest.fixture
def reader(control_planes: ControlPlanes, tmp_path: Path) -> Iterator[Reader]:
    """A reader of the pages, in whose region us-east somebody else has deployed saga-2."""
    control_planes.everywhere("delete", "configmap,secret", "-n", SYSTEM_NAMESPACE, "-l", LABEL_RECORD)
    theirs = TestWorkspace(tmp_path, "saga").deployment("saga-2", image="registry.example/saga-server:2", replicas=2)
    theirs["metadata"]["labels"] = {"app": "saga-2"}
    cluster = control_planes.clusters[0]
    control_planes.kubectl(cluster, "create", "namespace", "saga")
    control_planes.kubectl(cluster, "apply", "-f", "-", stdin=yaml.safe_dump(theirs))
    control_planes.kubectl(cluster, "-n", "saga", "rollout", "status", "deployment/saga-2", "--timeout=60s")
    yield Reader(tmp_path, control_planes.kubeconfig)
    sandbox.down(tmp_path / "shape")
    gone = ("delete", "namespace", "saga", "mythos", "--ignore-not-found", "--wait=false")
    control_planes.everywhere(*gone, check=False)


def test_every_page_is_followed_or_written() -> None:
    assert sorted(path.stem for path in HOWTOS.glob("*.md")) == sorted((*FOLLOWED, *WRITTEN))


@pytest.mark.parametrize("page", [*FOLLOWED, *WRITTEN])
def test_a_file_is_named_where_it_is_shown(page: str) -> None:
    """Whoever reads the page, and not its source, sees where a block belongs."""
    lines = (HOWTOS / f"{page}.md").read_text().splitlines()
    for block in blocks_of(page):
        if block.file and not block.file.startswith("playbooks/saga-3"):
            assert f"`{block.file}`" in "".join(lines[block.line - 5 : block.line - 1]), f"{page}.md:{block.line}"


@pytest.mark.slow
def test_the_pages_followed_one_after_the_other(reader: Reader, control_planes: ControlPlanes) -> None:
    """A fleet, an adopted model off and on, a drill, an order and its end; the model is as it was."""
    for page in FOLLOWED:
        reader.follow(page, skips=starts_a_sandbox)
    live = control_planes.read(control_planes.clusters[0], "deployment/saga-2", "-n", "saga")
    assert live["spec"]["replicas"] == live["status"]["readyReplicas"] == 2
    assert live["metadata"]["generation"] == 5, "written by its owner, and scaled four times: its template never was"


@pytest.mark.long
def test_a_fleets_shape_is_rehearsed_on_this_machine(reader: Reader) -> None:
    reader.follow("first-fleet")
    for block in blocks_of("drill"):
        if starts_a_sandbox(block):
            reader.type_block("drill", block)


def test_the_kind_of_the_page_judges_its_own_samples(tmp_path: Path) -> None:
    house = House.with_files_of("a-kind", tmp_path)
    done = house.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/kinds", env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "engines.serving.example"},
    "spec": {
        "group": "serving.example",
        "names": {"plural": "engines", "singular": "engine", "kind": "Engine"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                },
            }
        ],
    },
}


@pytest.mark.slow
def test_the_kind_of_the_page_is_switched_on_and_off_and_proven(
    control_planes: ControlPlanes, workspace: TestWorkspace, tmp_path: Path
) -> None:
    """Unknown before; then believed only as far as its operator reports, and off only once nothing is left."""
    cluster, namespace = control_planes.clusters[0], workspace.namespace
    control_planes.kubectl(cluster, "apply", "-f", "-", stdin=yaml.safe_dump(DEFINITION))
    control_planes.kubectl(cluster, "wait", "--for=condition=Established", "crd/engines.serving.example")
    deployment = workspace.deployment("fable")
    workspace.write_model(
        {**deployment, "apiVersion": "serving.example/v1", "kind": "Engine", "metadata": deployment["metadata"]},
        replicas=2,
    )
    house = House.with_files_of("a-kind", tmp_path / "house")
    env = environment(tmp_path, control_planes.kubeconfig)

    def run(*arguments: str) -> Any:
        command = ("-C", str(workspace.root), *arguments, "--cluster", cluster, "-o", "json")
        done = house.python("-m", "orchestrator", *command, env=env)
        return json.loads(done.stdout) if done.stdout else pytest.fail(done.stderr)

    def report(**status: int) -> None:
        """As the operator does, once it has seen the newest generation."""
        live = control_planes.read(cluster, "engine/fable", "-n", namespace)
        patch = {"status": {"observedGeneration": live["metadata"]["generation"], **status}}
        where = ("engine/fable", "-n", namespace, "--subresource=status", "--type=merge")
        control_planes.kubectl(cluster, "patch", *where, "-p", json.dumps(patch))

    try:
        with _meanwhile(lambda: _reported(control_planes, cluster, namespace, 2, lambda: report(replicas=2))):
            short = run("enable", workspace.model, "--progress-deadline", "6s")
        assert short["items"][0]["verdict"] == "failed", "no replica was reported ready"
        report(replicas=2, readyReplicas=2)
        on = run("enable", workspace.model)
        assert (on["items"][0]["verdict"], on["items"][0]["replicas"]["desired"]) == ("verified", 2)
        with _meanwhile(lambda: _reported(control_planes, cluster, namespace, 0, lambda: report(replicas=0))):
            off = run("disable", workspace.model)
        assert (off["items"][0]["verdict"], off["items"][0]["state"]) == ("verified", "disabled"), off["items"][0]
    finally:
        control_planes.kubectl(cluster, "delete", "crd", "engines.serving.example", "--wait=false")


def _reported(planes: ControlPlanes, cluster: str, namespace: str, replicas: int, report: Any) -> None:
    def is_asked() -> bool:
        live = planes.read(cluster, "engine/fable", "-n", namespace)
        return live is not None and live["spec"].get("replicas", 1) == replicas

    wait_until(is_asked, seconds=60)
    report()


@contextmanager
def _meanwhile(action: Any) -> Iterator[None]:
    """Something that goes on beside the command, and has to succeed as well."""
    failures: list[BaseException] = []

    def act() -> None:
        try:
            action()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    yield
    thread.join()
    assert not failures, failures


@pytest.fixture
def endpoint() -> Iterator[tuple[str, dict[str, float]]]:
    """Answers after `delay` seconds."""
    behaviour = {"delay": 0.0}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(behaviour["delay"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Nothing on the tests' stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", behaviour
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_check_of_the_page_opens_and_closes_the_next_step(
    control_planes: ControlPlanes,
    workspace: TestWorkspace,
    tmp_path: Path,
    endpoint: tuple[str, dict[str, float]],
) -> None:
    """The page's own playbook, with a model and an endpoint of the test: fast enough passes, too slow is failed."""
    url, behaviour = endpoint
    house = House.with_files_of("a-check", tmp_path / "house")
    (shown,) = (block for block in blocks_of("a-check") if block.language == "yaml")
    text = shown.text.replace("https://{region}.models.example", url + "/{region}").replace("saga-3", workspace.model)
    workspace.write_model(replicas=1)
    (workspace.root / "playbooks").mkdir()
    (workspace.root / "playbooks/page.yaml").write_text(text.replace("0.8s", "20s"))
    env = environment(tmp_path, control_planes.kubeconfig)

    def apply() -> Any:
        command = ("-m", "orchestrator", "-C", str(workspace.root), "apply", "playbooks/page.yaml", "-o", "json")
        return json.loads(house.python(*command, env=env).stdout)

    passed = apply()
    assert passed["outcome"] == "verified", passed
    (workspace.root / "playbooks/page.yaml").write_text(text)
    behaviour["delay"] = 1.5
    workspace.write_model(workspace.deployment(image="registry.example/server:2"), replicas=1)
    closed = apply()
    assert closed["outcome"] == "failed", closed
    assert "too-slow" in {reason["code"] for item in closed["items"] for reason in item["reasons"]}
    assert {item["verdict"] for item in closed["items"]} == {"failed", "not_run"}


def test_a_wrong_parameter_of_the_check_is_an_error_with_its_line(workspace: TestWorkspace, tmp_path: Path) -> None:
    house = House.with_files_of("a-check", tmp_path / "house")
    (shown,) = (block for block in blocks_of("a-check") if block.language == "yaml")
    workspace.write_model()
    text = shown.text.replace("saga-3", workspace.model).replace("atMost", "atMots")
    workspace.write("playbooks/page.yaml", yaml.safe_load(text))
    done = house.python(
        *("-m", "orchestrator", "-C", str(workspace.root), "plan", "playbooks/page.yaml"),
        env=environment(tmp_path, tmp_path / "none"),
    )
    assert done.returncode == 2
    assert "page.yaml:" in done.stderr and "atMost" in done.stderr, done.stderr
