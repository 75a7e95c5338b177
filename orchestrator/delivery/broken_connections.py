"""Keeps what the event loop has to say about broken connections off the terminal.

Whoever waits for an answer is told that the connection broke; the loop would print a traceback besides, for instance
when a peer is gone while TLS still has something to send. It does so even after everything is closed.
"""

from __future__ import annotations

import asyncio
from typing import Any


def leave_untold() -> None:
    """From now on, in the running loop; what else goes wrong there is told as always. A handler of its own stays."""
    loop = asyncio.get_running_loop()
    if loop.get_exception_handler() is None:
        loop.set_exception_handler(_handle)


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not _is_of_a_connection(context):
        loop.default_exception_handler(context)


def _is_of_a_connection(context: dict[str, Any]) -> bool:
    # uvloop reports its closed handles as RuntimeError; a defect of ours has no transport beside it.
    return isinstance(context.get("exception"), OSError | RuntimeError) and (
        "transport" in context or "protocol" in context or "SSLProtocol" in repr(context.get("handle"))
    )
