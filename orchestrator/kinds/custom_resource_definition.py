"""CustomResourceDefinition: established, so that its objects are served."""

from __future__ import annotations

from orchestrator.core.kind import Basis, Kind, Wanted
from orchestrator.core.objects import JsonObject, Resource
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, condition, explain, failed, progressing


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Source: kstatus `crdConditions`."""
    names = condition(live, "NamesAccepted")
    if names.get("status") == "False":
        return failed(live, "names-refused", explain(names))
    established = condition(live, "Established")
    if established.get("status") != "True":
        return progressing(live, "not-established", f"not established: {explain(established)}")
    return DONE


PLUGIN = Kind(
    resource=Resource(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
    ),
    assess=assess,
    basis=Basis(
        "Its names are accepted, and it is established.",
        ("status.conditions[NamesAccepted]", "status.conditions[Established]"),
    ),
)
