"""A real browser for tests: Debian's Chromium, headless, steered through a pipe by its own DevTools protocol.

Without Chromium the tests fail; they are never skipped. It reaches no network: every name resolves to nothing.
"""

from __future__ import annotations

import base64
import io
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

_PATIENCE = 90.0
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-default-browser-check",
    "--no-first-run",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Chromium with an empty profile in this folder, ended afterwards."""
    program = shutil.which("chromium")
    assert program, "these tests need Chromium (on Debian: apt install chromium)"
    commands, answers = os.pipe(), os.pipe()
    # Chromium refuses its own sandbox to root; the pages are ours.
    flags = [*_FLAGS, f"--user-data-dir={folder}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    # The protocol's pipe is descriptors 3 and 4, whatever numbers they have here.
    script = f'exec "$@" 3<&{commands[0]} 4>&{answers[1]}'
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", program, *flags],
        pass_fds=(commands[0], answers[1]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder), "LANG": "C.UTF-8", "TZ": "UTC"},
    )
    os.close(commands[0])
    os.close(answers[1])
    try:
        yield Browser(commands[1], answers[0])
    finally:
        os.close(commands[1])  # the end of its commands ends it
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(answers[0])


class Browser:
    """One page, seen as its reader sees it."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._number = 0
        self._buffer = b""
        self._events: list[dict[str, Any]] = []
        target = self._send("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self._send("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.tell(f"{domain}.enable")

    def open(self, file: Path, *, width: int = 1120, scheme: str = "light", scripts: bool = True) -> None:
        """Load a page and wait until everything of it is there."""
        self._events.clear()
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.prefer(scheme)
        self.tell("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.tell("Page.navigate", url=file.as_uri())
        self._wait_for("Page.loadEventFired")

    def prefer(self, scheme: str) -> None:
        """Be the browser of somebody who likes it `light` or `dark`."""
        self.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer."""
        return self._send(method, parameters, session=self._session)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; promises are waited for."""
        answer = self.tell("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, scale: int = 1) -> Image.Image:
        """The whole page, so many pixels in a row for each CSS pixel."""
        # Here, because every run of the tests reads this file, and only `make test-ui` has the package.
        from PIL import Image

        size = self.tell("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": scale}
        answer = self.tell("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return Image.open(io.BytesIO(base64.b64decode(answer["data"]))).convert("RGB")

    def print(self) -> bytes:
        """The page as PDF, on the paper that it asks for."""
        answer = self.tell("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(answer["data"])

    def requests(self) -> list[str]:
        """Every address that the page asked for."""
        return [one["params"]["request"]["url"] for one in self._events if one["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """What the browser's console says: violations of the page's policy, errors."""
        self.evaluate("new Promise(done => setTimeout(done, 100))")
        entries = [one["params"]["entry"]["text"] for one in self._events if one["method"] == "Log.entryAdded"]
        thrown = [str(one["params"]) for one in self._events if one["method"] == "Runtime.exceptionThrown"]
        return entries + thrown

    def find_barriers(self) -> list[str]:
        """What axe-core finds that would stop somebody: rule, element, why."""
        self.evaluate(_axe())
        found = self.evaluate("axe.run({resultTypes: ['violations', 'incomplete']})")
        assert found["passes"], "axe looked at nothing"
        return [
            f"{rule['id']}: {node['target']}: {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]

    def _send(self, method: str, parameters: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        content = json.dumps(command | ({"sessionId": session} if session else {})).encode() + b"\0"
        while content:
            content = content[os.write(self._commands, content) :]
        deadline = time.monotonic() + _PATIENCE
        while True:
            message = self._receive(deadline)
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return dict(message["result"])
            if "method" in message:
                self._events.append(message)

    def _wait_for(self, event: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not any(one["method"] == event for one in self._events):
            self._events.append(self._receive(deadline))

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"Chromium did not answer within {_PATIENCE:.0f} s"
            content = os.read(self._answers, 1 << 20)
            assert content, "Chromium ended"
            self._buffer += content
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))


def _axe() -> str:
    # The package itself would import a whole other way to drive browsers; only its copy of axe-core is wanted.
    package = find_spec("axe_playwright_python")
    assert package and package.submodule_search_locations, "`make test-ui` installs requirements-ui.lock"
    return Path(package.submodule_search_locations[0], "axe.min.js").read_text(encoding="utf-8") + "\ntrue"
