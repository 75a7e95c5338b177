"""What an API server's answer means: a pure function of status, headers and body, with no connection at hand.

A proxy or load balancer in between answers too. What is not a Kubernetes `Status` is therefore never taken for "not
there" or "forbidden", which would let an outage pass for an absence.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import orjson

from orchestrator.core.objects import JsonObject, dig
from orchestrator.core.ports import Access
from orchestrator.core.text import printable
from orchestrator.delivery.transport import Answer
from orchestrator.errors import (
    ClusterError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Overloaded,
    Unauthenticated,
    Unreachable,
)

NOT_SERVED = "not-served"
"""Code of a 404 that is no Status: an API server answers so for a path it does not know, but so do others."""
# How the API server words a denial by its authorizers; denials by admission come with 403 as well, but name another
# reason there, so that a policy's own words cannot pass for this.
_DENIED = re.compile(r'(?:\S+(?: "[^"]*")? is )?forbidden: User "([^"]*)" cannot \S+ (?:resource|path)')
_DENIED_ACCESS = re.compile(r'cannot ([a-z]{1,20}) resource "([a-z0-9/.-]+)"')
# Server-side apply tells an unknown field as an internal error (500), though nothing is wrong but the manifest.
_BAD_MANIFEST = re.compile(r"failed to create typed patch object")
# Where a server quotes what it refuses: a whole object when a patch does not fit, a Secret's own data.
_QUOTED_VALUE = re.compile(r'(Invalid value: )("(?:[^"\\]|\\.)*")|\{Value:[^}]*\}')
_QUOTE_LIMIT = 80
_OWNER = re.compile(r'conflict with "([^"]*)"')


class Busy(Overloaded):
    """429 or 5xx, with what the server said about when to come back."""

    def __init__(self, message: str, *, status: int, retry_after: float | None) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after
        """Seconds; None when it did not say."""


def read_object(answer: Answer, access: Access) -> JsonObject:
    """The JSON object of a successful answer. Raises a `ClusterError` by meaning for any other."""
    if 200 <= answer.status < 300:
        body = _json(answer.body)
        if isinstance(body, dict):
            return body
        raise Unreachable("the answer is not JSON, or no object", code="not-json")
    raise error_of(answer, access)


def error_of(answer: Answer, access: Access) -> ClusterError:
    """The error for an answer that is no success; `access` says what was asked."""
    status = _status(answer.body)
    message = _message(answer.status, status, access)
    if answer.status == 401:
        return Unauthenticated("the API server does not know us (401)")
    if answer.status == 500 and _BAD_MANIFEST.match(message):
        return Invalid(message, status=answer.status)
    if answer.status == 429 or answer.status >= 500:
        return Busy(message, status=answer.status, retry_after=_retry_after(answer))
    if 300 <= answer.status < 400:
        return Unreachable("the server redirects elsewhere, which is not followed", code="redirect")
    if status is None:
        return _foreign(answer, access)
    return _refusal(answer.status, status, message, access)


def _refusal(code: int, status: JsonObject, message: str, access: Access) -> ClusterError:
    denial = _DENIED.match(str(status.get("message", ""))) if code == 403 else None
    match code:
        case 403 if denial and denial.group(1) == "system:anonymous":
            return Unauthenticated("the API server takes us for anonymous: it accepts no credential of ours")
        case 403 if denial:
            access = _denied(status, access)
            return Forbidden(f"not permitted: {access} ({message})", status=code, hint=f"grant {access}")
        case 404:
            return NotFound(message, status=code)
        case 409:
            return Conflict(message, fields=_owned_fields(status))
        case 410:
            return Gone(message, status=code)
        case _:
            return Invalid(message, status=code)


def _denied(status: JsonObject, asked: Access) -> Access:
    """What was denied: an apply that would create is asked for as a patch, and denied as a create."""
    found = _DENIED_ACCESS.search(str(status.get("message", "")))
    return replace(asked, verb=found[1]) if found and found[2] == asked.resource else asked


def _foreign(answer: Answer, access: Access) -> ClusterError:
    if answer.status == 404 and answer.body.strip() == b"404 page not found":
        return NotFound(f"the API server does not serve {access.resource}", code=NOT_SERVED, status=404)
    if answer.status == 410:
        return Gone("the list is too old to continue (410)", status=410)
    return Unreachable(f"status {answer.status}, but not as an API server answers", code="not-json")


def _status(body: bytes) -> JsonObject | None:
    parsed = _json(body)
    return parsed if isinstance(parsed, dict) and parsed.get("kind") == "Status" else None


def _json(body: bytes) -> Any:
    # The parser refuses nesting beyond 1024 levels, so a hostile body is only ever "not JSON".
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _message(code: int, status: JsonObject | None, access: Access) -> str:
    told = str((status or {}).get("message") or "")
    holds_secrets = access.resource.startswith("secrets")
    limit = 0 if holds_secrets else _QUOTE_LIMIT
    told = _QUOTED_VALUE.sub(lambda quote: quote[0] if len(quote[0]) <= limit else f"{quote[1] or ''}…", told)
    return printable(told) or f"status {code} to {access}"


def _retry_after(answer: Answer) -> float | None:
    value = answer.headers.get("retry-after", "")
    # API servers send seconds; the date form is somebody else's and no reason to trust their clock.
    return float(value) if value.isascii() and value.isdigit() and len(value) < 7 else None


def _owned_fields(status: JsonObject) -> tuple[tuple[str, str], ...]:
    causes = dig(status, "details", "causes", default=[])
    pairs = []
    for cause in causes if isinstance(causes, list) else []:
        owner = _OWNER.search(str(dig(cause, "message", default="")))
        if dig(cause, "reason") == "FieldManagerConflict" and owner:
            pairs.append((printable(dig(cause, "field", default="")), printable(owner.group(1), 100)))
    return tuple(pairs)
