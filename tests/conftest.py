"""What every test run does."""

from __future__ import annotations

import signal
from types import FrameType


def pytest_configure() -> None:
    """End in good order when CI's time is up: fixtures are torn down, so that no control plane is left behind."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    # Started by a shell in the background, we and everything that we start would be deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
