"""Servers that fail, and a fleet that leads to them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from orchestrator.delivery import FleetConnection, Timeouts
from tests.faults.certificates import Authority
from tests.faults.fleets import Connect, connecting
from tests.faults.server import Behaviour, FaultServer, serving

Serve = Callable[[Behaviour], AbstractAsyncContextManager[FaultServer]]

QUICK = Timeouts(connect=1.0, request=2.0, patience=3.0, silence=1.0, plugin=3.0, rest=0.3)
"""Time-outs that let a test fail as slowly as a fault needs, and no slower."""


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def serve(authority: Authority, tmp_path: Path) -> Serve:
    """Serves a behaviour on loopback, with a certificate that the fleet trusts."""
    context = authority.issue("127.0.0.1", "localhost").server_context(tmp_path)
    return lambda behaviour: serving(behaviour, context)


@pytest.fixture
def connect_to(authority: Authority, tmp_path: Path) -> Connect:
    """Connects to servers, each a cluster: `c0`, `c1`, …"""

    def connect_to(
        *ports: int, timeouts: Timeouts = QUICK, **more: object
    ) -> AbstractAsyncContextManager[FleetConnection]:
        return connecting(tmp_path, authority.pem, ports, timeouts=timeouts, **more)  # type: ignore[arg-type]

    return connect_to
