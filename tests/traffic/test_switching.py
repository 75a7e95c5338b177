"""What the tool calls verified is what clients see: requests to a model's endpoints, on and off, region by region."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.traffic.conftest import Regions
from tests.traffic.data_plane import EDGE_PORT, ask_edge, listed_within

pytestmark = pytest.mark.traffic

SERVED = ["fable-5", "fable-5-latest"]
EDGE = f"http://127.0.0.1:{EDGE_PORT}/{{cluster}}"

MODEL = """\
apiVersion: orchestrator/v1
kind: Model
metadata: {{name: fable-5}}
spec:
  serves: [fable-5, fable-5-latest]
  manifests: [.]
  replicas: 2
  probes: [{{url: "{edge}/{namespace}"}}]
"""
MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: fable-5, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: fable-5}}}}
  template:
    metadata: {{labels: {{app: fable-5}}}}
    spec:
      containers:
        - name: server
          image: registry.example/fable-server:5.2.0
          args: ["--serves={served}"]
          ports: [{{name: http, containerPort: 8000}}]
---
apiVersion: v1
kind: Service
metadata: {{name: fable-5, namespace: {namespace}}}
spec:
  selector: {{app: fable-5}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"""
PLAYBOOK = """\
apiVersion: orchestrator/v1
kind: Playbook
metadata: {{name: rollout}}
spec:
  models: [fable-5]
  steps:
    - name: everywhere
      enable: {{scope: {{all: true}}}}
      strategy: {{progressDeadline: 30s}}
      checks:
        - http: {{url: "{edge}/{namespace}/v1/models", contains: {contains}, within: 10s}}
"""


@dataclass(frozen=True)
class Tool:
    """The command line in a workspace of the test's own."""

    regions: Regions
    workspace: Path

    def __call__(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit code and the one document of a command."""
        done = self.regions.orchestrator(
            "-C", str(self.workspace), *arguments, "-o", "json", state=self.workspace / "state"
        )
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


def workspace(regions: Regions, folder: Path, namespace: str, *, served: str, contains: str) -> Tool:
    """A workspace whose pods serve, and whose check asks for, these names."""
    words = {"edge": EDGE, "namespace": namespace, "served": served, "contains": contains}
    model = folder / "manifests" / "fable-5"
    model.mkdir(parents=True)
    (folder / "playbooks").mkdir()
    for name in ("fleet.yaml", "kubeconfig"):
        shutil.copy(regions.directory / name, folder / name)
    (model / "model.yaml").write_text(MODEL.format(**words))
    (model / "server.yaml").write_text(MANIFESTS.format(**words))
    (folder / "playbooks" / "rollout.yaml").write_text(PLAYBOOK.format(**words))
    return Tool(regions, folder)


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {item["cluster"]: item["verdict"] for item in document["items"]}


def test_verified_on_means_served_and_verified_off_means_cut(regions: Regions, namespace: str, tmp_path: Path) -> None:
    on, off = regions.clusters
    tool = workspace(regions, tmp_path, namespace, served="fable-5,fable-5-latest", contains="fable-5-latest")

    code, applied = tool("apply", "playbooks/rollout.yaml")

    assert (code, verdicts(applied)) == (0, {on: "verified", off: "verified"}), applied
    assert [ask_edge(cluster, namespace) for cluster in (on, off)] == [SERVED, SERVED]

    code, disabled = tool("disable", "fable-5", "--cluster", off)

    assert (code, verdicts(disabled)) == (0, {off: "verified"}), disabled
    assert [ask_edge(cluster, namespace) for cluster in (on, off)] == [SERVED, []]
    assert disabled["items"][0]["times"]["lastPodGone"] is not None


def test_healthy_pods_that_serve_something_else_are_not_verified(
    regions: Regions, namespace: str, tmp_path: Path
) -> None:
    tool = workspace(regions, tmp_path, namespace, served="fable-4", contains="fable-4")

    code, applied = tool("apply", "playbooks/rollout.yaml")

    assert [listed_within(10, cluster, namespace, ["fable-4"]) for cluster in regions.clusters] == [["fable-4"]] * 2
    assert code == 1, applied
    assert "verified" not in verdicts(applied).values()


def test_a_check_that_real_answers_contradict_fails_the_step(regions: Regions, namespace: str, tmp_path: Path) -> None:
    tool = workspace(regions, tmp_path, namespace, served="fable-5,fable-5-latest", contains="mythos-5")

    code, applied = tool("apply", "playbooks/rollout.yaml")

    assert code == 1, applied
    assert "verified" not in verdicts(applied).values()
