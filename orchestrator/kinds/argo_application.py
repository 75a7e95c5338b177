"""Argo CD's Application: puts its objects back to what Git says, at once where self-heal is on."""

from __future__ import annotations

from orchestrator.core.kind import Kind, Reverter, Wanted
from orchestrator.core.objects import JsonObject, ObjectRef, Resource, dig, ref_of
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, progressing

RESOURCE = Resource("argoproj.io", "v1alpha1", "applications", "Application")
_TRACKING = "argocd.argoproj.io/tracking-id"
_INSTANCE = "argocd.argoproj.io/instance"
_COMMON_INSTANCE = "app.kubernetes.io/instance"
"""Argo CD's own mark before 3.0; Helm charts set it as well, so it counts only beside Argo CD's field manager."""
_MANAGERS = ("argocd-controller", "argocd-application-controller")
"""https://github.com/argoproj/argo-cd/issues/20815"""
_HOME = "argocd"
"""Argo CD's own namespace unless the mark names another."""


def reverter(live: JsonObject) -> Reverter | None:
    """The Application that tracks this object, by annotation or label.

    Controllers copy annotations to the objects they make; as in Argo CD, a tracking id counts only on the very object
    that it names. https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
    """
    ref = ref_of(live)
    tracking = str(dig(live, "metadata", "annotations", _TRACKING, default=""))
    application, _, tracked = tracking.partition(":")
    if tracked != f"{ref.group_kind.group}/{ref.kind}:{ref.namespace}/{ref.name}":
        application = str(dig(live, "metadata", "labels", _INSTANCE, default=""))
    if not application and _is_written_by_argo(live):
        application = str(dig(live, "metadata", "labels", _COMMON_INSTANCE, default=""))
    if not application:
        return None
    namespace, _, name = application.rpartition("_")
    owner = ObjectRef(RESOURCE.api_version, RESOURCE.kind, namespace or _HOME, name)
    return Reverter("Argo CD", f"application {application}", continuous=True, ref=owner)


def _is_written_by_argo(live: JsonObject) -> bool:
    return any(entry.get("manager") in _MANAGERS for entry in dig(live, "metadata", "managedFields", default=[]))


def is_paused(live: JsonObject) -> bool:
    """Whether it leaves what others change alone: no automated sync, or no self-heal."""
    automated = dig(live, "spec", "syncPolicy", "automated")
    return automated is None or automated.get("enabled") is False or automated.get("selfHeal") is not True


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Synced and healthy, in Argo CD's own words."""
    sync, health = (dig(live, "status", part, "status") for part in ("sync", "health"))
    if (sync, health) == ("Synced", "Healthy"):
        return DONE
    return progressing(live, "not-healthy", f"{sync or 'not synced'}, {health or 'health unknown'}", "status")


PLUGIN = Kind(resource=RESOURCE, assess=assess, reverter=reverter, is_paused=is_paused)
