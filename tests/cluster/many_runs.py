"""Many command lines in one process, and what each leaves behind there: `python -m tests.cluster.many_runs` as JSON.

The commands are real. Only the loop that they run on is ours, so that the tasks left on it can be counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop

from orchestrator.cli import _running
from orchestrator.cli.app import run

LOOPS = (uvloop.new_event_loop, asyncio.new_event_loop)


class Watch:
    """Counts what a process holds, and keeps every complaint of the interpreter."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.tasks: list[str] = []
        self.loops = 0
        sys.unraisablehook = lambda what: self.complaints.append(f"unraisable: {what.exc_value!r} in {what.object!r}")
        threading.excepthook = lambda what: self.complaints.append(f"thread: {what.exc_value!r}")
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda record: self.complaints.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("asyncio").addHandler(handler)

    def run_story(self, story: Coroutine[Any, Any, Any]) -> Any:
        """In place of the command line's own runner: one loop and the other by turns, and what is left on it."""

        async def counted() -> Any:
            try:
                return await story
            finally:
                left = asyncio.all_tasks() - {asyncio.current_task()}
                self.tasks += [repr(task) for task in left if not task.done()]

        self.loops += 1
        with asyncio.Runner(loop_factory=LOOPS[self.loops % 2]) as runner:
            return runner.run(counted())

    def held(self) -> dict[str, int]:
        """What the process holds now."""
        gc.collect()
        children = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
        return {
            "files": len(list(Path("/proc/self/fd").iterdir())),
            "threads": threading.active_count(),
            "children": sum(len(found) for found in children),
            "kilobytes": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024,
        }


def main(commands: list[list[str]], count: int, warm_up: int) -> dict[str, Any]:
    """Run `count` of the commands in turn; what was held after the warm-up and at the end, and every complaint."""
    warnings.simplefilter("error")
    watch = Watch()
    _running._run = watch.run_story
    codes: dict[str, list[int]] = {}
    before: dict[str, int] = {}
    for number in range(warm_up + count):
        if number == warm_up:
            before = watch.held()
        arguments = commands[number % len(commands)]
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = run(arguments)
        codes.setdefault(" ".join(arguments[2:4]), []).append(code)
        if code not in (0, 3):
            watch.complaints.append(f"{arguments}: exit {code}: {out.getvalue()[-300:]} {err.getvalue()[-300:]}")
    return {
        "before": before,
        "after": watch.held(),
        "loops": watch.loops,
        "codes": codes,
        "tasks": watch.tasks,
        "complaints": watch.complaints,
    }


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps(main(wanted["commands"], wanted["count"], wanted["warmUp"])))
