"""Requests reach exactly the pods that the API servers say are there."""

from __future__ import annotations

import pytest

from tests.traffic.conftest import Regions
from tests.traffic.data_plane import ask_edge, ask_pod, listed_within

pytestmark = pytest.mark.traffic

MODEL = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: fable-5, labels: {app: fable-5}}
spec:
  replicas: 2
  selector: {matchLabels: {app: fable-5}}
  template:
    metadata: {labels: {app: fable-5}}
    spec:
      containers:
        - name: server
          image: registry.example/fable-server:5.2.0
          args: ["--serves=fable-5,fable-5-latest"]
          ports: [{name: http, containerPort: 8000}]
---
apiVersion: v1
kind: Service
metadata: {name: fable-5}
spec:
  selector: {app: fable-5}
  ports: [{name: http, port: 80, targetPort: http}]
"""


def test_a_model_is_reached_while_its_pods_run_and_only_there(regions: Regions, namespace: str) -> None:
    here, elsewhere = regions.clusters
    regions.kubectl(here, "apply", "-n", namespace, "-f", "-", stdin=MODEL)
    regions.kubectl(here, "rollout", "status", "deployment/fable-5", "-n", namespace, "--timeout=60s")

    pods = regions.addresses(here, namespace)

    assert len(pods) == 2
    assert [ask_pod(pod) for pod in pods] == [["fable-5", "fable-5-latest"]] * 2
    served = ["fable-5", "fable-5-latest"]
    assert listed_within(30, here, namespace, served) == served
    assert ask_edge(elsewhere, namespace) == []

    regions.kubectl(here, "scale", "deployment/fable-5", "-n", namespace, "--replicas=0")
    regions.kubectl(here, "wait", "pods", "--for=delete", "-l", "app=fable-5", "-n", namespace, "--timeout=60s")

    assert [ask_pod(pod) for pod in pods] == [None, None]
    assert listed_within(30, here, namespace, []) == []
