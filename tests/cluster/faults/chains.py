"""A chain: one model led through every command, each under the same fault, and healed in between.

After each command an independent client looks whether what was called verified is so, and the same command over healthy
ways has to end well: whatever a fault left behind must not stand in the way.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.conftest import Finished
from tests.cluster.faults.stand import Stand, deadline
from tests.cluster.faults.telling import NOTHING, WELL, Told, refusal_of, told_of
from tests.faults.failing import Failing, nothing
from tests.faults.proxy import Mutate

JsonObject = dict[str, Any]

COMMANDS = (
    "enable",
    "status",
    "plan",
    "verify",
    "fleet check",
    "drill",
    "apply",
    "runs resume",
    "disable",
    "takedown",
    "verify --order",
    "orders show",
    "hold list",
    "restore",
    "disable --hold",
    "hold lift",
)
_BEFORE = {
    "enable": ("absent", "off"),
    "disable": ("on",),
    "verify --order": ("dark",),
    "orders show": ("dark",),
    "hold list": ("dark",),
    "restore": ("dark",),
    "hold lift": ("held",),
}
_AFTER = {
    "enable": "on",
    "apply": "on",
    "runs resume": "on",
    "disable": "off",
    "takedown": "dark",
    "restore": "on",
    "disable --hold": "held",
    "hold lift": "on",
}
_TOWARDS = {"on": "enable", "off": "disable", "dark": "takedown", "held": "disable --hold"}
_BACK = {"dark": "restore", "held": "hold lift"}
"""What ends a state out of which no `enable` leads."""
_START, _BUSY, _SLOWEST = 10.0, 4.0, 30.0
"""Allowed besides all deadlines: this many seconds, and this many times as long as a command over healthy ways takes
right afterwards, of which no more than this is believed to be the machine's fault."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong on the way to one cluster, or in it."""

    name: str
    failing: Failing = nothing
    server: Callable[[Stand, ExitStack], JsonObject] | None = None
    """What the kubeconfig says of the server instead."""
    user: Callable[[Stand], JsonObject] | None = None
    """What the kubeconfig says of the user instead."""
    around: Callable[[Stand, str], AbstractContextManager[Failing | None]] | None = None
    """What surrounds each command; it may hand out what is to fail."""
    root: tuple[str, ...] = ()
    """Flags before each command."""
    patience: float = 0.0
    """Seconds that the tool bears it, besides what its flags say."""
    more: tuple[str, ...] = ()
    """Further flags for `disable`, with and without `--hold`."""


@dataclass(frozen=True)
class Cell:
    """How a command ended under a fault."""

    fault: str
    command: str
    verdict: str
    """Of the cluster behind the fault; in documents without verdicts, a word of `telling`."""
    codes: tuple[str, ...]
    """Of its reasons."""
    exit: int
    seconds: float
    limit: float
    """Seconds in which it had to end: its own deadlines, and what a busy machine is allowed."""
    problems: tuple[str, ...] = ()
    """What must not be whatever was expected: a false `verified`, a healthy cluster not done, no way back."""
    said: str = field(default="", repr=False)


class Chain:
    """The commands of one fault, in turn."""

    def __init__(self, fault: Fault, stand: Stand) -> None:
        self._fault, self._stand = fault, stand

    def run(self, commands: Collection[str]) -> Iterator[Cell]:
        """Each of these commands under the fault, in the order of `COMMANDS`."""
        self._stand.write()
        for command in COMMANDS:
            if command in commands:
                yield self._cell(command)

    def _cell(self, command: str) -> Cell:
        self._bring_to(_BEFORE.get(command, ("on",)))
        if command in ("apply", "runs resume"):
            self._stand.image += 1
            self._stand.write()
        done, seconds, untruths = self._under_fault(command)
        told = refusal_of(done) or told_of(done, self._stand.model).get(self._stand.ill, NOTHING)
        problems = [
            *untruths,
            *self._healthy_undone(done),
            *self._untold_locks(done, told),
            *self._heal(command, _run_of(done)),
        ]
        said = f"{done.stderr[-1500:]}\n{done.stdout[-3000:]}\n{len(self._stand.proxy.requests)} requests"
        ended = (told.verdict, told.codes, done.code, seconds, self._limit(command))
        return Cell(self._fault.name, command, *ended, tuple(problems), said)

    def _limit(self, command: str) -> float:
        busy = _START + _BUSY * min(self._stand.took, _SLOWEST)
        return deadline(command, self._fault.root) + self._fault.patience + busy

    def _under_fault(self, command: str) -> tuple[Finished, float, list[str]]:
        fault, stand = self._fault, self._stand
        if command == "runs resume":
            stand.cut_off(fault.root)
        with ExitStack() as stack:
            server = fault.server(stand, stack) if fault.server else None
            user = fault.user(stand) if fault.user else None
            failing = stack.enter_context(fault.around(stand, command) if fault.around else nullcontext())
            kubeconfig = stand.kubeconfig(server, user)
            stand.proxy.do(self._mutate(failing))
            began = time.monotonic()
            more = fault.more if command in ("disable", "disable --hold") else ()
            done = stand.do(command, kubeconfig, *more, root=fault.root)
            seconds = time.monotonic() - began
            return done, seconds, list(self._untruths(done, command))

    def _mutate(self, failing: Failing | None) -> Mutate:
        return (failing or self._fault.failing)(self._stand.proxy.api_server)

    def _bring_to(self, states: tuple[str, ...]) -> None:
        stand = self._stand
        if stand.state in states:
            return
        if back := _BACK.get(stand.state):
            # What was taken dark where no record could be made stays off, and is switched on anew.
            stand.state = "off" if stand.settle(back).code else "on"
        if stand.state == "absent" and "on" not in states:
            stand.settle("enable").expect(0)
        if stand.state not in states:
            stand.settle(_TOWARDS[states[-1]]).expect(0)
            stand.state = states[-1]

    def _untruths(self, done: Finished, command: str) -> Iterator[str]:
        """What is called well and is not so."""
        for cluster, told in told_of(done, self._stand.model).items():
            if told.verdict in WELL and (why := self._stand.truth(cluster, command, told)):
                yield f"FALSE {told.verdict.upper()} in {cluster}: {why}"

    def _healthy_undone(self, done: Finished) -> Iterator[str]:
        # Exit 4 refuses everything before anything is done; whether it may is what is expected of the cell.
        told = told_of(done, self._stand.model)
        for cluster in self._stand.well if done.code != 4 else ():
            verdict = told.get(cluster, NOTHING).verdict
            if verdict not in WELL:
                yield f"{cluster} is healthy, and {verdict}"

    def _untold_locks(self, done: Finished, told: Told) -> Iterator[str]:
        """Locks that the command left behind without a word."""
        run = _run_of(done)
        for cluster in self._stand.planes.clusters:
            if cluster == self._stand.ill and "lock-left" in told.codes:
                continue
            if any(run and run in holder for holder in self._stand.locks(cluster).values()):
                yield f"a lock is left in {cluster}, and nothing says so"

    def _heal(self, command: str, before: str) -> Iterator[str]:
        """Why the same command over healthy ways does not end well; nothing of the fault may stand in its way.

        `before` is the run under the fault: where nothing is left to do, resuming it tells its own result once more.
        """
        stand = self._stand
        if command == "hold lift" and not any(map(stand.holds, stand.planes.clusters)):
            # Nothing is left that could be lifted again: a hold is found by what it left in the clusters.
            stand.state = _AFTER[command]
            return
        done = stand.settle(command)
        stand.state = _AFTER.get(command, stand.state)
        if done.code != (10 if command == "plan" else 0):
            yield f"did not heal: exit {done.code}: {done.stderr[-1000:]}{done.stdout[-2000:]}"
            return
        told = told_of(done, stand.model)
        run = _run_of(done)
        for cluster in stand.planes.clusters:
            one = told.get(cluster, NOTHING)
            # What is to change something names no cluster where nothing is left to change.
            if one.verdict not in WELL and not (one is NOTHING and command in _AFTER):
                yield f"{cluster} is {one.verdict} when healed"
            elif why := stand.truth(cluster, command, one):
                yield f"FALSE {one.verdict.upper()} in {cluster} when healed: {why}"
            # Where nothing was left to do, no lock was taken, and one that the fault left stands until it expires.
            if locks := [
                name for name, holder in stand.locks(cluster).items() if run not in ("", before) and run in holder
            ]:
                yield f"locks left in {cluster} by who healed it: {', '.join(locks)}"
            stand.clear_locks(cluster)


def _run_of(done: Finished) -> str:
    return json.loads(done.stdout).get("run") or ""
