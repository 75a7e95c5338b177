"""The main job in one go: five regions, a staged rollout, one region off, everything verified.

`make demo` runs it. Each step is a command that you could type yourself; it is printed before it runs. `KEEP=1` leaves
the sandbox running, so that you can go on from there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ORCHESTRATOR = Path(sys.executable).with_name("orchestrator")
BOLD, DIM, GREEN, RED, PLAIN = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m")
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ
    else ("",) * 5
)


def say(title: str) -> None:
    """Announce a step."""
    sys.stdout.write(f"\n{BOLD}{title}{PLAIN}\n")
    sys.stdout.flush()


def run(*arguments: str, expect: int = 0) -> None:
    """Show a command, run it, and stop the demo when it ends otherwise than expected."""
    sys.stdout.write(f"{DIM}$ orchestrator {' '.join(arguments)}{PLAIN}\n")
    sys.stdout.flush()
    code = subprocess.run([str(ORCHESTRATOR), *arguments], check=False).returncode
    if code != expect:
        raise SystemExit(f"{RED}that ended with exit code {code}, expected {expect}{PLAIN}")


def main() -> None:
    """The story, step by step."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="orchestrator-demo-") as folder:
        os.chdir(folder)
        os.environ["ORCHESTRATOR_STATE"] = str(Path(folder, "state"))
        try:
            tell_the_story()
            say(f"{GREEN}Done in {time.monotonic() - started:.0f} s: everything that was asked is verified.{PLAIN}")
            if os.environ.get("KEEP"):
                input("The sandbox is up. Press Enter to end it. ")
        finally:
            run("sandbox", "down", "--dir", "sandbox")


def tell_the_story() -> None:
    """Five regions, a staged rollout, one region off."""
    say("1. Five regions, each with a real Kubernetes control plane of its own")
    run("sandbox", "up", "--dir", "sandbox")
    run("init", "workspace", "--sandbox", "sandbox")
    say("2. A playbook: canary in us-east, then the EU, then everywhere else")
    run("-C", "workspace", "plan", "playbooks/fable-5-rollout.yaml")
    run("-C", "workspace", "apply", "playbooks/fable-5-rollout.yaml")
    say("3. Which model is on where")
    run("-C", "workspace", "status")
    say("4. The same playbook again: nothing to do, everything verified anew")
    run("-C", "workspace", "apply", "playbooks/fable-5-rollout.yaml")
    say("5. One region off, and proven off")
    run("-C", "workspace", "disable", "fable-5", "--region", "eu-west")
    run("-C", "workspace", "status", "fable-5")


if __name__ == "__main__":
    main()
