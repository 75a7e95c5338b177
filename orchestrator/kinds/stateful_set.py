"""StatefulSet: kstatus' rules; with OnDelete or a partition only where every pod is of the new template."""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import (
    DONE,
    count,
    progressing,
    unknown,
    unless_observed,
    unless_replicas_as_wanted,
)
from orchestrator.kinds._workload import SCALABLE, replicas_of


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Source: kstatus `statefulsetConditions`, save that OnDelete or a partition makes no old pod current."""
    spec = replicas_of(live)
    if (early := unless_observed(live, wanted)) or (early := unless_replicas_as_wanted(live, wanted, spec)):
        return early
    return _from_counts(live, spec) or _from_revisions(live, spec) or DONE


def _from_counts(live: JsonObject, spec: int) -> Assessment | None:
    replicas, ready, available = (
        count(live, "status", field) for field in ("replicas", "readyReplicas", "availableReplicas")
    )
    rules = (
        (replicas < spec, f"{replicas} of {spec} replicas exist", "status.replicas"),
        (ready < spec, f"{ready} of {spec} replicas are ready", "status.readyReplicas"),
        (replicas > spec, f"{replicas - spec} replicas too many are still there", "status.replicas"),
        (available < spec, f"{available} of {spec} replicas are available", "status.availableReplicas"),
    )
    return next((progressing(live, "rolling-out", words, field) for holds, words, field in rules if holds), None)


def _from_revisions(live: JsonObject, spec: int) -> Assessment | None:
    updated = count(live, "status", "updatedReplicas")
    if dig(live, "spec", "updateStrategy", "type") == "OnDelete":
        if updated >= spec:
            return None
        words = f"{updated} of {spec} pods are of the new template, and OnDelete replaces none by itself"
        return unknown(live, "on-delete", words, "spec.updateStrategy.type")
    partition = count(live, "spec", "updateStrategy", "rollingUpdate", "partition")
    if updated < spec - partition:
        words = f"{updated} of {max(spec - partition, 0)} replicas are of the new template"
        return progressing(live, "rolling-out", words, "status.updatedReplicas")
    if updated < spec:
        words = f"its partition holds back {spec - updated} of {spec} replicas, which are of the old template"
        return unknown(live, "partition", words, "spec.updateStrategy.rollingUpdate.partition")
    current, update = (dig(live, "status", field) for field in ("currentRevision", "updateRevision"))
    if partition == 0 and spec > 0 and current != update:
        return progressing(live, "rolling-out", "the rollout is not complete", "status.currentRevision")
    return None


PLUGIN = Kind(
    resource=Resource("apps", "v1", "statefulsets", "StatefulSet"),
    assess=assess,
    basis=Basis(
        "At its own generation, all replicas are ready and of the newest revision.",
        (
            "metadata.generation",
            "status.observedGeneration",
            "spec.replicas",
            "status.replicas",
            "status.readyReplicas",
            "status.updatedReplicas",
            "status.currentRevision",
            "status.updateRevision",
        ),
    ),
    workload=SCALABLE,
)
