"""The whole story in one go: five regions, a staged rollout, one region off; then an order, and the way back.

`make demo` runs it. Each step is a command that you could type yourself; it is printed before it runs. `KEEP=1` leaves
the sandbox running, so that you can go on from there.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = Path(sys.executable).parent
ORDER = "playbooks/orders/directive-2026-06-12.yaml"
BOLD, DIM, GREEN, RED, PLAIN = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m")
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ
    else ("",) * 5
)


def say(title: str) -> None:
    """Announce a step."""
    sys.stdout.write(f"\n{BOLD}{title}{PLAIN}\n")
    sys.stdout.flush()


def run(*arguments: str, expect: int = 0, program: str = "orchestrator") -> None:
    """Show a command, run it, and stop the demo when it ends otherwise than expected."""
    sys.stdout.write(f"{DIM}$ {program} {shlex.join(arguments)}{PLAIN}\n")
    sys.stdout.flush()
    code = subprocess.run([str(PROGRAMS / program), *arguments], check=False).returncode
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
    """Five regions, a staged rollout, one region off, an order, and the way back."""
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
    say("6. A second model, everywhere")
    run("-C", "workspace", "apply", "playbooks/mythos-5-rollout.yaml")
    say("7. An order bars all but one country's nationals. Nobody can tell who that is: both models go dark everywhere")
    rehearsal = ("--order", ORDER, "--rehearse")
    run("-C", "workspace", "takedown", *rehearsal, "--confirm", "fable-5,mythos-5", "--soak", "1s")
    say("8. Somebody tries to bring it back: the API server itself refuses")
    kubectl = ("--kubeconfig", "sandbox/kubeconfig", "--context", "us-east-1", "--namespace", "fable")
    run(*kubectl, "scale", "deployment/fable-5", "--replicas=2", program="kubectl", expect=1)
    say("9. The order is lifted: everything comes back as it was, and what was off before stays off")
    lifted = ("--lift-reference", "EXA-2026-0701", "--confirm", "fable-5,mythos-5")
    run("-C", "workspace", "restore", "--order", ORDER, *lifted)
    run("-C", "workspace", "status", "fable-5")


if __name__ == "__main__":
    main()
