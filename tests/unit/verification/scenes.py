"""Builds subjects and observations from the short form of the YAML samples."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from orchestrator.core.kind import Wanted
from orchestrator.core.model import Adoption, HealthRule, Match, Model, Probe, ReadyCondition, SharedWorkload
from orchestrator.core.objects import JsonObject, ref_of
from orchestrator.core.observation import Expectation, Observation, ProbeOutcome, Subject
from orchestrator.core.verdict import Reason, Want

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NAMESPACE = "ns"


def subject_of(scene: JsonObject) -> Subject:
    """The subject of a sample: `want`, `model`, `objects` with `wanted` and `manifest` under their own keys."""
    expectations = [_expectation(entry) for entry in scene.get("objects", [])]
    return Subject(
        model=model_of(scene.get("model", {})),
        cluster="here",
        region="here",
        want=Want(scene["want"]),
        expectations=tuple(expectations),
        namespaces=tuple(scene.get("namespaces", [NAMESPACE])),
        revision=scene.get("revision"),
        capacity=scene.get("capacity", "fixed"),
        is_everywhere=scene.get("everywhere", False),
        guard=scene.get("guard", "none"),
        include_shared=scene.get("includeShared", False),
        others={name: Match(images=tuple(images)) for name, images in scene.get("others", {}).items()},
    )


def model_of(spec: JsonObject) -> Model:
    match = spec.get("match", {})
    return Model(
        name="fable-5",
        serves=tuple(spec.get("serves", ())),
        adopt=Adoption(selector=spec["adopt"]) if "adopt" in spec else None,
        match=Match(
            labels=match.get("labels", {}),
            weights=tuple(match.get("weights", ())),
            images=tuple(match.get("images", ())),
        ),
        shared_in=tuple(SharedWorkload(selector=one) for one in spec.get("sharedIn", ())),
        probes=tuple(Probe(url=url) for url in spec.get("probes", ())),
        health=tuple(
            HealthRule(
                kind=rule["kind"],
                inert=rule.get("inert", False),
                ready=ReadyCondition(condition=rule["ready"]) if "ready" in rule else None,
            )
            for rule in spec.get("health", ())
        ),
    )


def _expectation(entry: JsonObject) -> Expectation:
    obj = entry.get("live") or entry["manifest"]
    manifest = entry.get("manifest")
    return Expectation(
        ref_of(_object(obj)), None if manifest is None else _object(manifest), Wanted(**entry.get("wanted", {}))
    )


def _object(obj: JsonObject) -> JsonObject:
    return {**obj, "metadata": {"namespace": NAMESPACE, **obj.get("metadata", {})}}


def observation_of(scene: JsonObject) -> Observation:
    """What was seen: every part in Kubernetes' own shape, the namespace filled in."""
    live = [_object(entry["live"]) for entry in scene.get("objects", []) if "live" in entry]
    seen = scene.get("seen", {})

    def part(name: str, api_version: str, kind: str) -> tuple[JsonObject, ...]:
        return tuple({"apiVersion": api_version, "kind": kind, **_object(obj)} for obj in seen.get(name, []))

    return Observation(
        at=AT,
        objects={ref_of(obj): obj for obj in live},
        pods=part("pods", "v1", "Pod"),
        replica_sets=part("replicaSets", "apps/v1", "ReplicaSet"),
        endpoint_slices=part("endpointSlices", "discovery.k8s.io/v1", "EndpointSlice"),
        nodes=tuple({"apiVersion": "v1", "kind": "Node", **node} for node in seen.get("nodes", [])),
        scalers=tuple(_object(obj) for obj in seen.get("scalers", [])),
        reverters={ref_of(_object(obj)): obj for obj in seen.get("reverters", [])},
        probes=tuple(_outcome(entry) for entry in seen.get("probes", [])),
        unseen=tuple(Reason(code="forbidden", message="may not list", field=field) for field in seen.get("unseen", [])),
    )


def _outcome(entry: Any) -> ProbeOutcome:
    names = entry.get("names")
    return ProbeOutcome(entry["url"], None if names is None else tuple(names), refused=entry.get("refused", False))
