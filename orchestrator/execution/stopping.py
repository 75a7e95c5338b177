"""Ending at a safe point: between two writes, and in every wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Interrupted(Exception):
    """The run was asked to stop, and this is a safe point: nothing is half sent."""


async def unless_stopped(waiting: Awaitable[T], stop: asyncio.Event) -> T:
    """The result of a wait that changes nothing; raises `Interrupted` as soon as `stop` is set."""
    task = asyncio.ensure_future(waiting)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Interrupted
        return task.result()
    finally:
        for each in (task, stopping):
            each.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)
