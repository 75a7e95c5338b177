"""Two operators on one model at the same time: random, repeatable interleavings of real processes on real clusters.

Whatever comes in between what, a model never serves under an order that was said to be carried out, no lock stays
behind, and once everything is lifted it is what it was first. `seed` in a test's name repeats it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace, check_contract
from tests.cluster.orders import Scene
from tests.cluster.test_takedown_traps import clean_up
from tests.cluster.timeline import Darkness, Timeline

JsonObject = dict[str, Any]
REPLICAS = 3
SEEDS = range(50)
MARKS = {4: (), 42: pytest.mark.slow}
"""Seeds that are tried more often: a takedown between the steps of a restore, and one that an apply runs into."""
ENDINGS: tuple[Literal["", "SIGINT", "SIGKILL"], ...] = ("", "", "SIGINT", "SIGKILL")


@dataclass(frozen=True)
class Act:
    """One command of one operator."""

    verb: str
    order: str
    delay: float
    """Seconds after what came before it."""
    ending: str
    """Signal that cuts it short; empty for none."""
    cut_after: float

    def __str__(self) -> str:
        end = f" {self.ending} after {self.cut_after:.2f}s" if self.ending else ""
        return f"+{self.delay:.2f}s {self.verb} {self.order}{end}"


@dataclass(frozen=True)
class Story:
    """What two operators do to one model."""

    seed: int
    begins: str
    """How the model is before they begin: `on`, `off` without an order, or `dark` under one."""
    operators: tuple[tuple[Act, ...], tuple[Act, ...]]
    aborts: bool
    """Whether an operator whose command was killed aborts that run before going on."""

    @classmethod
    def of(cls, seed: int) -> Story:
        """The story of this seed, always the same."""
        chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        begins = chance.choice(("on", "dark", "dark", "off"))
        verbs = {"on": ["takedown"], "dark": ["restore", "restore", "takedown"], "off": ["apply", "enable"]}[begins]
        others = ["takedown", "takedown", "takedown", "restore", "apply", "enable", "disable"]

        def act(number: int, verb: str) -> Act:
            order = {"takedown": f"own-{number}", "restore": "first" if begins == "dark" else f"own-{1 - number}"}.get(
                verb, ""
            )
            delay, cut_after = chance.uniform(0, 2), chance.uniform(0.5, 6)
            return Act(verb, order, delay, chance.choice(ENDINGS), cut_after)

        def script(number: int, first: list[str]) -> tuple[Act, ...]:
            count = chance.choice((1, 1, 2))
            return tuple(act(number, chance.choice(first if index == 0 else others)) for index in range(count))

        scripts = (script(0, verbs), script(1, others))
        return cls(seed, begins, scripts, aborts=chance.random() < 0.5)

    @property
    def may_end_off(self) -> bool:
        """Whether somebody switches the model off without an order: then off may be what an order found."""
        return self.begins == "off" or any(act.verb == "disable" for script in self.operators for act in script)

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {self.begins}"]
        lines += [f"  operator {number}: {'; '.join(map(str, acts))}" for number, acts in enumerate(self.operators)]
        return "\n".join([*lines, "  what was killed is aborted"] if self.aborts else lines)


@dataclass
class Stage:
    """One model, on in every region, and the orders that may be about it."""

    scene: Scene
    home: Path
    timelines: list[Timeline]
    orders: dict[str, str] = field(default_factory=dict)
    """By name: path of its file."""
    done: list[tuple[Act, int, Finished]] = field(default_factory=list)
    """What was done, the process's id, and how it ended."""

    @property
    def model(self) -> str:
        return self.scene.workspace.model

    def arguments(self, verb: str, order: str) -> list[str]:
        """The command line of an act."""
        confirmed = ["--order", self.orders.get(order, ""), "--confirm", self.model]
        return {
            "apply": ["apply", "playbooks/on.yaml"],
            "enable": ["enable", self.model, "--all"],
            "disable": ["disable", self.model, "--all", "--soak", "1s"],
            "takedown": ["takedown", *confirmed, "--rehearse", "--soak", "2s"],
            "restore": ["restore", *confirmed, "--lift-reference", "EX-1"],
            "abort": ["runs", "abort", "--last"],
        }[verb]

    def play(self, number: int, acts: tuple[Act, ...], *, aborts: bool) -> None:
        """One operator's acts, one after the other."""
        for act in acts:
            time.sleep(act.delay)
            if self._run(number, act) == -signal.SIGKILL and aborts:
                self._run(number, Act("abort", "", 0, "", 0))

    def _run(self, number: int, act: Act) -> int:
        command = [sys.executable, "-m", "orchestrator", "-C", str(self.scene.workspace.root)]
        command += [*self.arguments(act.verb, act.order), "-o", "json"]
        home = self.home / f"operator-{number}"
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "ORCHESTRATOR_STATE": str(home / "state")}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
            try:
                stdout, stderr = process.communicate(timeout=act.cut_after if act.ending else 150)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.Signals[act.ending or "SIGKILL"])
                stdout, stderr = process.communicate(timeout=60)
        self.done.append((act, process.pid, Finished(process.returncode, stdout, stderr)))
        return process.returncode

    def holders(self) -> dict[str, str]:
        """Who holds a lock on the model, by cluster."""
        name = ("lease", f"lock.{self.model}", "-n", "orchestrator-system")
        found = {cluster: self.scene.planes.read(cluster, *name) for cluster in self.scene.planes.clusters}
        return {cluster: str(lease["spec"].get("holderIdentity")) for cluster, lease in found.items() if lease}

    def carried_out(self) -> set[str]:
        """Names of the orders of which a takedown came to its end."""
        return {act.order for act, _, done in self.done if act.verb == "takedown" and done.code == 0} | {"first"}

    def standing(self) -> set[str]:
        """Names of the orders of which something is left in any cluster, or whose takedown was begun."""
        begun = {act.order for act, _, _ in self.done if act.verb == "takedown"} | ({"first"} & self.orders.keys())
        names = {f"{self.scene.workspace.namespace}-{name}": name for name in begun}
        lifted = set()
        for cluster in self.scene.planes.clusters:
            found = self.scene.planes.read(cluster, "configmap", "-n", "orchestrator-system",
                                           "-l", "orchestrator.dev/record=lift")  # fmt: skip
            lifted |= {item["data"]["order"] for item in found["items"]}
        complete = {act.order for act, _, done in self.done if act.verb == "restore" and done.code == 0}
        return {name for full, name in names.items() if not (full in lifted and name in complete)}


@pytest.fixture
def stage(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, tmp_path: Path
) -> Iterator[Stage]:
    """A Deployment behind a Service and an Ingress, on in every region and watched there."""
    route = {"kind": "Ingress", "namespace": workspace.namespace, "name": "server"}
    workspace.write_model(replicas=REPLICAS, routes=[route])
    for cluster in control_planes.clusters:
        control_planes.kubectl(cluster, "create", "-f", "-", stdin=yaml.safe_dump_all(_way(workspace.namespace)))
    workspace.write_playbook({"name": "everywhere", "enable": {"scope": {"all": True}}}, name="on")
    scene = Scene(control_planes, workspace, orchestrator)
    scene.orchestrator("enable", workspace.model, "--all", "-o", "json").expect(0)
    timelines = [
        Timeline(control_planes, cluster, workspace.namespace, workspace.model, tmp_path)
        for cluster in control_planes.clusters
    ]
    yield Stage(scene, tmp_path, timelines)
    for timeline in timelines:
        timeline.close()
    clean_up(scene)


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=MARKS.get(seed, pytest.mark.long)) for seed in SEEDS])
def test_whatever_two_operators_do_at_once_an_order_is_kept_and_nothing_is_lost(stage: Stage, seed: int) -> None:
    """Never on under an order that was said to be carried out, no lock left, and in the end all is as it was first."""
    story = Story.of(seed)
    print(story)  # noqa: T201 - what pytest shows when it fails
    before = [stage.scene.objects(cluster) for cluster in stage.scene.planes.clusters]
    for name in ("first", "own-0", "own-1"):
        stage.orders[name] = stage.scene.write_order(name, models=[stage.model], restore={"jitter": "0s"})
    if story.begins == "dark":
        stage.scene.take_down(stage.orders["first"], models=[stage.model]).expect(0)
    else:
        del stage.orders["first"]
    if story.begins == "off":
        stage.scene.orchestrator("disable", stage.model, "--all", "-o", "json").expect(0)
    operators = [
        threading.Thread(target=stage.play, args=each, kwargs={"aborts": story.aborts})
        for each in enumerate(story.operators)
    ]
    for operator in operators:
        operator.start()
    for operator in operators:
        operator.join()
    check_endings(stage)
    check_locks(stage)
    lift_everything(stage)
    check_timelines(stage)
    check_all_is_as_before(stage, story, before)


def check_endings(stage: Stage) -> None:
    """Every process that was not killed says exactly one thing on stdout, and has no defect."""
    for act, _, done in stage.done:
        print(act, "->", done.code)  # noqa: T201
        if done.code == -signal.SIGKILL:
            assert act.ending == "SIGKILL", f"{act} hung"
            continue
        # Killed before its run had a folder, or after its end, there is nothing to abort.
        assert done.code in ((0, 2, 3, 4) if act.verb == "abort" else (0, 1, 3, 4, 130)), f"{act}: {done}"
        assert (done.code == 130) <= (act.ending == "SIGINT"), f"{act}: {done}"
        assert "Traceback" not in done.stderr, done.stderr
        assert "internal" not in done.stdout, done.stdout
        check_contract(done)


def check_locks(stage: Stage) -> None:
    """Nobody but the dead left a lock, and theirs keep the next run waiting, no longer than they last.

    Where that has nothing to do it needs no lock, and leaves theirs, which expires by itself.
    """
    dead = [f" pid {pid} " for _, pid, done in stage.done if done.code == -signal.SIGKILL]
    left = stage.holders()
    assert all(any(pid in holder for pid in dead) for holder in left.values()), (left, dead)
    aborted = [done.json["run"]["run"] for act, _, done in stage.done if act.verb == "abort" and done.code == 0]
    assert not [holder for holder in left.values() for run in aborted if holder.endswith(run)], (left, aborted)
    done = stage.scene.orchestrator("apply", "playbooks/on.yaml", "--wait-lock", "2m", "-o", "json")
    # What runs on under an order is said to, and only an order that was never said to be carried out leaves it running.
    assert done.code in (0, 3), done
    # A restore that was refused has lifted nothing.
    lifting = {act.order for act, _, done in stage.done if act.verb == "restore" and done.code != 4}
    orders = {f"{stage.scene.workspace.namespace}-{name}" for name in stage.carried_out() - lifting}
    running = [item for item in done.items().values() if item["verdict"] not in ("verified", "held")]
    assert bool(running) is (done.code == 3), done
    for item in running:
        assert {"running-under-hold"} <= {reason["code"] for reason in item["reasons"]}, done
        assert not orders & set(item["holds"]), done
    idle = {cluster for cluster, item in done.items().items() if not item["changed"]}
    assert stage.holders().items() <= {each for each in left.items() if each[0] in idle}, (left, done)


def lift_everything(stage: Stage) -> None:
    """Each order that anybody began is carried out to its end where it was cut short, and then lifted."""
    for name in sorted(stage.standing()):
        confirmed = [stage.model]
        again = None if name in stage.carried_out() else stage.scene.take_down(stage.orders[name], models=confirmed)
        if again is not None and again.code != 4:
            again.expect(0)
        stage.scene.restore(stage.orders[name], "--wait-lock", "2m", models=confirmed).expect(0)


def check_timelines(stage: Stage) -> None:
    """From the moment at which a takedown said `verified` to its lift: no pod, and its guard in place."""
    for timeline in stage.timelines:
        kept = Darkness(timeline.cluster).replay(timeline.events(), stage.model)
        assert kept.broken == [], f"{timeline.cluster}: {kept.broken}"
        verified = {
            act.order
            for act, _, done in stage.done
            if act.verb == "takedown" and done.code == 0 and done.items()[timeline.cluster]["verdict"] == "verified"
        }
        assert len(kept.ever_proven) >= len(verified), "what was said is not in the cluster's own ledger"


def check_all_is_as_before(stage: Stage, story: Story, before: list[dict[str, JsonObject]]) -> None:
    """Replicas and routes, and nothing of ours but the catalogue."""
    for cluster, was in zip(stage.scene.planes.clusters, before, strict=True):
        now = stage.scene.objects(cluster)
        replicas = now["Deployment/server"]["spec"].pop("replicas")
        was["Deployment/server"]["spec"].pop("replicas")
        assert replicas == REPLICAS or (story.may_end_off and replicas == 0), f"{cluster}: {replicas}"
        assert json.dumps(now, sort_keys=True) == json.dumps(was, sort_keys=True), cluster
        left = {name for name in stage.scene.ours(cluster) if "/lift." not in name and "/model." not in name}
        assert {name for name in left if "/manifests." not in name} == set(), cluster


def _way(namespace: str) -> tuple[JsonObject, ...]:
    """How clients reach the model: somebody else's objects."""
    metadata = {"name": "server", "namespace": namespace}
    ports = {"selector": {"app": "server"}, "ports": [{"port": 80}]}
    backend = {"service": {"name": "server", "port": {"number": 80}}}
    return (
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": ports},
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata,
         "spec": {"defaultBackend": backend}},
    )  # fmt: skip
