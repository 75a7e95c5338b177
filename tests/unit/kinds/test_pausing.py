"""How each kind is kept from starting anything, restorably, where no guard can be made."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator import plugins
from orchestrator.core.kind import Pause
from orchestrator.core.objects import GroupKind, JsonObject


def _pause(group: str, kind: str, spec: JsonObject, **metadata: Any) -> Pause:
    rules = plugins.kinds()[GroupKind(group, kind)]
    assert rules.pause is not None
    return rules.pause(
        {
            "apiVersion": f"{group}/v1",
            "kind": kind,
            "metadata": {"name": "x", "namespace": "ns", **metadata},
            "spec": spec,
        }
    )


def _fields(pause: Pause) -> list[tuple[str, Any, Any]]:
    assert not pause.deletes and pause.refusal is None
    return [(cut.pointer, cut.before, cut.after) for cut in pause.fields]


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("batch", "CronJob"),
        ("batch", "Job"),
        ("kustomize.toolkit.fluxcd.io", "Kustomization"),
        ("helm.toolkit.fluxcd.io", "HelmRelease"),
    ],
)
def test_what_can_be_suspended_is(group: str, kind: str) -> None:
    """With what was there before, absent or false; one that is suspended already needs nothing."""
    assert _fields(_pause(group, kind, {})) == [("/spec/suspend", None, True)]
    assert _fields(_pause(group, kind, {"suspend": False})) == [("/spec/suspend", False, True)]
    assert _fields(_pause(group, kind, {"suspend": True})) == []


def test_an_autoscaler_is_deleted() -> None:
    """A target that it idled itself it wakes on a metric, whatever its spec says."""
    assert _pause("autoscaling", "HorizontalPodAutoscaler", {"minReplicas": 0}).deletes


_KEDA = "/metadata/annotations/autoscaling.keda.sh~1"


@pytest.mark.parametrize(
    ("notes", "fields"),
    [
        pytest.param(None, [("/metadata/annotations", None, {"autoscaling.keda.sh/paused-replicas": "0"})], id="none"),
        pytest.param({"other": "x"}, [(f"{_KEDA}paused-replicas", None, "0")], id="beside others"),
        pytest.param(
            {"autoscaling.keda.sh/paused-replicas": "2"},
            [(f"{_KEDA}paused-replicas", "2", "0")],
            id="paused above zero",
        ),
        pytest.param(
            {"autoscaling.keda.sh/paused-replicas": "0", "autoscaling.keda.sh/force-activation": "true"},
            [(f"{_KEDA}force-activation", "true", "false")],
            id="forced awake",
        ),
        pytest.param({"autoscaling.keda.sh/paused-replicas": "0"}, [], id="paused already"),
    ],
)
def test_keda_is_paused_at_zero(notes: JsonObject | None, fields: list[tuple[str, Any, Any]]) -> None:
    metadata = {} if notes is None else {"annotations": notes}
    assert _fields(_pause("keda.sh", "ScaledObject", {"scaleTargetRef": {"name": "d"}}, **metadata)) == fields


def test_an_application_syncs_no_more_by_itself() -> None:
    automated = {"selfHeal": True}
    assert _fields(_pause("argoproj.io", "Application", {"syncPolicy": {"automated": automated}})) == [
        ("/spec/syncPolicy/automated/enabled", None, False)
    ]
    assert _fields(_pause("argoproj.io", "Application", {})) == []


def test_an_application_set_leaves_the_pauses_of_its_applications_alone() -> None:
    """By the rule that its documentation names for this, beside the rules that are there."""
    pointer, ours = "/spec/ignoreApplicationDifferences", {"jsonPointers": ["/spec/syncPolicy"]}
    assert _fields(_pause("argoproj.io", "ApplicationSet", {})) == [(pointer, None, [ours])]
    assert _fields(_pause("argoproj.io", "ApplicationSet", {"ignoreApplicationDifferences": []})) == [
        (pointer, [], [ours])
    ]
    theirs = {"name": "fable", "jsonPointers": ["/spec/syncPolicy"]}
    assert _fields(_pause("argoproj.io", "ApplicationSet", {"ignoreApplicationDifferences": [theirs]})) == [
        (pointer, [theirs], [theirs, ours])
    ]


@pytest.mark.parametrize("pointer", ["/spec/syncPolicy", "/spec/syncPolicy/automated"])
def test_an_application_set_that_ignores_sync_policies_already_needs_nothing(pointer: str) -> None:
    rules = [{"jqPathExpressions": [".spec.source"]}, {"jsonPointers": ["/metadata/labels", pointer]}]
    assert _fields(_pause("argoproj.io", "ApplicationSet", {"ignoreApplicationDifferences": rules})) == []


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"syncPolicy": {"applicationsSync": "create-only"}}, id="its policy may be overridden by flags"),
        pytest.param(
            {"ignoreApplicationDifferences": [{"jsonPointers": ["/spec/syncPolicy/retry"]}]}, id="another part of it"
        ),
    ],
)
def test_what_cannot_be_relied_on_is_no_pause_of_an_application_set(spec: JsonObject) -> None:
    assert _fields(_pause("argoproj.io", "ApplicationSet", spec)) != []


def test_an_application_set_with_a_rolling_sync_is_named_instead() -> None:
    """It asks for the syncs of its Applications by itself, whatever their policies say."""
    spec = {"strategy": {"type": "RollingSync", "rollingSync": {"steps": [{}]}}}
    pause = _pause("argoproj.io", "ApplicationSet", spec)
    assert pause.refusal is not None and pause.refusal.code == "can-wake" and not pause.fields


def test_a_daemon_set_is_sent_where_no_node_is() -> None:
    pointer = "/spec/template/spec/nodeSelector"
    nowhere = {"orchestrator.dev/nowhere": "true"}
    assert _fields(_pause("apps", "DaemonSet", {"template": {"spec": {}}})) == [(pointer, None, nowhere)]
    chosen = {"template": {"spec": {"nodeSelector": {"gpu": "yes"}}}}
    assert _fields(_pause("apps", "DaemonSet", chosen)) == [(f"{pointer}/orchestrator.dev~1nowhere", None, "true")]
    assert _fields(_pause("apps", "DaemonSet", {"template": {"spec": {"nodeSelector": nowhere}}})) == []


def test_a_job_that_has_ended_is_left_alone() -> None:
    rules = plugins.kinds()[GroupKind("batch", "Job")]
    assert rules.pause is not None
    ended = {"spec": {}, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    assert rules.pause(ended) == Pause()
