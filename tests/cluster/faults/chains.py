"""A chain: one model led through every command, each under the same fault, and healed in between.

After each command an independent client looks whether what was called verified is so, and the same command over healthy
ways has to end well: whatever a fault left behind must not stand in the way.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.conftest import Finished
from tests.cluster.faults.stand import Stand
from tests.faults.failing import Failing, nothing
from tests.faults.proxy import Mutate

JsonObject = dict[str, Any]

COMMANDS = ("enable", "status", "plan", "verify", "apply", "disable", "takedown", "restore")
_BEFORE = {"enable": ("absent", "off"), "disable": ("on",), "restore": ("dark",)}
_AFTER = {"enable": "on", "apply": "on", "disable": "off", "takedown": "dark", "restore": "on"}
_TOWARDS = {"on": "enable", "off": "disable", "dark": "takedown"}


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
    more: tuple[str, ...] = ()
    """Further flags for `disable`."""


@dataclass(frozen=True)
class Cell:
    """How a command ended under a fault."""

    fault: str
    command: str
    verdict: str
    """Of the cluster behind the fault; of a plan, whether that cluster is within it."""
    codes: tuple[str, ...]
    """Of its reasons."""
    exit: int
    seconds: float
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
        if command == "apply":
            self._stand.image += 1
            self._stand.write()
        done, seconds, untruths = self._under_fault(command)
        verdict, codes = outcome(done, command, self._stand.ill)
        problems = [*untruths, *self._healthy_undone(done, command)]
        if command in _AFTER:
            problems += self._heal(command)
        said = f"{done.stderr[-1500:]}\n{done.stdout[-3000:]}\n{len(self._stand.proxy.requests)} requests"
        return Cell(self._fault.name, command, verdict, codes, done.code, seconds, tuple(problems), said)

    def _under_fault(self, command: str) -> tuple[Finished, float, list[str]]:
        fault, stand = self._fault, self._stand
        with ExitStack() as stack:
            server = fault.server(stand, stack) if fault.server else None
            user = fault.user(stand) if fault.user else None
            failing = stack.enter_context(fault.around(stand, command) if fault.around else nullcontext())
            kubeconfig = stand.kubeconfig(server, user)
            stand.proxy.do(self._mutate(failing))
            began = time.monotonic()
            done = stand.do(command, kubeconfig, *(fault.more if command == "disable" else ()), root=fault.root)
            seconds = time.monotonic() - began
            return done, seconds, list(self._untruths(done, command))

    def _mutate(self, failing: Failing | None) -> Mutate:
        return (failing or self._fault.failing)(self._stand.proxy.api_server)

    def _bring_to(self, states: tuple[str, ...]) -> None:
        stand = self._stand
        if stand.state in states:
            return
        if stand.state == "dark":
            stand.settle("restore").expect(0)
            stand.state = "on"
        if stand.state not in states:
            stand.settle(_TOWARDS[states[-1]]).expect(0)
            stand.state = states[-1]

    def _untruths(self, done: Finished, command: str) -> Iterator[str]:
        """What is called verified and is not so."""
        for cluster, item in items_of(done, command).items():
            if item["verdict"] == "verified" and (why := self._stand.truth(cluster, command)):
                yield f"FALSE VERIFIED in {cluster}: {why}"

    def _healthy_undone(self, done: Finished, command: str) -> Iterator[str]:
        items = items_of(done, command)
        # Exit 4 refuses everything before anything is done; whether it may is what is expected of the cell.
        for cluster in self._stand.well if command != "plan" and done.code != 4 else ():
            if items.get(cluster, {}).get("verdict") != "verified":
                yield f"{cluster} is healthy, and {items.get(cluster, {}).get('verdict')}"

    def _heal(self, command: str) -> Iterator[str]:
        stand = self._stand
        done = stand.settle(command)
        stand.state = _AFTER[command]
        if done.code != 0:
            yield f"did not heal: exit {done.code}: {done.stderr[-1000:]}{done.stdout[-2000:]}"
            return
        for cluster in stand.planes.clusters:
            if why := stand.truth(cluster, command):
                yield f"FALSE VERIFIED in {cluster} when healed: {why}"
            if locks := stand.locks(cluster):
                yield f"locks left in {cluster}: {', '.join(locks)}"


def items_of(done: Finished, command: str) -> Mapping[str, JsonObject]:
    """The items of a result, by cluster; none of a plan or an error."""
    try:
        document = json.loads(done.stdout)
    except ValueError:
        return {}
    return {} if command == "plan" else {item["cluster"]: item for item in document.get("items", ())}


def outcome(done: Finished, command: str, cluster: str) -> tuple[str, tuple[str, ...]]:
    """The verdict on a cluster, and the codes of its reasons."""
    if command == "plan":
        document = json.loads(done.stdout)
        if document.get("kind") != "Plan":
            return "error", (document["error"]["code"],)
        for wave in document["plan"]["waves"]:
            for one, reason in wave["unreachable"]:
                if one["name"] == cluster:
                    return "unreachable", (reason["code"],)
        return "planned", ()
    item = items_of(done, command).get(cluster)
    if item is None:
        return "none", ()
    return item["verdict"], tuple(dict.fromkeys(reason["code"] for reason in item["reasons"]))
