"""ReplicationController: the oldest of the scalable kinds, judged as a ReplicaSet; its selector is a plain map."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.kinds._workload import SCALABLE
from orchestrator.kinds.replica_set import PLUGIN as REPLICA_SET


def selector_of(live: JsonObject) -> JsonObject | None:
    """Its plain map as a LabelSelector; an empty map selects nothing."""
    labels = dig(live, "spec", "selector", default={})
    return {"matchLabels": labels} if isinstance(labels, dict) and labels else None


PLUGIN = replace(
    REPLICA_SET,
    resource=Resource("", "v1", "replicationcontrollers", "ReplicationController"),
    workload=replace(SCALABLE, selector=selector_of),
)
