"""What cannot be taken back by itself is confirmed by the models' names, by a real terminal or an option."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from orchestrator.cli._confirming import confirm_models
from orchestrator.errors import RefusedError

_ASK = """
import sys
from orchestrator.cli._confirming import confirm_models
from orchestrator.errors import RefusedError
try:
    confirm_models(["mythos-5", "fable-5"], None)
except RefusedError as error:
    sys.exit(error.exit_code)
except BaseException as error:
    sys.exit(130 if type(error).__name__ in ("Abort", "KeyboardInterrupt") else 9)
"""


def _type(answer: bytes) -> tuple[int, str]:
    """The exit code and the screen of a child that asks at a terminal and reads `answer`."""
    ours, theirs = pty.openpty()
    try:
        child = subprocess.Popen(
            [sys.executable, "-c", _ASK], stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True
        )
        shown = b""
        while b":" not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, answer)
        out, _ = child.communicate(timeout=20)
        assert out == b"", "the question went to stdout, where data belongs"
        return child.returncode, shown.decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_at_a_terminal_the_names_are_asked_for_and_exactly_they_confirm() -> None:
    """The question names them; any order and spaces do; less or more is refused with exit 4."""
    code, shown = _type(b"fable-5, mythos-5\n")
    assert code == 0
    assert "fable-5,mythos-5" in shown
    assert _type(b" mythos-5  fable-5\n")[0] == 0
    assert _type(b"fable-5\n")[0] == 4
    assert _type(b"y\n")[0] == 4
    assert _type(b"\n")[0] == 4


def test_given_names_confirm_only_when_they_are_the_models() -> None:
    """`--confirm` in any order; a wrong, missing or further name is refused."""
    confirm_models(["fable-5", "mythos-5"], "mythos-5,fable-5")
    for wrong in ("fable-5", "fable-5,mythos-5,saga-5", "", "fable-5,mythos-6"):
        with pytest.raises(RefusedError) as refused:
            confirm_models(["fable-5", "mythos-5"], wrong)
        assert refused.value.exit_code == 4


def test_without_a_terminal_nothing_is_asked_and_the_option_is_named() -> None:
    """pytest has no terminal on stdin."""
    done = subprocess.run([sys.executable, "-c", _ASK], stdin=subprocess.DEVNULL, timeout=30, check=False)
    assert done.returncode == 4
