"""Every error this tool raises on purpose: its meaning, its exit code, and what to do next.

The tree::

    OrchestratorError                 1
    ├── UsageError                    2   the command line or a document is wrong; nothing was sent
    │   └── DocumentError             2   … at file:line
    ├── RefusedError                  4   refused before anything was done
    │   ├── SafetyRefusal                 a safety rule of the fleet, by name
    │   ├── LockedError                   somebody else holds the lock
    │   ├── HoldRefusal                   a hold keeps the model off
    │   └── ConflictRefusal               fields or steps belong to somebody else
    ├── SandboxError                  1
    └── ClusterError                  3   one cluster did not do what was asked
        ├── Unreachable                   no answer that can be trusted
        │   ├── WrongCluster              … because it is another cluster than the pinned one
        │   └── Unauthenticated           … because it does not know us (401, exec plugin failed)
        ├── Forbidden                     the verb is not allowed (403)
        ├── NotFound                      404
        ├── Conflict                      409: someone else wrote, or owns, what we would write
        ├── Gone                          410: the list is too old to continue or watch
        ├── TooLate                       not sent: what allowed it was so no more when its turn had come
        ├── Invalid                       400, 422: the API server or an admission policy refuses the object
        └── Overloaded                    429, 5xx after every permitted retry

Exit codes are those of the README; nothing here formats for a terminal.
"""

from __future__ import annotations


class OrchestratorError(Exception):
    """An expected failure: a message in one sentence, and a hint at what to do next."""

    exit_code = 1
    code = "error"
    next_step: str | None = None
    """What helps against any error of this class; said where the error itself has no better hint."""

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code


class UsageError(OrchestratorError):
    """The command line or a document asks for something that makes no sense; nothing was sent."""

    exit_code = 2
    code = "usage"


class DocumentError(UsageError):
    """A document is wrong at `file:line`."""

    code = "document"
    next_step = "`orchestrator schema KIND` prints every field that a document may have"

    def __init__(
        self, message: str, *, file: str | None = None, line: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.file = file
        self.line = line

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        return f"{place}: {self.message}" if place else self.message


class RefusedError(OrchestratorError):
    """Refused before anything was done."""

    exit_code = 4
    code = "refused"


class SafetyRefusal(RefusedError):
    """A safety rule of the fleet forbids the plan."""

    code = "safety"


class LockedError(RefusedError):
    """Somebody else is changing the same model in the same cluster."""

    code = "locked"


class HoldRefusal(RefusedError):
    """A hold keeps the model off."""

    code = "held"


class ConflictRefusal(RefusedError):
    """What would be written belongs to another playbook or field manager."""

    code = "conflict"


class SandboxError(OrchestratorError):
    """The sandbox cannot be built, started or stopped."""

    code = "sandbox"


class ClusterError(OrchestratorError):
    """One cluster did not do what was asked; the others go on."""

    exit_code = 3
    code = "cluster"
    next_step = "`orchestrator fleet check` tells what each cluster answers"

    def __init__(
        self, message: str, *, hint: str | None = None, code: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.status = status


class Unreachable(ClusterError):
    """No answer that can be trusted: refused, timed out, bad certificate, or not JSON."""

    code = "unreachable"


class WrongCluster(Unreachable):
    """The context leads to another cluster than the pinned one; nothing may be sent there."""

    code = "wrong-cluster"
    next_step = "correct the context in the kubeconfig, or pin the new cluster's uid in fleet.yaml"


class Unauthenticated(Unreachable):
    """The cluster does not know us: 401, or the credential plugin failed."""

    code = "unauthenticated"
    next_step = "log in anew with your cloud's tool; `kubectl --context CONTEXT auth whoami` tells when it worked"


class Forbidden(ClusterError):
    """A permission is missing (403); the message names verb and resource."""

    code = "forbidden"
    next_step = "`orchestrator fleet check --role ROLE` lists what a role still lacks"


class NotFound(ClusterError):
    """The object or the API is not there (404)."""

    code = "not-found"


class Conflict(ClusterError):
    """Somebody else wrote, or owns, what we would write (409)."""

    code = "conflict"

    def __init__(self, message: str, *, fields: tuple[tuple[str, str], ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint, status=409)
        self.fields = fields
        """Pairs of (field path, field manager) that server-side apply named."""


class Gone(ClusterError):
    """A list or watch is too old to continue (410): list anew."""

    code = "gone"


class TooLate(ClusterError):
    """A write was not sent: what allowed it was so no more when its turn had come."""

    code = "too-late"


class Invalid(ClusterError):
    """The API server or an admission policy refuses the object (400, 422, or 403 by a policy)."""

    code = "invalid"


class Overloaded(ClusterError):
    """The API server still answers 429 or 5xx after every permitted retry."""

    code = "overloaded"
    next_step = "try again later; what was done is done, and a second run goes on from there"
