"""Namespace: active, not on its way out."""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, failed, progressing


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """A namespace that is terminating never becomes active again."""
    phase = dig(live, "status", "phase")
    if phase == "Active":
        return DONE
    if phase == "Terminating":
        return failed(live, "terminating", "it is being deleted", "status.phase")
    return progressing(live, "not-active", "it is not active yet", "status.phase")


PLUGIN = Kind(
    resource=Resource("", "v1", "namespaces", "Namespace", namespaced=False),
    assess=assess,
    basis=Basis("It is Active.", ("status.phase",)),
)
