"""What keeps a model off in a cluster, what lifts that for good, and what is needed to bring it back.

Pure conversions between values and the ConfigMaps and Secrets of our namespace.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from orchestrator.core.objects import LABEL_MODEL, LABEL_RECORD, SYSTEM_NAMESPACE, JsonObject, ObjectRef, dig
from orchestrator.core.records import HOLD, canonical_json, record, unpack
from orchestrator.core.schema import API_VERSION, DOCUMENT

LIFT = "lift"
RESTORE = "restore"
LABEL_ORDER = "orchestrator.dev/order"
"""On holds, lifts, guards and what a cut created: the first 16 digits of the order's digest."""


class Standing(StrEnum):
    """How far a cluster is in what an order asks of it; anything but `verified` is debt."""

    OWED = "owed"
    GUARDED = "guarded"
    VERIFIED = "verified"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What keeps a model off in a cluster. One that cannot be understood still holds."""

    __pydantic_config__ = DOCUMENT

    name: str
    """Name of the order, or `hold-…` for an operator's: for people."""
    model: str
    """The model, or `*` for every model."""
    digest: str = ""
    """The order's digest; empty for one that is not understood, which nothing can lift but its deletion."""
    kind: Literal["order", "operator"] = "order"
    reason: str = ""
    """An operator's reason."""
    until: datetime | None = None
    """When an operator's hold counts as expired; it still holds."""
    received: datetime | None = None
    deadline: datetime | None = None
    words: tuple[str, ...] = ()
    """How the scope was resolved when it was written."""
    about: dict[str, Any] = field(default_factory=dict)
    """The scope expression: the order's `about`."""
    derivatives: bool = True
    """Whether it keeps models off as well that are derived from its model."""
    models: tuple[str, ...] = ()
    """Every model that the order names, by which an operator's hold is made again from any one record; else empty."""
    supersedes: tuple[str, ...] = ()
    """Digests, or at least 12 digits of them, of the orders that this one replaces."""
    ledger: Mapping[str, str] = field(default_factory=dict)
    """By cluster of the fleet that was known: its `Standing`. A cluster's own hold is the authority on itself."""
    silent_nodes: tuple[str, ...] = ()
    """Nodes of its own cluster that ran pods of the model and fell silent: nobody saw those pods end."""
    guard: str = ""
    """`Guard.seal` of the guard as it was proven here: whoever changes the guard would have to change this, too."""
    public: Mapping[str, str] = field(default_factory=dict)
    """The only words of the order that reach clusters: contact, substitute, notice, noticeUrl."""

    @property
    def object_name(self) -> str:
        """Name of its ConfigMap."""
        return f"hold.{self.digest[:16]}.{self.model}"

    def to_config_map(self) -> JsonObject:
        """The ConfigMap that keeps this hold."""
        data = {
            "apiVersion": API_VERSION,
            "name": self.name,
            "digest": self.digest,
            "kind": self.kind,
            "reason": self.reason,
            "until": _text(self.until),
            "received": _text(self.received),
            "deadline": _text(self.deadline),
            "words": canonical_json(list(self.words)),
            "about": canonical_json(self.about),
            "derivatives": canonical_json(self.derivatives),
            "models": canonical_json(list(self.models)),
            "supersedes": canonical_json(list(self.supersedes)),
            "ledger": canonical_json(dict(self.ledger)),
            "silentNodes": canonical_json(list(self.silent_nodes)),
            "guard": self.guard,
            "public": canonical_json(dict(self.public)),
        }
        found = record("ConfigMap", self.object_name, HOLD, self.model, {"data": data})
        found["metadata"]["labels"][LABEL_ORDER] = self.digest[:16]
        return found


def read_hold(obj: JsonObject) -> Hold | None:
    """A hold from its ConfigMap; None for another record. Unknown fields or versions never make it less of a hold."""
    labels = dig(obj, "metadata", "labels", default={})
    if labels.get(LABEL_RECORD) != HOLD:
        return None
    data = dig(obj, "data", default={})
    name = str(data.get("name") or dig(obj, "metadata", "name", default=""))
    model = str(labels.get(LABEL_MODEL) or "*")
    try:
        if data.get("apiVersion") != API_VERSION or not data.get("digest"):
            raise ValueError("of another version")
        return Hold(
            name=name,
            model=model,
            digest=str(data["digest"]),
            kind="operator" if data.get("kind") == "operator" else "order",
            reason=str(data.get("reason", "")),
            until=_time(data.get("until")),
            received=_time(data.get("received")),
            deadline=_time(data.get("deadline")),
            words=tuple(str(word) for word in json.loads(data.get("words") or "[]")),
            about=dict(json.loads(data.get("about") or "{}")),
            derivatives=json.loads(data.get("derivatives") or "true") is not False,
            models=tuple(str(name) for name in json.loads(data.get("models") or "[]")),
            supersedes=_texts(data.get("supersedes")),
            ledger={str(key): str(value) for key, value in json.loads(data.get("ledger") or "{}").items()},
            silent_nodes=_texts(data.get("silentNodes")),
            guard=str(data.get("guard") or ""),
            public={str(key): str(value) for key, value in json.loads(data.get("public") or "{}").items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        # What is not understood holds all the same, and no lift is known to be meant for it.
        return Hold(name=name, model=model, reason=str(data.get("reason", "")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """A tombstone: this order is lifted, for good. It beats every hold and every listed order of its digest."""

    __pydantic_config__ = DOCUMENT

    digest: str
    order: str
    """Name of the order, for people."""
    reference: str
    """What the lifting rests on."""
    actor: str
    """Who lifted it, as the API server knew them."""
    supersedes: tuple[str, ...] = ()
    """What the order had replaced: of those what it did not cover is still held, and lifted by their own files."""

    @property
    def object_name(self) -> str:
        """Name of its ConfigMap."""
        return f"lift.{self.digest[:16]}"

    def to_config_map(self) -> JsonObject:
        """The ConfigMap that keeps it; its creationTimestamp is the server's time of the lift."""
        data = {
            "apiVersion": API_VERSION,
            "digest": self.digest,
            "order": self.order,
            "reference": self.reference,
            "actor": self.actor,
            "supersedes": canonical_json(list(self.supersedes)),
        }
        found = record("ConfigMap", self.object_name, LIFT, "", {"data": data})
        found["metadata"]["labels"][LABEL_ORDER] = self.digest[:16]
        return found


def read_lift(obj: JsonObject) -> Lift | None:
    """A lift from its ConfigMap; None for another record, and for one that is not understood: it lifts nothing."""
    if dig(obj, "metadata", "labels", LABEL_RECORD) != LIFT:
        return None
    data = dig(obj, "data", default={})
    digest = data.get("digest")
    if data.get("apiVersion") != API_VERSION or not isinstance(digest, str) or len(digest) != 64:
        return None
    if dig(obj, "metadata", "name") != f"lift.{digest[:16]}":
        return None
    words = (str(data.get(key, "")) for key in ("order", "reference", "actor"))
    order, reference, actor = words
    try:
        supersedes = _texts(data.get("supersedes"))
    except (ValueError, TypeError, RecursionError):
        # It lifts all the same: its digest is all that counts.
        supersedes = ()
    return Lift(digest=digest, order=order, reference=reference, actor=actor, supersedes=supersedes)


def standing_holds(holds: Iterable[Hold], lifted: Iterable[str], model: str | None = None) -> tuple[Hold, ...]:
    """The holds (on one model) that no lift of their digest has ended; `lifted` may come from any cluster."""
    ended = set(lifted)
    return tuple(
        hold
        for hold in holds
        if not (hold.digest and hold.digest in ended) and (model is None or hold.model in (model, "*"))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRecord:
    """What one object was before the first hold on its model changed it."""

    __pydantic_config__ = DOCUMENT

    model: str
    ref: ObjectRef
    uid: str
    before: dict[str, Any]
    """By JSON pointer (`/spec/replicas`, `/spec/rules`): the value that was there; None for a field that was not.

    Replicas are written back by `/scale`, everything else by patch.
    """
    whole: JsonObject | None = None
    """The whole object, for one that had to be deleted (an autoscaler)."""
    created: bool = False
    """Whether the cut made this object: a restore deletes it."""

    @property
    def object_name(self) -> str:
        """Name of its Secret: one for each (model, object), so that the first writer wins by creation."""
        place = f"{self.ref.group_kind}|{self.ref.namespace}|{self.ref.name}"
        return f"restore.{self.model}.{hashlib.sha256(place.encode()).hexdigest()[:16]}"

    @property
    def secret_ref(self) -> ObjectRef:
        """Where it is kept."""
        return ObjectRef("v1", "Secret", SYSTEM_NAMESPACE, self.object_name)

    def to_secret(self) -> JsonObject:
        """The Secret that keeps it (routes may hold what a ConfigMap should not); at most 1 MiB."""
        ref = [self.ref.api_version, self.ref.kind, self.ref.namespace, self.ref.name]
        text = canonical_json(
            {"ref": ref, "uid": self.uid, "before": self.before, "whole": self.whole, "created": self.created}
        )
        packed = base64.b64encode(gzip.compress(text.encode("utf-8", "surrogatepass"), mtime=0)).decode()
        version = base64.b64encode(API_VERSION.encode()).decode()
        return record(
            "Secret",
            self.object_name,
            RESTORE,
            self.model,
            {"type": "orchestrator.dev/restore", "data": {"apiVersion": version, "gz": packed}},
        )


def read_restore_record(secret: JsonObject) -> RestoreRecord:
    """The record that a Secret keeps; raises ValueError when it cannot be read."""
    try:
        found = json.loads(unpack(secret))
        api_version, kind, namespace, name = (str(part) for part in found["ref"])
        return RestoreRecord(
            model=str(dig(secret, "metadata", "labels", LABEL_MODEL, default="")),
            ref=ObjectRef(api_version, kind, namespace, name),
            uid=str(found["uid"]),
            before=dict(found["before"]),
            whole=found["whole"],
            created=bool(found["created"]),
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the restore record is damaged: {type(error).__name__}") from error


def _texts(text: str | None) -> tuple[str, ...]:
    return tuple(str(one) for one in json.loads(text or "[]"))


def _text(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None
