"""What was found of an evidence bundle, when it was written or checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchestrator.core.result import Outcome
from orchestrator.core.schema import API_VERSION, DOCUMENT
from orchestrator.core.verdict import Reason

Integrity = Literal["intact", "damaged"]
Authenticity = Literal["verified", "refused", "unchecked", "unsigned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceReport:
    """Printed by `evidence export` and `evidence verify`."""

    __pydantic_config__ = DOCUMENT

    file: str
    run: str | None = None
    """What the bundle says of itself; null where it is damaged, like everything else that it says."""
    action: str | None = None
    order: str | None = None
    order_digest: str | None = None
    records: int = 0
    """Records that hang together, the last one included."""
    head: str | None = None
    """SHA-256 of the last record."""
    integrity: Integrity
    """Whether every byte is as it was written."""
    authenticity: Authenticity
    """`verified`: signed with the key that was given; `refused`: with another; `unchecked`: none was given."""
    signer: str | None = None
    """SHA-256 of the public key (SubjectPublicKeyInfo, DER) that the bundle names."""
    complete: bool
    """Whether the bundle holds everything that the run was to record."""
    reasons: tuple[Reason, ...] = ()
    """What is wrong, what is missing, and what was not checked."""
    outcome: Outcome
    exit_code: int
    api_version: Literal["orchestrator/v1"] = API_VERSION
    kind: Literal["EvidenceReport"] = "EvidenceReport"
