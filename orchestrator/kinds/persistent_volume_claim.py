"""PersistentVolumeClaim: bound."""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource, dig
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, failed, progressing


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Source: kstatus `pvcConditions`; a claim whose volume is lost does not come back."""
    phase = dig(live, "status", "phase")
    if phase == "Bound":
        return DONE
    if phase == "Lost":
        return failed(live, "volume-lost", "its volume is lost", "status.phase")
    return progressing(live, "not-bound", "it is not bound to a volume", "status.phase")


PLUGIN = Kind(
    resource=Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
    assess=assess,
    basis=Basis("It is bound to a volume.", ("status.phase",)),
)
