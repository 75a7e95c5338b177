"""What a takedown plans for one model in one cluster besides its writes, and what a restore takes back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from orchestrator.core.holds import Hold, Lift, RestoreRecord
from orchestrator.core.objects import JsonObject, ObjectRef, dig
from orchestrator.core.records import canonical_json
from orchestrator.core.schema import DOCUMENT
from orchestrator.core.verdict import Reason

DEFAULT_TAKEDOWN_SOAK = 15.0
DRAIN_FLOOR = 5.0
"""Seconds that pods get to end when the order's deadline has passed already."""

ANNOTATION_WORKLOADS: Final = "orchestrator.dev/workloads"
"""On a guard's policy: the workloads that it was drawn for, so that whoever draws it again forgets none."""
_MOST_WORKLOADS_BYTES: Final = 128 * 1024
"""All annotations of an object may have 256 KiB."""

Workload = tuple[ObjectRef, JsonObject | None]
"""A workload of the model, with the LabelSelector of its pods where it is known."""

Answer = Literal["451", "404", "redirect", "5xx"]
"""What clients get from a route that is cut; `5xx` where the route's kind can say nothing better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardProof:
    """What came of trying a guard, both ways, with server-side dry runs."""

    __pydantic_config__ = DOCUMENT

    status: Literal["proven", "absent"]
    denied: tuple[str, ...] = ()
    """Attempts at the model that were refused by this guard, in words."""
    admitted: tuple[str, ...] = ()
    """Attempts at anything else that were admitted, in words."""
    reasons: tuple[Reason, ...] = ()
    """Why it is not proven."""
    has_to_go: bool = False
    """Whether our own policy refuses what is none of its business: it must be unbound at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeutralSurvey:
    """Whether a neutral pod and a neutral Deployment are admitted without our guard; asked before it is bound."""

    admitted: tuple[str, ...] = ()
    refused: tuple[Reason, ...] = ()
    """By whom, as far as the refusal tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldCut:
    """One field of a route that a cut replaces."""

    __pydantic_config__ = DOCUMENT

    pointer: str
    """JSON pointer: `/spec/rules`."""
    before: Any = None
    """None where the field was not there."""
    after: Any = None
    """None where the field is removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteCut:
    """How one route of a model is cut, restorably."""

    __pydantic_config__ = DOCUMENT

    ref: ObjectRef
    uid: str
    answer: Answer
    fields: tuple[FieldCut, ...]
    """Empty where it is cut already, and nobody knows what it was before."""
    creates: tuple[JsonObject, ...] = ()
    """Objects that the cut route refers to (a direct response), made before it and removed at the restore."""
    left: tuple[Reason, ...] = ()
    """Rules of it that are not cut, because others share them."""
    is_made: bool = False
    """Whether the route was seen to be cut in just this way: an earlier run of the order has made it."""

    def patch(self) -> list[JsonObject]:
        """The JSON patch that cuts it, and that the API server refuses where a field is no longer what was planned on.

        Empty where it is cut already.

        Rules are found by their place in a list: without its tests it could cut somebody else's rule.
        """
        due = () if self.is_made else self.fields
        return [step for cut in due for step in patch_of_field(cut.pointer, cut.before, cut.after)]


def patch_of_field(pointer: str, now: Any, wanted: Any) -> tuple[JsonObject, ...]:
    """JSON patch that turns what stands at a pointer into what is wanted, and fails where something else stands.

    None is absence. Source: RFC 6902; a `test` that fails is refused by the API server as invalid.
    """
    if now is None and wanted is None:
        return ()
    test: tuple[JsonObject, ...] = () if now is None else ({"op": "test", "path": pointer, "value": now},)
    if wanted is None:
        return (*test, {"op": "remove", "path": pointer})
    return (*test, {"op": "replace" if test else "add", "path": pointer, "value": wanted})


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What makes the API server itself refuse a held model: one policy and its binding per (order, model)."""

    __pydantic_config__ = DOCUMENT

    name: str
    """Name of both the ValidatingAdmissionPolicy and its binding."""
    model: str
    order: str
    """Name of the order, which its refusals quote."""
    digest: str
    """The order's digest."""
    policy: JsonObject
    binding: JsonObject
    marker: str
    """Text that every refusal of this guard carries and no other policy's does."""
    cuts: tuple[RouteCut, ...] = ()
    """The cuts that it protects; trying to undo them is part of its proof."""
    public: Mapping[str, str] = field(default_factory=dict)
    """The words of the order that its refusals may quote."""
    workloads: tuple[Workload, ...] = ()
    """The workloads that it knows by name."""

    @property
    def seal(self) -> str:
        """SHA-256 of what policy and binding say."""
        return seal_of(self.policy, self.binding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Darkening:
    """A takedown of one model in one cluster, besides the writes of its plan item (which stop what is known)."""

    __pydantic_config__ = DOCUMENT

    hold: Hold
    guard: Guard | None
    """None where none can be made; `notes` of the item say why."""
    cuts: tuple[RouteCut, ...] = ()
    not_cut: tuple[Reason, ...] = ()
    """Ways to the model that stay open, and why: shared rules, routers, gateways that are not known."""
    replaces: tuple[Hold, ...] = ()
    """Holds here of orders that this one replaces: they and their guards go as soon as its own guard is proven."""
    records: tuple[RestoreRecord, ...] = ()
    """Kept in the cluster before the first change, for what is known when the plan is made."""
    include_shared: bool = False
    """Whether pods that serve other models as well are stopped, too."""
    soak: float = DEFAULT_TAKEDOWN_SOAK
    """Seconds."""
    ends_at: datetime | None = None
    """When the order's deadline is over; pods get at most what is left of it to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """The way back of one model in one cluster."""

    __pydantic_config__ = DOCUMENT

    lift: Lift
    holds: tuple[Hold, ...]
    """Holds of lifted digests on the model in this cluster: they go."""
    guard: Guard | None
    """What is bound again when the restore fails."""
    records: tuple[RestoreRecord, ...]
    """What everything was; read in the cluster."""


def seal_of(policy: JsonObject | None, binding: JsonObject | None) -> str:
    """SHA-256 of what a policy and its binding say, live ones as those that were written."""
    text = canonical_json([dig(policy, "spec"), dig(binding, "spec")])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def workloads_text(workloads: Iterable[Workload]) -> str | None:
    """The workloads as `ANNOTATION_WORKLOADS` keeps them; None where they are more than an annotation can hold."""
    listed = [[one.api_version, one.kind, one.namespace, one.name, selector] for one, selector in workloads]
    text = canonical_json(listed)
    return text if len(text.encode()) <= _MOST_WORKLOADS_BYTES else None


def workloads_of_policy(policy: JsonObject) -> tuple[Workload, ...]:
    """The workloads that a live policy says it was drawn for; empty where it does not, or nobody understands it."""
    text = dig(policy, "metadata", "annotations", ANNOTATION_WORKLOADS)
    try:
        found = [_workload(*entry) for entry in json.loads(text or "[]")]
    except (TypeError, ValueError, RecursionError):
        return ()
    return tuple(found)


def _workload(api_version: str, kind: str, namespace: str, name: str, selector: JsonObject | None) -> Workload:
    if not all(isinstance(part, str) for part in (api_version, kind, namespace, name)):
        raise ValueError("no reference to an object")
    if not isinstance(selector, dict | None):
        raise ValueError("no selector")
    return ObjectRef(api_version, kind, namespace, name), selector
