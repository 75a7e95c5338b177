"""Measures what three hanging clusters cost the seven others, on ten real control planes.

`make bench-isolation` runs it. The same commands run over seven clusters alone, and over ten of which three hang: a
black hole stands before them that takes connections and never answers. Compared is when the last of the seven is
verified, counted from the start of the command. Ratios within one run, best of several, hold on a busy machine as well;
every run also checks that the seven were verified and the three were not.
"""

from __future__ import annotations

import copy
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import yaml

from orchestrator import sandbox

JsonObject = dict[str, Any]
LIMIT = 1.2
MODEL = "fable-5"
_LAST = {"enable": "verified", "takedown": "verified", "restore": "verified"}


@dataclass(frozen=True)
class Timed:
    """One command, in seconds: until the last healthy cluster was verified, and of that the part after planning."""

    whole: float
    carried_out: float


class Bench:
    """Ten control planes, and two workspaces over them: one of the healthy clusters alone, one of all."""

    def __init__(self, folder: Path, healthy: int) -> None:
        self._folder, self._healthy = folder, healthy
        self._orders = 0
        self._fleet = yaml.safe_load((folder / "sandbox" / "fleet.yaml").read_text())
        self._kubeconfig = yaml.safe_load((folder / "sandbox" / "kubeconfig").read_text())

    @contextmanager
    def workspace(self, name: str, *, hangs: bool) -> Iterator[Path]:
        """A workspace; with `hangs` over all ten clusters, the last three of them behind black holes."""
        root = self._folder / name
        fleet, kubeconfig = copy.deepcopy(self._fleet), copy.deepcopy(self._kubeconfig)
        clusters = fleet["spec"]["clusters"]
        with ExitStack() as stack:
            if hangs:
                for cluster in clusters[self._healthy :]:
                    hole = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
                    _server_of(kubeconfig, cluster["context"])["server"] = f"https://127.0.0.1:{hole.getsockname()[1]}"
            else:
                del clusters[self._healthy :]
            fleet["spec"]["kubeconfig"] = "kubeconfig"
            _write(root / "kubeconfig", kubeconfig)
            (root / "kubeconfig").chmod(0o600)
            _write(root / "fleet.yaml", fleet)
            _write(root / "manifests" / MODEL / "objects.yaml", _deployment())
            _write(root / "manifests" / MODEL / "model.yaml", _document("Model", MODEL, manifests=["."], replicas=2))
            yield root

    def cycle(self, root: Path) -> dict[str, Timed]:
        """Switch the model on, take it down under an order of its own, and restore it, each of them timed."""
        self._orders += 1
        name = f"order-{self._orders}"
        about = {"authority": "Bureau of Examples", "reference": name, "about": {"everyone": True}, "models": [MODEL]}
        _write(root / "order.yaml", _document("Order", name, **about, restore={"jitter": "0s"}))
        order = ("--order", "order.yaml", "--confirm", MODEL)
        return {
            "enable": self._timed(root, "enable", MODEL, "--all"),
            "takedown": self._timed(root, "takedown", *order, "--rehearse"),
            "restore": self._timed(root, "restore", *order, "--lift-reference", "EX-1"),
        }

    def switch_off(self, root: Path) -> None:
        """Bring every cluster that answers to where a cycle begins."""
        self._run(root, "disable", MODEL, "--all", "--soak", "0s")

    def _timed(self, root: Path, *arguments: str) -> Timed:
        began = datetime.now(UTC)
        items = self._run(root, *arguments)["items"]
        verified = [_moment(item, "verified") for item in items if item["verdict"] == "verified"]
        if len(verified) != self._healthy:
            raise click.ClickException(
                f"{arguments[0]}: {len(verified)} of {self._healthy} healthy clusters were verified"
            )
        started = min(_moment(item, "started") for item in items if item["verdict"] == "verified")
        return Timed((max(verified) - began).total_seconds(), (max(verified) - started).total_seconds())

    def _run(self, root: Path, *arguments: str) -> JsonObject:
        command = [sys.executable, "-m", "orchestrator", "-C", str(root), *arguments, "-o", "json"]
        environment = {**os.environ, "ORCHESTRATOR_STATE": str(self._folder / "state")}
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, check=False)
        if done.returncode not in (0, 3):
            raise click.ClickException(f"`{' '.join(arguments)}` ended with {done.returncode}: {done.stderr[-2000:]}")
        result: JsonObject = json.loads(done.stdout)
        return result


def _moment(item: JsonObject, name: str) -> datetime:
    return datetime.fromisoformat(item["times"][name])


def _server_of(kubeconfig: JsonObject, context: str) -> JsonObject:
    name = next(one["context"]["cluster"] for one in kubeconfig["contexts"] if one["name"] == context)
    found: JsonObject = next(one["cluster"] for one in kubeconfig["clusters"] if one["name"] == name)
    return found


def _document(kind: str, name: str, **spec: Any) -> JsonObject:
    return {"apiVersion": "orchestrator/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _deployment() -> JsonObject:
    labels = {"app": MODEL}
    pod = {"terminationGracePeriodSeconds": 1, "containers": [{"name": "server", "image": "registry.example/server:1"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": MODEL, "namespace": "default"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


def _write(path: Path, document: JsonObject) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def measure(bench: Bench, runs: int) -> dict[bool, dict[str, list[Timed]]]:
    """Every command, undisturbed and disturbed by turns."""
    found: dict[bool, dict[str, list[Timed]]] = {hangs: {name: [] for name in _LAST} for hangs in (False, True)}
    with bench.workspace("seven", hangs=False) as seven, bench.workspace("ten", hangs=True) as ten:
        for number in range(runs):
            for root, hangs in ((seven, False), (ten, True)):
                began = time.monotonic()
                bench.switch_off(root)
                for name, timed in bench.cycle(root).items():
                    found[hangs][name].append(timed)
                click.echo(
                    f"run {number + 1}, {'some hang' if hangs else 'undisturbed'}: {time.monotonic() - began:.0f} s"
                )
    return found


@click.command()
@click.option("--runs", default=3, show_default=True, type=click.IntRange(1), help="Runs of each, the best one counts.")
@click.option("--healthy", default=7, show_default=True, type=click.IntRange(1), help="Clusters that answer.")
@click.option("--hanging", default=3, show_default=True, type=click.IntRange(1), help="Clusters that hang.")
def main(runs: int, healthy: int, hanging: int) -> None:
    """Compare clusters alone with the same beside others that hang."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        sandbox.up(folder / "sandbox", healthy + hanging, click.echo)
        try:
            found = measure(Bench(folder, healthy), runs)
        finally:
            sandbox.down(folder / "sandbox")
    sys.exit(0 if report(found) else 1)


def report(found: dict[bool, dict[str, list[Timed]]]) -> bool:
    """Print a line per command; whether every promise is kept."""
    click.echo(f"\n{'command':10} {'alone':>8} {'beside':>13} {'ratio':>6}   carried out in: alone, beside, ratio")
    kept = True
    for name in _LAST:
        alone, beside = (min(one.whole for one in found[hangs][name]) for hangs in (False, True))
        done_alone, done_beside = (min(one.carried_out for one in found[hangs][name]) for hangs in (False, True))
        is_kept = name != "takedown" or beside <= LIMIT * alone
        kept = kept and is_kept and done_beside <= LIMIT * done_alone + 0.2
        click.echo(
            f"{name:10} {alone:7.1f}s {beside:12.1f}s {beside / alone:6.2f}   "
            f"{done_alone:.1f}s {done_beside:.1f}s {done_beside / done_alone:.2f}"
        )
    click.echo("kept" if kept else f"MISSED: at most {LIMIT} times")
    return kept


if __name__ == "__main__":
    main()
