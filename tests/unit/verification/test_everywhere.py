"""Looking in every namespace: one watch that keeps nothing of others, a fallback, and a search that names workloads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator import plugins
from orchestrator.core.model import Match, Model
from orchestrator.core.objects import LABEL_MODEL, GroupKind, JsonObject
from orchestrator.core.observation import Subject
from orchestrator.core.verdict import Readiness, State, Want
from orchestrator.errors import Forbidden
from orchestrator.verification.following import FollowedList
from orchestrator.verification.keeping import pods_to_keep, templates_to_keep
from orchestrator.verification.needs import needs_of
from tests.unit.verification.doubles import quiet
from tests.unit.verification.waits import Wait, deployment, pod, subject

MODEL = Model(name="fable-5", match=Match(images=("registry.example/fable",), weights=("s3://weights/fable",)))


@pytest.fixture
async def wait() -> Wait:
    return Wait()


def held() -> Subject:
    return replace(subject(Want.DISABLED, MODEL), is_everywhere=True, guard="proven")


def foreign(name: str, *, image: str = "registry.example/other:1", **labels: str) -> JsonObject:
    """A pod in a namespace that nobody has on record."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "elsewhere", "labels": labels, "uid": name},
        "spec": {"containers": [{"name": "c", "image": image}]},
        "status": {"phase": "Running"},
    }


def workload(kind: str, *, image: str = "registry.example/other:1", **metadata: object) -> JsonObject:
    template = {"spec": {"containers": [{"name": "c", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "w", "namespace": "elsewhere", **metadata},
        "spec": {"replicas": 1, "template": template},
    }


def test_pods_are_watched_once_for_all_namespaces() -> None:
    assert [(need.namespace, need.model) for need in needs_of(held()) if need.kind == "Pod"] == [("", "fable-5")]


@pytest.mark.parametrize(
    ("one", "is_kept"),
    [
        (foreign("a"), False),
        (foreign("a", image="registry.example/fable@sha256:1"), True),
        (foreign("a", **{LABEL_MODEL: "fable-5"}), True),
        (foreign("a", **{LABEL_MODEL: "mythos-5"}), False),
        (pod("of a known namespace"), True),
        ({"metadata": {"namespace": "elsewhere"}, "spec": {"containers": [7]}}, True),
    ],
)
def test_what_can_matter_is_kept(one: JsonObject, *, is_kept: bool) -> None:
    """By a mark of the model, by a known namespace, and where it cannot be read."""
    assert pods_to_keep(held())(one) is is_kept


def test_a_watch_keeps_nothing_of_others_and_all_of_what_it_once_kept() -> None:
    """A foreign pod's changes wake nobody; a pod whose mark is taken off stays until it is deleted."""
    from orchestrator.core.ports import Change, ChangeType

    followed, woken = FollowedList(pods_to_keep(held())), []
    followed.listeners.add(lambda: woken.append(1))
    followed.take(Change(ChangeType.ADDED, foreign("a")))
    followed.take(Change(ChangeType.DELETED, foreign("a")))
    assert (list(followed.objects), woken) == ([], [])
    followed.take(Change(ChangeType.ADDED, foreign("b", **{LABEL_MODEL: "fable-5"})))
    followed.take(Change(ChangeType.MODIFIED, foreign("b")))
    assert ([one["metadata"]["name"] for one in followed.objects], len(woken)) == (["b"], 2)
    followed.take(Change(ChangeType.DELETED, foreign("b")))
    assert list(followed.objects) == []


async def test_a_stray_that_appears_during_the_soak_ends_it(wait: Wait) -> None:
    """In a namespace that nobody has on record: seen by the watch, and never called off."""
    wait.cluster.show(deployment(0))
    task = await wait.begin(held(), within=30.0, soak=20.0)
    wait.cluster.show(foreign("late", image="registry.example/fable:1"))
    await wait.clock.advance(40.0)
    settled = await task
    assert settled.judgement.readiness is Readiness.UNKNOWN
    assert {reason.code for reason in settled.judgement.reasons} == {"stray"}


async def test_where_pods_may_not_be_read_everywhere_the_known_namespaces_still_are(wait: Wait) -> None:
    """It waits for the pods it can see, and is not verified for what it cannot."""
    wait.cluster.show(deployment(0))
    wait.cluster.show(pod(is_terminating=True))
    wait.cluster.forbidden_everywhere["Pod"] = Forbidden("not permitted: list pods")
    task = await wait.begin(held())
    assert not task.done()
    wait.cluster.hide(pod(is_terminating=True))
    await wait.clock.advance(1.0)
    await quiet()
    settled = await task
    assert (settled.judgement.readiness, settled.judgement.state) == (Readiness.UNKNOWN, State.UNKNOWN)
    assert [(reason.code, reason.message) for reason in settled.judgement.reasons] == [
        ("forbidden", "not permitted: list pods")
    ]


@pytest.mark.parametrize(
    ("obj", "is_models"),
    [
        pytest.param(workload("Deployment"), False, id="nothing of it"),
        pytest.param(workload("Deployment", image="registry.example/fable:2"), True, id="its image in the template"),
        pytest.param(workload("Deployment", labels={LABEL_MODEL: "fable-5"}), True, id="our label on the object"),
        pytest.param(
            workload("Deployment", image="registry.example/fable:2", labels={LABEL_MODEL: "mythos-5"}),
            False,
            id="another model's",
        ),
        pytest.param(
            workload(
                "ReplicaSet",
                image="registry.example/fable:2",
                ownerReferences=[{"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "controller": True}],
            ),
            False,
            id="made by a Deployment, which is found itself",
        ),
        pytest.param(
            workload(
                "ReplicaSet",
                image="registry.example/fable:2",
                ownerReferences=[{"apiVersion": "x.example/v1", "kind": "Odd", "name": "o", "controller": True}],
            ),
            True,
            id="made by a stranger",
        ),
    ],
)
def test_workloads_are_recognised_by_what_they_would_start(obj: JsonObject, *, is_models: bool) -> None:
    kind = plugins.kinds()[GroupKind("apps", obj["kind"])]
    assert templates_to_keep(held(), kind)(obj) is is_models


async def test_a_search_finds_pods_and_workloads_and_says_what_it_may_not_see(wait: Wait) -> None:
    wait.cluster.show(foreign("p", image="registry.example/fable:1"))
    wait.cluster.show(foreign("q"))
    wait.cluster.show(workload("StatefulSet", image="registry.example/fable:1"))
    wait.cluster.errors["DaemonSet"] = Forbidden("not permitted: list daemonsets.apps")
    traces = await wait.verifier.search(wait.cluster, held())
    assert [one.pod["metadata"]["name"] for one in traces.pods] == ["p"]
    assert [obj["kind"] for obj in traces.workloads] == ["StatefulSet"]
    assert [(reason.field, reason.object) for reason in traces.unseen] == [("workloads", "DaemonSet")]
