"""How long delivery waits, for what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds, each with the default that `plan` prints."""

    connect: float = 5.0
    """Looking up a name, and again opening the connection with its TLS handshake."""
    request: float = 15.0
    """One request with its answer; no retry begins after this long."""
    patience: float = 60.0
    """How long an overloaded API server is asked again once it has answered, and how long a watch may fail to list
    before it gives up."""
    silence: float = 90.0
    """A watch without event or bookmark for this long is dead. API servers send a bookmark about every minute."""
    plugin: float = 30.0
    """One run of a credential plugin."""
    rest: float = 5.0
    """How long a cluster that failed repeatedly is left alone."""
