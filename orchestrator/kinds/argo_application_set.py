"""Argo CD's ApplicationSet: makes Applications, and puts their specs back to its template, save for what it ignores."""

from __future__ import annotations

from typing import Any

from orchestrator.core.kind import Basis, Kind, Pause, Wanted
from orchestrator.core.objects import JsonObject, Resource, dig, ref_of
from orchestrator.core.takedown import FieldCut
from orchestrator.core.text import printable
from orchestrator.core.verdict import Assessment, Reason
from orchestrator.kinds._reading import unknown

RESOURCE = Resource("argoproj.io", "v1alpha1", "applicationsets", "ApplicationSet")
_RULES = "/spec/ignoreApplicationDifferences"
_SYNC_POLICY = "/spec/syncPolicy"
_COVERING = frozenset(("/spec", _SYNC_POLICY, f"{_SYNC_POLICY}/automated", f"{_SYNC_POLICY}/automated/enabled"))
"""Pointers whose differences include the one by which an Application is paused."""


def pause(live: JsonObject) -> Pause:
    """It starts nothing by itself; what has to end is that it undoes the pause of its Applications.

    By a rule for all of them: `spec.syncPolicy.applicationsSync` counts only where the controller was started with
    `--enable-policy-override`, and nothing in a cluster's objects tells. Under a rolling sync the controller asks for
    syncs itself, whatever an Application's policy says.
    Source: https://argo-cd.readthedocs.io/en/stable/operator-manual/applicationset/Controlling-Resource-Modification/
    """
    if dig(live, "spec", "strategy", "type") == "RollingSync":
        words = "its rolling sync starts syncs of its Applications by itself, and nothing written to it stops that"
        return Pause(refusal=Reason(code="can-wake", message=words, object=printable(ref_of(live))))
    rules = dig(live, "spec", "ignoreApplicationDifferences")
    if any(_leaves_pauses(rule) for rule in rules or ()):
        return Pause()
    after = [*(rules or ()), {"jsonPointers": [_SYNC_POLICY]}]
    return Pause(fields=(FieldCut(pointer=_RULES, before=rules, after=after),))


def is_paused(live: JsonObject) -> bool:
    """Whether it leaves the sync policies of its Applications alone."""
    return pause(live) == Pause()


def assess(live: JsonObject, wanted: Wanted) -> Assessment:
    """Never done: its conditions do not say which of its generations they are about."""
    return unknown(live, "no-observed-generation", "its status does not say which generation it is about", "status")


def _leaves_pauses(rule: JsonObject) -> bool:
    """Whether a rule is about every Application and covers what pauses one."""
    pointers: list[Any] = rule.get("jsonPointers") or []
    return not rule.get("name") and any(pointer in _COVERING for pointer in pointers)


PLUGIN = Kind(
    resource=RESOURCE,
    assess=assess,
    basis=Basis("It is never proven by itself: its status does not say which generation it is about.", ("status",)),
    is_paused=is_paused,
    pause=pause,
)
