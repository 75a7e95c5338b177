"""How a run was asked: all that is needed to ask the same again, by reference and digest, never by content.

It refuses to hold manifests, tokens and the words of an order: where a document is gone or was changed, the run cannot
be asked again, and that is said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import orjson
from pydantic import ValidationError

from orchestrator.core.model import Model
from orchestrator.core.playbook import DEFAULT_PROGRESS_DEADLINE, Strategy
from orchestrator.core.records import canonical_json
from orchestrator.core.schema import DOCUMENT, Seconds, as_document
from orchestrator.core.scope import Scope
from orchestrator.core.takedown import DEFAULT_TAKEDOWN_SOAK
from orchestrator.core.verdict import Want
from orchestrator.core.wish import PlanOptions
from orchestrator.documents._checking import adapter
from orchestrator.documents.workspace import Workspace

UNBEGUN = "unbegun"
"""Of a request that is kept: its run has recorded nothing yet, so nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """What the caller let through: `PlanOptions`, as it is kept."""

    __pydantic_config__ = DOCUMENT

    force_conflicts: bool = False
    prune: bool = False
    take_over: bool = False
    overridden_rules: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, options: PlanOptions) -> Permitted:
        """The same, to be kept."""
        return cls(
            force_conflicts=options.force_conflicts,
            prune=options.prune,
            take_over=options.take_over,
            overridden_rules=dict(options.overridden_rules),
        )

    def options(self) -> PlanOptions:
        """The same, for the planner."""
        return PlanOptions(
            force_conflicts=self.force_conflicts,
            prune=self.prune,
            take_over=self.take_over,
            overridden_rules=self.overridden_rules,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookTask:
    """`apply PLAYBOOK`."""

    __pydantic_config__ = DOCUMENT

    playbook: str
    """As it was given: a name under `playbooks`, or a file of the workspace."""
    documents: str
    """`documents_digest` of everything that was read."""
    permitted: Permitted = Permitted()
    type: Literal["playbook"] = "playbook"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTask:
    """`apply PLAN`: a saved plan."""

    __pydantic_config__ = DOCUMENT

    file: str
    """Absolute path."""
    digest: str
    """The plan's own digest."""
    type: Literal["plan"] = "plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandTask:
    """`enable` or `disable`."""

    __pydantic_config__ = DOCUMENT

    want: Want
    models: tuple[str, ...]
    scope: Scope
    strategy: Strategy = field(default_factory=Strategy)
    soak: Seconds | None = None
    documents: str
    permitted: Permitted = Permitted()
    type: Literal["command"] = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakedownTask:
    """`takedown --order FILE`."""

    __pydantic_config__ = DOCUMENT

    file: str
    """Absolute path of the order."""
    order: str
    """Its name."""
    digest: str
    """The order's digest."""
    contexts: tuple[str, ...] = ()
    soak: Seconds = Seconds(DEFAULT_TAKEDOWN_SOAK)
    include_shared: bool = False
    rehearse: bool = False
    follow: bool = False
    type: Literal["takedown"] = "takedown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreTask:
    """`restore --order FILE`."""

    __pydantic_config__ = DOCUMENT

    file: str
    """Absolute path of the order."""
    order: str
    digest: str
    contexts: tuple[str, ...] = ()
    reference: str | None = None
    ignore_capacity: bool = False
    progress_deadline: Seconds = DEFAULT_PROGRESS_DEADLINE
    type: Literal["restore"] = "restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldTask:
    """`disable --hold`."""

    __pydantic_config__ = DOCUMENT

    order: str
    """Name of the hold."""
    models: tuple[str, ...]
    scope: Scope
    reason: str
    until: datetime | None = None
    soak: Seconds = Seconds(DEFAULT_TAKEDOWN_SOAK)
    type: Literal["hold"] = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftTask:
    """`hold lift`."""

    __pydantic_config__ = DOCUMENT

    order: str
    """Name of the hold."""
    models: tuple[str, ...]
    scope: Scope
    reason: str
    """The hold's."""
    reference: str
    ignore_capacity: bool = False
    progress_deadline: Seconds = DEFAULT_PROGRESS_DEADLINE
    type: Literal["lift"] = "lift"


Task = PlaybookTask | PlanTask | CommandTask | TakedownTask | RestoreTask | HoldTask | LiftTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One command line, as far as it decides what is done."""

    __pydantic_config__ = DOCUMENT

    workspace: str
    """Absolute path."""
    kubeconfig: str | None = None
    """Absolute path; None for the fleet's own, or kubectl's rules."""
    connect_timeout: str
    request_timeout: str
    wait_lock: float | None = None
    cluster_deadline: float = 600.0
    held_fails: bool = False
    task: Task


def to_kept(asked: Asked) -> dict[str, Any]:
    """What the run folder keeps of it, with a digest by which a change, or a secret that was hidden, is noticed."""
    document = adapter(Asked).dump_python(asked, mode="json", by_alias=True)
    return {"asked": document, "digest": _digest(document)}


def from_kept(request: Mapping[str, Any] | None) -> Asked | None:
    """How a run was asked; None where that is not kept, was changed, or is of another version."""
    document = (request or {}).get("asked")
    if not isinstance(document, dict) or _digest(document) != (request or {}).get("digest"):
        return None
    try:
        return adapter(Asked).validate_json(orjson.dumps(document), strict=True)
    except (ValidationError, TypeError):
        return None


def documents_digest(workspace: Workspace, models: Iterable[Model], besides: object = None) -> str:
    """SHA-256 of what these documents say: the fleet, the models with their manifests, and one `besides`."""
    said = {
        "fleet": as_document(workspace.fleet),
        "models": {model.name: as_document(model) for model in models},
        "besides": as_document(besides),
    }
    said["manifests"] = {name: [one.object for one in workspace.manifests(name)] for name in said["models"]}
    return _digest(said)


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()
