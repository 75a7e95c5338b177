"""What Flux's two kinds of owners have in common."""

from __future__ import annotations

from orchestrator.core.kind import Reverter, Wanted
from orchestrator.core.objects import JsonObject, ObjectRef, Resource, dig
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, condition, explain, progressing, unless_observed


def reverter_by(resource: Resource, live: JsonObject) -> Reverter | None:
    """The owner named by the labels that Flux sets, `GROUP/name` and `GROUP/namespace`.

    An object that is excepted from reconciliation is not put back:
    https://github.com/fluxcd/kustomize-controller/pull/484
    """
    name, namespace = (dig(live, "metadata", "labels", f"{resource.group}/{key}") for key in ("name", "namespace"))
    if not name or not namespace:
        return None
    excepted = dig(live, "metadata", "annotations", f"{resource.group}/reconcile") == "disabled"
    owner = ObjectRef(resource.api_version, resource.kind, str(namespace), str(name))
    return Reverter("Flux", f"{resource.kind} {namespace}/{name}", continuous=not excepted, ref=owner)


def is_suspended(live: JsonObject) -> bool:
    """Whether it reconciles nothing."""
    return dig(live, "spec", "suspend") is True


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Ready at its own generation."""
    if stale := unless_observed(live, wanted):
        return stale
    ready = condition(live, "Ready")
    if ready.get("status") != "True":
        return progressing(live, "not-ready", f"not ready: {explain(ready)}")
    return DONE
