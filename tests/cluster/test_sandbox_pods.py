"""How pods of a sandbox live, fail and go: the tables of docs/sandbox.md, row by row."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator import sandbox

CLUSTER = "eu-west-1"


def eventually(holds: Callable[[], Any], within: float = 20.0) -> Any:
    """The first true answer; an assertion error when there is none in time."""
    deadline = time.monotonic() + within
    while not (answer := holds()):
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.05)
    return answer


class Pod:
    """One bare pod of a test's namespace."""

    def __init__(self, api: Any, namespace: str, name: str) -> None:
        self.path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        self._api = api

    def live(self) -> dict[str, Any] | None:
        try:
            return self._api.get(self.path)
        except sandbox.ApiServerError as error:
            if error.status == 404:
                return None
            raise

    @property
    def status(self) -> dict[str, Any]:
        live = self.live()
        return live["status"] if live else {}

    def is_ready(self) -> bool:
        return {"type": "Ready", "status": "True"} in [
            {key: each[key] for key in ("type", "status")} for each in self.status.get("conditions", [])
        ]

    def waiting(self) -> dict[str, str]:
        containers = self.status.get("containerStatuses") or [{}]
        return containers[0].get("state", {}).get("waiting", {})

    def delete(self, grace: int | None = None) -> float:
        self._api.delete(self.path if grace is None else f"{self.path}?gracePeriodSeconds={grace}")
        return time.monotonic()


@pytest.fixture(scope="module")
def api(control_planes):
    with sandbox.attach(control_planes.directory).cluster(CLUSTER).api() as connection:
        yield connection


@pytest.fixture(scope="module")
def namespace(api):
    """One namespace for all pods of this file; each has a name of its own."""
    name = f"pods-{uuid.uuid4().hex[:8]}"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    eventually(lambda: has_service_account(api, name))
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def create(api, namespace):
    """Create a pod that behaves as its annotations (`sandbox.orchestrator.dev/…`) say."""

    def create_pod(limits: dict[str, str] | None = None, **behaviour: str) -> Pod:
        name = f"pod-{uuid.uuid4().hex[:8]}"
        annotations = {f"sandbox.orchestrator.dev/{key.replace('_', '-')}": value for key, value in behaviour.items()}
        container = {"name": "server", "image": "registry.example/fable:5", "resources": {"limits": limits or {}}}
        api.create(
            f"/api/v1/namespaces/{namespace}/pods",
            {"metadata": {"name": name, "annotations": annotations}, "spec": {"containers": [container]}},
        )
        return Pod(api, namespace, name)

    return create_pod


def has_service_account(api: Any, namespace: str) -> bool:
    accounts = api.get(f"/api/v1/namespaces/{namespace}/serviceaccounts")["items"] or []
    return any(each["metadata"]["name"] == "default" for each in accounts)


def test_a_plain_pod_becomes_ready_and_goes_without_waiting_for_its_grace_period(create):
    """The default grace period is 30 s; nothing is there that would need it."""
    pod = create()
    eventually(pod.is_ready)

    deleted = pod.delete()
    eventually(lambda: pod.live() is None)

    assert time.monotonic() - deleted < 20


def test_a_running_pod_has_what_a_kubelet_reports(create, api):
    pod = create()
    eventually(pod.is_ready)

    status = pod.status

    assert status["phase"] == "Running"
    assert {each["type"] for each in status["conditions"]} >= {
        "PodScheduled", "Initialized", "ContainersReady", "Ready", "PodReadyToStartContainers",
    }  # fmt: skip
    assert status["podIP"].startswith("10.65."), "each cluster has a pod range of its own"
    assert status["hostIP"].startswith("10.65.255.")
    (container,) = status["containerStatuses"]
    assert container["ready"]
    assert container["started"]
    assert "running" in container["state"]


def test_ready_after_delays_readiness(create):
    pod = create(ready_after="4s")
    created = time.monotonic()

    eventually(lambda: any(each["type"] == "PodScheduled" for each in pod.status.get("conditions", [])))
    assert not pod.is_ready()
    eventually(pod.is_ready)

    assert time.monotonic() - created > 2.5


def test_gone_after_keeps_a_deleted_pod_terminating(create):
    """The last pod of a model is not gone because somebody asked it to go."""
    pod = create(gone_after="5s")
    eventually(pod.is_ready)

    deleted = pod.delete()
    time.sleep(3)
    terminating = pod.live()
    eventually(lambda: pod.live() is None)

    assert terminating is not None
    assert terminating["metadata"]["deletionTimestamp"]
    assert time.monotonic() - deleted > 3.5


def test_a_terminating_pod_does_not_start_anew_when_it_is_modified(create, api):
    pod = create(gone_after="4s")
    eventually(pod.is_ready)

    deleted = pod.delete()
    for number in range(5):
        time.sleep(0.7)
        if pod.live() is not None:
            api.merge(pod.path, {"metadata": {"labels": {"touched": str(number)}}})
    eventually(lambda: pod.live() is None, within=5)

    assert time.monotonic() - deleted < 8


def test_a_shorter_grace_ends_a_terminating_pod(create):
    """As with a kubelet: a second delete with a short grace is the way to hurry."""
    pod = create(gone_after="25s")
    eventually(pod.is_ready)
    pod.delete()
    time.sleep(1)
    assert pod.live() is not None

    pod.delete(grace=1)

    eventually(lambda: pod.live() is None, within=10)


def test_a_crash_loop_is_told_in_the_kubelets_words(create):
    pod = create(fail="crash-loop")

    waiting = eventually(lambda: pod.waiting().get("reason") == "CrashLoopBackOff" and pod.waiting())

    (container,) = pod.status["containerStatuses"]
    assert waiting["message"].startswith("back-off")
    assert container["restartCount"] >= 1
    assert container["lastState"]["terminated"]["exitCode"] == 1
    assert not pod.is_ready()


def test_fail_after_lets_a_pod_work_first(create):
    """A soak is there to catch this."""
    pod = create(fail="crash-loop", fail_after="4s")
    eventually(pod.is_ready)
    ready = time.monotonic()

    eventually(lambda: pod.waiting().get("reason") == "CrashLoopBackOff")

    assert time.monotonic() - ready > 2
    assert not pod.is_ready()


def test_an_image_that_is_not_found_ends_in_back_off(create):
    pod = create(fail="image-not-found")
    seen = []

    def backs_off() -> bool:
        waiting = pod.waiting()
        if waiting and waiting not in seen:
            seen.append(waiting)
        return waiting.get("reason") == "ImagePullBackOff"

    eventually(backs_off)

    assert [each["reason"] for each in seen] == ["ErrImagePull", "ImagePullBackOff"]
    assert all("not found" in each["message"] for each in seen)
    assert pod.status["phase"] == "Pending"


@pytest.mark.parametrize(
    ("fail", "reason"), [("config-error", "CreateContainerConfigError"), ("invalid-image", "InvalidImageName")]
)
def test_containers_that_cannot_be_created_wait_with_the_reason(create, fail, reason):
    pod = create(fail=fail)

    eventually(lambda: pod.waiting().get("reason") == reason)

    assert pod.status["phase"] == "Pending"


def test_never_ready_runs_and_is_not_ready(create):
    pod = create(fail="never-ready")

    eventually(lambda: pod.status.get("phase") == "Running")
    time.sleep(1)

    assert not pod.is_ready()
    assert "running" in pod.status["containerStatuses"][0]["state"]


def test_an_evicted_pod_is_failed_with_its_containers_ended(create):
    pod = create(fail="evicted")

    eventually(lambda: pod.status.get("phase") == "Failed")

    assert pod.status["reason"] == "Evicted"
    assert "terminated" in pod.status["containerStatuses"][0]["state"]


def test_failing_pods_go_when_they_are_deleted(create):
    pods = [create(fail=fail) for fail in ("crash-loop", "image-not-found", "never-ready", "evicted")]
    for pod in pods:
        eventually(lambda pod=pod: "podIP" in pod.status or pod.status.get("phase") == "Failed")
        pod.delete()

    for pod in pods:
        eventually(lambda pod=pod: pod.live() is None)


def test_a_request_that_no_node_can_meet_stays_unscheduled(create):
    """The scheduler's own judgement, and its own words."""
    pod = create(limits={"nvidia.com/gpu": "9"})

    def is_refused() -> bool:
        conditions = pod.status.get("conditions", [])
        return any(each["type"] == "PodScheduled" and each["reason"] == "Unschedulable" for each in conditions)

    eventually(is_refused)
    assert "Insufficient nvidia.com/gpu" in json.dumps(pod.status)


def test_a_pod_of_a_job_succeeds(control_planes, namespace):
    control_planes.kubectl(CLUSTER, "-n", namespace, "create", "job", "load", "--image=registry.example/loader")

    control_planes.kubectl(CLUSTER, "-n", namespace, "wait", "--for=condition=complete", "job/load", "--timeout=30s")
