"""Argo CD's Application: puts its objects back to what Git says, at once where self-heal is on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orchestrator.core.kind import Basis, Kind, Pause, Reverter, Wanted
from orchestrator.core.objects import JsonObject, ObjectRef, Resource, dig, ref_of
from orchestrator.core.takedown import FieldCut
from orchestrator.core.verdict import Assessment
from orchestrator.kinds._reading import DONE, progressing, unknown

RESOURCE = Resource("argoproj.io", "v1alpha1", "applications", "Application")
_TRACKING = "argocd.argoproj.io/tracking-id"
_INSTANCE = "argocd.argoproj.io/instance"
_COMMON_INSTANCE = "app.kubernetes.io/instance"
"""Argo CD's own mark before 3.0; Helm charts set it as well, so it counts only beside Argo CD's field manager."""
_REFRESH = "argocd.argoproj.io/refresh"
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
    """Synced and healthy, in Argo CD's own words, about the present spec and after its last sync."""
    if stale := _unless_compared(live):
        return stale
    sync, health = (dig(live, "status", part, "status") for part in ("sync", "health"))
    if (sync, health) == ("Synced", "Healthy"):
        return DONE
    return progressing(live, "not-healthy", f"{sync or 'not synced'}, {health or 'health unknown'}", "status")


def _unless_compared(live: JsonObject) -> Assessment | None:
    """Why the status must not be read yet; None when it may be.

    An Application has no observedGeneration, and its status raises its generation. It says what it compared instead:
    https://github.com/argoproj/argo-cd `needRefreshAppStatus`. A health from before the end of a sync is stale, too:
    https://github.com/argoproj/argo-cd/issues/29410
    """
    spec, compared = (dig(live, *path, default={}) for path in (("spec",), ("status", "sync", "comparedTo")))
    if not dig(live, "status", "sync", "status"):
        return None
    source = "sources" if spec.get("sources") else "source"
    if not _told(compared) or not _told(spec.get(source)):
        return unknown(live, "no-observed-generation", "its status does not say what it was compared with")
    for part in (source, "destination", "ignoreDifferences"):
        if _told(spec.get(part)) != _told(compared.get(part)):
            return progressing(live, "stale", f"its status is about another spec.{part}", "status.sync.comparedTo")
    if _REFRESH in dig(live, "metadata", "annotations", default={}) or live.get("operation"):
        return progressing(live, "stale", "a refresh or sync was asked for, and is not over")
    return _unless_reconciled(live)


def _unless_reconciled(live: JsonObject) -> Assessment | None:
    phase, finished = (dig(live, "status", "operationState", part) for part in ("phase", "finishedAt"))
    if phase in ("Running", "Terminating"):
        return progressing(live, "stale", "a sync is under way", "status.operationState.phase")
    reconciled = dig(live, "status", "reconciledAt")
    if reconciled is None:
        return unknown(live, "no-observed-generation", "its status does not say when it was made")
    if finished is not None and datetime.fromisoformat(reconciled) < datetime.fromisoformat(finished):
        return progressing(live, "stale", "its status is older than its last sync", "status.reconciledAt")
    return None


def _told(value: Any) -> Any:
    """A value without what is empty, which Argo CD leaves out when it writes."""
    match value:
        case dict():
            return {key: told for key, part in value.items() if (told := _told(part))}
        case list():
            return [_told(part) for part in value]
    return value


def pause(live: JsonObject) -> Pause:
    """By `automated.enabled: false`; who makes it (an ApplicationSet) has to be kept from putting that back first.

    Source: https://argo-cd.readthedocs.io/en/stable/user-guide/auto_sync/
    """
    if is_paused(live):
        return Pause()
    before = dig(live, "spec", "syncPolicy", "automated", "enabled")
    return Pause(fields=(FieldCut(pointer="/spec/syncPolicy/automated/enabled", before=before, after=False),))


PLUGIN = Kind(
    resource=RESOURCE,
    assess=assess,
    basis=Basis(
        "It is Synced and Healthy, in a status about the present spec and newer than its last sync.",
        ("status.sync.status", "status.health.status", "status.reconciledAt", "status.operationState.phase"),
    ),
    reverter=reverter,
    is_paused=is_paused,
    pause=pause,
)
