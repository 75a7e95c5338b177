"""A connection that breaks is told to whoever waits for its answer, and not by a traceback on the terminal."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.faults.behaviours import Script
from tests.faults.conftest import Serve
from tests.faults.fleets import Connect


@pytest.mark.parametrize("error", [RuntimeError("the handler is closed"), BrokenPipeError("broken pipe")])
async def test_a_broken_connection_prints_no_traceback(
    serve: Serve, connect_to: Connect, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    async with serve(Script()) as server, connect_to(server.port):
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": "Fatal error", "exception": error, "transport": object()})
    assert not [entry for entry in caplog.records if entry.name == "asyncio"]


@pytest.mark.parametrize("context", [{}, {"transport": object()}])
async def test_whatever_else_goes_wrong_is_told(
    serve: Serve, connect_to: Connect, caplog: pytest.LogCaptureFixture, context: dict[str, object]
) -> None:
    """A defect stays visible, beside a connection or not."""
    error = ValueError("a defect") if context else RuntimeError("a defect")
    with caplog.at_level(logging.ERROR):
        async with serve(Script()) as server, connect_to(server.port):
            asyncio.get_running_loop().call_exception_handler({"message": "defect", "exception": error, **context})
    assert [entry for entry in caplog.records if entry.name == "asyncio"]
