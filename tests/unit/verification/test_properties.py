"""What must hold whatever else is seen: no absence is ever claimed while a pod of the model is there."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.kind import Wanted
from orchestrator.core.model import Match, Model
from orchestrator.core.objects import LABEL_MODEL, JsonObject, ObjectRef
from orchestrator.core.observation import Expectation, Observation, Subject
from orchestrator.core.verdict import Readiness, State, Verdict, Want
from orchestrator.core.verdicts import verdict_of
from orchestrator.verification import judge
from tests.unit.nesting import nested
from tests.unit.verification.scenes import AT

_MODEL = Model(
    name="fable-5",
    match=Match(labels={"family": "fable"}, weights=("s3://w/fable",), images=("registry.example/fable",)),
)
_REF = ObjectRef("apps/v1", "Deployment", "ns", "d")
_STOPPED: JsonObject = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "d", "namespace": "ns", "uid": "u", "generation": 1},
    "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "fable"}}},
    "status": {"observedGeneration": 1},
}
_SUBJECT = Subject(
    model=_MODEL,
    cluster="here",
    region="here",
    want=Want.DISABLED,
    expectations=(Expectation(_REF, None, Wanted(replicas=0)),),
    namespaces=("ns",),
)

_SIGNS: tuple[JsonObject, ...] = (
    {"metadata": {"labels": {LABEL_MODEL: "fable-5"}}},
    {"metadata": {"labels": {"app": "fable"}}},
    {"metadata": {"labels": {"family": "fable", "other": "x"}}},
    {"metadata": {"ownerReferences": [{"controller": True, "uid": "u"}]}},
    {"metadata": {"annotations": {"weights": "s3://w/fable/2"}}},
    {"spec": {"containers": [{"name": "c", "args": ["--weights=s3://w/fable"]}]}},
    {"spec": {"initContainers": [{"name": "c", "env": [{"name": "W", "value": "s3://w/fable"}]}]}},
    {"spec": {"volumes": [{"name": "v", "csi": {"volumeAttributes": {"uri": "s3://w/fable"}}}]}},
    {"spec": {"containers": [{"name": "c", "image": "registry.example/fable@sha256:00"}]}},
    {"spec": {"ephemeralContainers": [{"name": "c", "image": "registry.example/fable:3"}]}},
)
"""Each of the ways in which a pod is recognised as the model's."""


def _laid_over(base: JsonObject, change: JsonObject) -> JsonObject:
    both = {**base, **change}
    for key in base.keys() & change.keys():
        if isinstance(base[key], dict) and isinstance(change[key], dict):
            both[key] = _laid_over(base[key], change[key])
    return both


_patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A machine that is busy is no reason to fail."""

_pods = st.builds(
    lambda phase, node, is_terminating, state: {
        "metadata": {"namespace": "ns", "name": "p", **({"deletionTimestamp": "now"} if is_terminating else {})},
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase, "containerStatuses": [{"name": "c", "state": state}]},
    },
    phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown", None]),
    node=st.sampled_from([None, "ready", "dead", "missing"]),
    is_terminating=st.booleans(),
    state=st.sampled_from([{"running": {}}, {"terminated": {"exitCode": 0}}, {"waiting": {}}, {}]),
)
_NODES: tuple[JsonObject, ...] = (
    {"metadata": {"name": "ready"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}},
    {"metadata": {"name": "dead"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}},
)


def _observed(pods: tuple[JsonObject, ...], nodes: tuple[JsonObject, ...]) -> Observation:
    return Observation(at=AT, objects={_REF: _STOPPED}, pods=pods, nodes=nodes)


def _has_provably_ended(pod: JsonObject, nodes: tuple[JsonObject, ...]) -> bool:
    node = pod["spec"].get("nodeName")
    states = [status["state"] for status in pod["status"]["containerStatuses"]]
    ended = pod["status"]["phase"] in ("Failed", "Succeeded")
    has_others = any(pod["spec"].get(kind) for kind in ("initContainers", "ephemeralContainers"))
    on_ready_node = node == "ready" and bool(nodes) and all("terminated" in s for s in states) and not has_others
    return ended and (node is None or on_ready_node)


@_patiently
@given(pod=_pods, sign=st.sampled_from(_SIGNS), nodes=st.sampled_from([(), _NODES]), others=st.integers(0, 3))
def test_never_done_while_a_pod_of_the_model_is_there(
    pod: JsonObject, sign: JsonObject, nodes: tuple[JsonObject, ...], others: int
) -> None:
    """Whatever recognises it and whatever its phase: only a pod that has provably ended may be passed over."""
    mine = _laid_over(pod, sign)
    strangers = tuple(
        {"metadata": {"namespace": "ns", "name": f"o{n}"}, "status": {"phase": "Running"}} for n in range(others)
    )
    judgement = judge(_SUBJECT, _observed((*strangers, mine), nodes))
    assert judgement.replicas.pods == 1
    if _has_provably_ended(mine, nodes):
        assert judgement.readiness is Readiness.DONE
    else:
        assert judgement.readiness is not Readiness.DONE
        assert judgement.state is not State.DISABLED
        assert verdict_of(judgement, Want.DISABLED) is Verdict.RESIDUE


_json = nested(st.none() | st.booleans() | st.integers(-2, 5) | st.text(max_size=5), st.text(max_size=8))
_shapes = st.fixed_dictionaries({"metadata": _json, "spec": _json, "status": _json})


@_patiently
@given(live=_shapes, pod=_shapes, want=st.sampled_from(list(Want)))
def test_objects_of_any_shape_are_judged_without_raising(live: JsonObject, pod: JsonObject, want: Want) -> None:
    """A hostile or broken object ends in a judgement, never in a traceback, and never makes a model enabled."""
    head: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment"}
    subject = Subject(
        model=_MODEL,
        cluster="here",
        region="here",
        want=want,
        expectations=(Expectation(_REF, None, Wanted(replicas=3)),),
        namespaces=("ns",),
    )
    judgement = judge(subject, Observation(at=AT, objects={_REF: {**head, **live}}, pods=(pod,), scalers=(live,)))
    if want is Want.ENABLED:
        assert judgement.readiness is not Readiness.DONE
