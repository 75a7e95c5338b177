"""A process of its own: sends one message to some addresses. Task on stdin, answers on stdout, all JSON.

An answer is a line: by name why it was not delivered, null where it was. It imports nothing of this package. Each
address gets a process, made when Apprise is loaded: what hangs is ended alone, and what is logged is of that one.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
from typing import Any
from urllib.parse import parse_qsl, urlencode

_STATUS = re.compile(r"error=(\d{3})")
"""How Apprise's own log tells the HTTP status of an answer."""
_SLACK = 0.5
"""Seconds after its own time limit in which a request may say what went wrong."""


class _Trouble(logging.Handler):
    """Hears what Apprise logs, and keeps nothing of it but what cannot be a secret."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.words = "the service refused it"

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a status, or that nobody answered."""
        message = record.getMessage()
        if found := _STATUS.search(message):
            self.words = f"the service answered {found[1]}"
        elif "onnection error" in message or "timed out" in message:
            self.words = "the service could not be reached, or did not answer in time"


def main() -> None:
    """Send to all at once; whoever started us gives up in time and ends us."""
    task = json.load(sys.stdin)
    import apprise

    # All plugins are loaded with the first address, which takes longer than many a message.
    apprise.Apprise.instantiate("json://localhost")
    children = []
    for target in task["targets"]:
        if child := os.fork():
            children.append(child)
        else:
            _deliver(apprise, task, target)
    for child in children:
        os.waitpid(child, 0)


def _deliver(apprise: Any, task: dict[str, Any], target: dict[str, Any]) -> None:
    """Send and answer; when time is up, answer and leave what hangs."""
    name, seconds = target["name"], float(target["seconds"])
    signal.signal(signal.SIGALRM, lambda *_: _answer(name, f"no answer within {seconds:g}s"))
    signal.setitimer(signal.ITIMER_REAL, seconds + _SLACK)
    try:
        _answer(name, _send(apprise, task, target["url"], seconds))
    except Exception as error:  # a plugin's defect is its own; its words may hold the address
        _answer(name, f"Apprise failed with {type(error).__name__}")


def _answer(name: str, trouble: str | None) -> None:
    os.write(1, json.dumps({name: trouble}).encode() + b"\n")
    os._exit(0)


def _send(apprise: Any, task: dict[str, Any], url: str, seconds: float) -> str | None:
    trouble = _Trouble()
    logging.getLogger("apprise").addHandler(trouble)
    asset = apprise.AppriseAsset(app_id="orchestrator", app_desc="orchestrator", app_url="", async_mode=False)
    sender = apprise.Apprise(asset=asset)
    if not sender.add(_timed(_known(apprise, url), seconds)):
        return "its address is none that Apprise knows"
    message = {name: task[name] for name in ("title", "body", "notify_type")}
    return None if sender.notify(**message, body_format="text") else trouble.words


def _known(apprise: Any, url: str) -> str:
    """The address; plain http(s) that is no service's own is a webhook that takes JSON, its query kept."""
    if not url.startswith(("http://", "https://")) or apprise.Apprise.instantiate(url) is not None:
        return url
    address, _, query = url.partition("?")
    kept = urlencode([(f"-{name}", value) for name, value in parse_qsl(query, keep_blank_values=True)])
    return f"json{address.removeprefix('http')}{f'?{kept}' if kept else ''}"


def _timed(url: str, seconds: float) -> str:
    """The address with our time limit for connecting and reading, unless it has one of its own."""
    if "cto=" in url or "rto=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}cto={seconds:g}&rto={seconds:g}"


if __name__ == "__main__":
    main()
