"""What somebody says of a channel, or of a cluster that is gone for good, when this tool cannot see it itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from orchestrator.core.holds import LABEL_ORDER
from orchestrator.core.objects import LABEL_RECORD, JsonObject, dig
from orchestrator.core.records import record
from orchestrator.core.schema import API_VERSION, DOCUMENT

ATTESTATION = "attestation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """One statement about one order. Kept for good; a later one on the same subject and model replaces it."""

    __pydantic_config__ = DOCUMENT

    digest: str
    """The order's digest."""
    order: str
    """Name of the order, for people."""
    subject: str
    """The channel that is off, or the cluster that is gone."""
    model: str = ""
    """Whose channel it is; empty for a cluster, and in records of before it was asked."""
    by: str
    """Who says so."""
    note: str
    """What it rests on."""
    actor: str
    """Who recorded it, as the API server knew them."""
    at: str = ""
    """When, by the clock of the cluster that keeps it; empty before it is written."""

    @property
    def object_name(self) -> str:
        """Name of its ConfigMap; the subject is anybody's text and therefore only a digest in it."""
        # Without a model as it ever was, so that what was kept then is still found under its name.
        said = f"{self.subject}\0{self.model}" if self.model else self.subject
        return f"attestation.{self.digest[:16]}.{hashlib.sha256(said.encode()).hexdigest()[:16]}"

    def to_config_map(self) -> JsonObject:
        """The ConfigMap that keeps it; its creationTimestamp is the server's time."""
        data = {
            "apiVersion": API_VERSION,
            "digest": self.digest,
            "order": self.order,
            "subject": self.subject,
            **({"model": self.model} if self.model else {}),
            "by": self.by,
            "note": self.note,
            "actor": self.actor,
        }
        found = record("ConfigMap", self.object_name, ATTESTATION, "", {"data": data})
        found["metadata"]["labels"][LABEL_ORDER] = self.digest[:16]
        return found


def read_attestation(obj: JsonObject) -> Attestation | None:
    """An attestation from its ConfigMap; None for another record, and for one that is not understood."""
    if dig(obj, "metadata", "labels", LABEL_RECORD) != ATTESTATION:
        return None
    data = dig(obj, "data", default={})
    if data.get("apiVersion") != API_VERSION or len(str(data.get("digest", ""))) != 64:
        return None
    words = {key: str(data.get(key, "")) for key in ("digest", "order", "subject", "model", "by", "note", "actor")}
    found = Attestation(**words, at=str(dig(obj, "metadata", "creationTimestamp", default="")))
    return found if found.object_name == dig(obj, "metadata", "name") else None
