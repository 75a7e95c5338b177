"""A signal ends a story, whatever went on in it before."""

from __future__ import annotations

import asyncio
import os
import signal

import click
import pytest

from orchestrator.cli._interruptions import interruptible


async def _story_with_a_failed_group() -> None:
    """A task group that has ended by an error while it was waited for, then one that goes on."""

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError

    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.sleep(60))


def test_ctrl_c_is_an_interruption_also_after_a_task_group_has_failed() -> None:
    with pytest.raises(click.Abort):
        asyncio.run(interruptible(_story_with_a_failed_group(), outlives_terminal=False))
