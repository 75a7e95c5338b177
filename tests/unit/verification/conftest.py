"""The wait that the tests of waiting share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.unit.verification.waits import Wait


@pytest.fixture
async def wait() -> AsyncIterator[Wait]:
    waiting = Wait()
    yield waiting
    for task in waiting.tasks:
        task.cancel()
    await asyncio.gather(*waiting.tasks, return_exceptions=True)
    assert waiting.cluster.open_follows == []
