"""Who could bring a workload back from zero, and who would put it back to what it was."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator import plugins
from orchestrator.core.kind import Reverter
from orchestrator.core.objects import GroupKind, JsonObject, ObjectRef
from orchestrator.verification.waking import reverters_of

_HPA = GroupKind("autoscaling", "HorizontalPodAutoscaler")
_KEDA = GroupKind("keda.sh", "ScaledObject")


def _hpa(minimum: int | None, **conditions: tuple[str, str]) -> JsonObject:
    listed = [{"type": type_, "status": status, "reason": reason} for type_, (status, reason) in conditions.items()]
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h", "namespace": "ns"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
            **({} if minimum is None else {"minReplicas": minimum}),
        },
        "status": {"conditions": listed},
    }


def _keda(notes: dict[str, str], *, is_paused: bool) -> JsonObject:
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {
            "name": "s",
            "namespace": "ns",
            "annotations": {f"autoscaling.keda.sh/{key}": value for key, value in notes.items()},
        },
        "spec": {"scaleTargetRef": {"name": "d"}},
        "status": {"conditions": [{"type": "Paused", "status": str(is_paused)}]},
    }


def _waking_code(kind: GroupKind, live: JsonObject) -> str | None:
    rules = plugins.kinds()[kind].scaler
    assert rules is not None
    reason = rules.can_wake(live)
    return reason.code if reason else None


@pytest.mark.parametrize(
    ("live", "code"),
    [
        pytest.param(_hpa(1), None, id="a zero set by hand stops it"),
        pytest.param(_hpa(None), None, id="minReplicas defaults to 1"),
        pytest.param(_hpa(0, ScaledToZero=("True", "ScaledToZero")), "can-wake", id="it idled the target itself"),
        pytest.param(_hpa(1, ScaledToZero=("True", "ScaledToZero")), "can-wake", id="minReplicas was raised: it wakes"),
        pytest.param(_hpa(0, ScaledToZero=("False", "NotScaledToZero")), None, id="it says that it did not idle it"),
        pytest.param(_hpa(0, ScalingActive=("False", "ScalingDisabled")), None, id="it says that it stopped"),
        pytest.param(_hpa(0), "scaler-unsettled", id="an older server may scale from zero: it has not said"),
    ],
)
def test_autoscaler_wakes_only_what_it_idled(live: JsonObject, code: str | None) -> None:
    """KEP-2021 and facts/takedown section 2, line by line."""
    assert _waking_code(_HPA, live) == code


def test_conditions_of_an_old_api_version_are_read_from_the_annotation() -> None:
    """autoscaling/v1 has no conditions of its own."""
    live = _hpa(0)
    live["apiVersion"] = "autoscaling/v1"
    live["metadata"]["annotations"] = {
        "autoscaling.alpha.kubernetes.io/conditions": '[{"type": "ScaledToZero", "status": "True"}]'
    }
    assert _waking_code(_HPA, live) == "can-wake"


@pytest.mark.parametrize(
    ("live", "code"),
    [
        pytest.param(_keda({}, is_paused=False), "can-wake", id="scales a manual zero again by design"),
        pytest.param(_keda({"paused-replicas": "0"}, is_paused=True), None, id="paused at zero"),
        pytest.param(_keda({"paused": "true"}, is_paused=True), None, id="paused: frozen at zero"),
        pytest.param(_keda({"paused-replicas": "0"}, is_paused=False), "can-wake", id="the pause is not in effect"),
        pytest.param(_keda({"paused-replicas": "2"}, is_paused=True), "can-wake", id="paused at two"),
        pytest.param(
            _keda({"paused-replicas": "0", "force-activation": "true"}, is_paused=True), "can-wake", id="forced awake"
        ),
    ],
)
def test_keda_is_held_only_by_a_pause_in_effect(live: JsonObject, code: str | None) -> None:
    """facts/takedown section 2 on KEDA."""
    assert _waking_code(_KEDA, live) == code


@pytest.mark.parametrize(("kind", "live"), [(_HPA, _hpa(1)), (_KEDA, _keda({}, is_paused=False))])
def test_targets_are_named_in_their_namespace(kind: GroupKind, live: JsonObject) -> None:
    """KEDA's target defaults to a Deployment of apps/v1."""
    rules = plugins.kinds()[kind].scaler
    assert rules is not None
    assert rules.targets(live) == (ObjectRef("apps/v1", "Deployment", "ns", "d"),)


def _deployment(
    labels: dict[str, str] | None = None, notes: dict[str, str] | None = None, manager: str = "kubectl"
) -> JsonObject:
    metadata: JsonObject = {"name": "d", "namespace": "ns", "labels": labels or {}, "annotations": notes or {}}
    metadata["managedFields"] = [{"manager": manager, "operation": "Update"}]
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}


_HELM_NOTES = {"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "ns"}
_KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
_APPLICATION = ObjectRef("argoproj.io/v1alpha1", "Application", "argocd", "app")
_KUSTOMIZATION = ObjectRef("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux", "k")


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        pytest.param(_deployment(), (), id="nobody's"),
        pytest.param(
            _deployment({"app.kubernetes.io/managed-by": "Helm"}, _HELM_NOTES),
            (Reverter("Helm", "release ns/r", continuous=False),),
            id="Helm acts at the next upgrade",
        ),
        pytest.param(
            _deployment(notes={"argocd.argoproj.io/tracking-id": "app:apps/Deployment:ns/d"}),
            (Reverter("Argo CD", "application app", continuous=True, ref=_APPLICATION),),
            id="Argo CD by tracking id",
        ),
        pytest.param(
            _deployment(notes={"argocd.argoproj.io/tracking-id": "app:apps/Deployment:ns/another"}),
            (),
            id="a tracking id that was copied from another object",
        ),
        pytest.param(
            _deployment({"app.kubernetes.io/instance": "app"}, manager="argocd-controller"),
            (Reverter("Argo CD", "application app", continuous=True, ref=_APPLICATION),),
            id="Argo CD before 3.0 by the label that charts set, too",
        ),
        pytest.param(
            _deployment({"app.kubernetes.io/instance": "app"}, manager="helm"), (), id="a chart's label alone"
        ),
        pytest.param(
            _deployment({"argocd.argoproj.io/instance": "team_app"}),
            (
                Reverter(
                    "Argo CD",
                    "application team_app",
                    continuous=True,
                    ref=ObjectRef("argoproj.io/v1alpha1", "Application", "team", "app"),
                ),
            ),
            id="Argo CD by label, from a namespace of its own",
        ),
        pytest.param(
            _deployment({f"{_KUSTOMIZE}/name": "k", f"{_KUSTOMIZE}/namespace": "flux"}),
            (Reverter("Flux", "Kustomization flux/k", continuous=True, ref=_KUSTOMIZATION),),
            id="Flux",
        ),
        pytest.param(
            _deployment(
                {f"{_KUSTOMIZE}/name": "k", f"{_KUSTOMIZE}/namespace": "flux"}, {f"{_KUSTOMIZE}/reconcile": "disabled"}
            ),
            (Reverter("Flux", "Kustomization flux/k", continuous=False, ref=_KUSTOMIZATION),),
            id="Flux, told to leave this object alone",
        ),
    ],
)
def test_reverters_are_read_from_their_marks(live: JsonObject, expected: tuple[Reverter, ...]) -> None:
    """Each tool's own labels and annotations, and nothing else."""
    assert reverters_of(live) == expected


@pytest.mark.parametrize(
    ("group", "kind", "spec", "expected"),
    [
        ("argoproj.io", "Application", {}, True),
        ("argoproj.io", "Application", {"syncPolicy": {"automated": {}}}, True),
        ("argoproj.io", "Application", {"syncPolicy": {"automated": {"selfHeal": True}}}, False),
        ("argoproj.io", "Application", {"syncPolicy": {"automated": {"selfHeal": True, "enabled": False}}}, True),
        ("argoproj.io", "ApplicationSet", {}, False),
        (
            "argoproj.io",
            "ApplicationSet",
            {"ignoreApplicationDifferences": [{"jsonPointers": ["/spec/syncPolicy"]}]},
            True,
        ),
        ("kustomize.toolkit.fluxcd.io", "Kustomization", {}, False),
        ("kustomize.toolkit.fluxcd.io", "Kustomization", {"suspend": True}, True),
        ("helm.toolkit.fluxcd.io", "HelmRelease", {"suspend": False}, False),
        ("helm.toolkit.fluxcd.io", "HelmRelease", {"suspend": True}, True),
    ],
)
def test_a_paused_owner_reverts_nothing(group: str, kind: str, spec: dict[str, Any], expected: bool) -> None:
    """Argo CD without self-heal and a suspended Flux leave a manual zero alone."""
    rules = plugins.kinds()[GroupKind(group, kind)]
    assert rules.is_paused is not None
    head = {"apiVersion": rules.resource.api_version, "kind": kind, "metadata": {"name": "x", "namespace": "ns"}}
    assert rules.is_paused({**head, "spec": spec}) is expected
