"""What people see of real runs, picture by picture: on a terminal of 80 by 24, and in a file of a pipeline.

Each picture is held against the one that is kept in `golden/`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from orchestrator import sandbox
from tests.ui import golden
from tests.ui.conftest import ORCHESTRATOR, Looker
from tests.ui.terminal import COLUMNS, ROWS, Screen

pytestmark = pytest.mark.ui

SEEN, PIPED = "fable-5", "fable-6"
"""Two models that differ in their names alone: what is done with the first is seen, with the second piped."""
CANARY, STAYS, LOST = "us-east-1", "eu-west-1", "eu-central-1"
WHOLE = "    spec:\n      termination"
BROKEN = "      annotations: {sandbox.orchestrator.dev/fail: image-not-found}\n" + WHOLE


@dataclass
class Stage:
    """A workspace over three regions, in which the same is done twice."""

    root: Path
    regions: sandbox.Sandbox
    look: Looker

    def seen(self, *arguments: str) -> Screen:
        """A command about the first model, on a terminal."""
        return self.look(*arguments, cwd=self.root)

    def piped(self, *arguments: str) -> tuple[int, list[str]]:
        """The same about the second one, with everything that it says in one file."""
        words = [word.replace(SEEN, PIPED) for word in arguments]
        file = self.root / "piped.log"
        with file.open("wb") as said:
            done = subprocess.run(
                [ORCHESTRATOR, *words], cwd=self.root, env=self.look.environment, stdout=said, stderr=said, check=False
            )
        text = file.read_text().replace(PIPED, SEEN).replace("fable6", "fable")
        return done.returncode, text.splitlines()

    def write(self, path: str, document: object) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(document, sort_keys=False))

    def spoil(self, *, undo: bool = False) -> None:
        """Have both models ask for an image that does not exist; or no longer."""
        for model in (SEEN, PIPED):
            file = self.root / f"manifests/{model}/server.yaml"
            text = file.read_text()
            file.write_text(text.replace(BROKEN, WHOLE) if undo else text.replace(WHOLE, BROKEN, 1))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, running_sandbox: Path) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("golden")
    found = Stage(folder / "w", sandbox.attach(running_sandbox), Looker(folder))
    command = [ORCHESTRATOR, "init", str(found.root), "--sandbox", str(running_sandbox)]
    subprocess.run(command, env=found.look.environment, check=True, capture_output=True)
    double(found.root / "manifests")
    for model in (SEEN, PIPED):
        document = {"apiVersion": "orchestrator/v1", "metadata": {"name": f"{model}-rollout"}}
        steps = [
            {"name": "canary", "enable": {"scope": {"regions": ["us-east"]}}, "soak": "3s"},
            {"name": "europe", "enable": {"scope": {"in": ["EU"]}}, "strategy": {"maxConcurrent": 1}, "soak": "1s"},
        ]
        spec = {"models": [model], "onFailure": "rollback-run", "steps": steps}
        found.write(f"playbooks/{model}-rollout.yaml", {**document, "kind": "Playbook", "spec": spec})
        about = {"reference": "EX-2026-0612", "deadline": "2h", "models": [model], "about": {"everyone": True}}
        order = {**document, "metadata": {"name": f"order-{model}"}, "kind": "Order"}
        found.write(f"playbooks/orders/{model}.yaml", {**order, "spec": {"authority": "Bureau of Examples", **about}})
    yield found
    sandbox.up(running_sandbox, 3, lambda line: None)  # the cluster that was lost, for whoever comes next


def double(manifests: Path) -> None:
    """The second model: the shipped first one under another name, in another namespace, of another image."""
    (manifests / PIPED).mkdir()
    for file in (manifests / SEEN).iterdir():
        text = file.read_text().replace(SEEN, PIPED).replace("fable-server", "fable6-server")
        (manifests / PIPED / file.name).write_text(re.sub(r"(namespace|  name): fable\b(?!-)", r"\1: fable6", text))


def kept(name: str, screen: Screen, *middle: str) -> None:
    """Hold what is left at the end against a file; before it the first frame with all these words in one line."""
    # A command that is to be copied is left whole: the terminal breaks it, and copies it as one line.
    assert [line for line in screen.broken_lines if not line.startswith(("next: `", "evidence: `"))] == []
    if not middle:
        golden.check(name, screen.rows)
        return
    frame = next((frame for frame in screen.frames if any(all(word in row for word in middle) for row in frame)), None)
    assert frame is not None, f"never seen: {middle}\n" + "\n\n".join("\n".join(one) for one in screen.frames)
    assert len(frame) <= ROWS
    if middle == BEGUN:
        frame = tuple(f"{CANARY} (at work)" if row.startswith(CANARY) else row for row in frame)
    golden.check(name, ["--- meanwhile", *frame, "--- at the end", *screen.rows])


def told(lines: list[str]) -> list[str]:
    """A log without what is chance: how often a wait tells how far it is, and a write that met another one again."""
    steady = [line for line in lines if not WAITING.match(line)]
    return [line for number, line in enumerate(steady) if number == 0 or line[8:] != steady[number - 1][8:]]


def sorted_by_cluster(lines: list[str]) -> list[str]:
    """What goes on at the same time, in clusters and within one, comes in an order of its own: it is sorted."""
    lines = told(lines)
    first = next(number for number, line in enumerate(lines) if line[:2].isdigit())
    last = max(number for number, line in enumerate(lines) if line[:2].isdigit())
    steady = sorted(lines[first : last + 1], key=lambda line: (place_of(line), line[len("hh:mm:ss") :]))
    return [*lines[:first], *steady, *lines[last + 1 :]]


def begun_without_it(lines: Iterable[str]) -> list[str]:
    """On a slow machine the lost region has given up before the others have answered, and is not awaited any more."""
    text = "\n".join(lines).replace("1 out of reach", "1 awaited")
    awaited = r"no answer yet: \1: joins once everybody has answered or given up"
    return re.sub(r"out of reach: (\S+): .*", awaited, text).split("\n")


BEGUN = (STAYS, "not begun")
"""Seen as soon as a run has begun; how far the canary is in that moment is chance."""
STEPS = "begins|is through|create|apply|update|patch|scale|delete|holds;|checked|last pod gone|rolling back|failed"
WAITING = re.compile(rf"\d\d:\d\d:\d\d [^:]+: (?!{STEPS}|verified|unreachable|unverified|residue|not_run)")


def place_of(line: str) -> str:
    return next((cluster for cluster in (CANARY, STAYS, LOST) if f" {cluster} " in line), "")


def test_a_plan(stage: Stage) -> None:
    screen = stage.seen("plan", f"playbooks/{SEEN}-rollout.yaml")
    assert screen.exit_code == 0
    kept("plan.txt", screen)


def test_a_rollout(stage: Stage) -> None:
    arguments = ("apply", f"playbooks/{SEEN}-rollout.yaml")
    screen = stage.seen(*arguments)
    assert screen.exit_code == 0
    kept("rollout.txt", screen, CANARY, "soaking", "2/2")
    code, lines = stage.piped(*arguments)
    assert code == 0
    golden.check("rollout.log", told(lines))


def test_a_dumb_terminal_gets_a_line_for_each_event(stage: Stage) -> None:
    """The cursor is not moved, nothing is drawn twice, and nothing has a colour."""
    screen = stage.look("apply", f"playbooks/{SEEN}-rollout.yaml", cwd=stage.root, TERM="dumb")
    assert screen.exit_code == 0
    assert not any("PHASE" in row for frame in screen.frames for row in frame)
    assert any(re.match(rf"\d\d:\d\d:\d\d europe {LOST} {SEEN}: verified", row) for row in screen.rows), screen.rows
    assert "\x1b[3" not in screen.colours


def test_a_failing_rollout(stage: Stage) -> None:
    stage.spoil()
    arguments = ("apply", f"playbooks/{SEEN}-rollout.yaml")
    planned = stage.seen("plan", f"playbooks/{SEEN}-rollout.yaml")
    kept("plan-of-a-change.txt", planned)
    screen = stage.seen(*arguments)
    assert screen.exit_code == 1
    kept("failing-rollout.txt", screen, *BEGUN)
    code, lines = stage.piped(*arguments)
    assert code == 1
    golden.check("failing-rollout.log", told(lines))
    stage.spoil(undo=True)


def test_the_live_matrix_tells_a_lost_cluster_before_long(stage: Stage) -> None:
    """A verdict that nobody stands behind any more goes from the screen within seconds, not minutes."""
    with stage.look.terminal.running([ORCHESTRATOR, "status", "--watch"], cwd=stage.root) as pane:
        before = pane.wait_for("9 verified")
        stage.regions.cluster(LOST).stop()
        after = pane.wait_for("3 unreachable")
        pane.press("C-c")
        pane.wait_until(lambda: pane.exit_code is not None)
        assert pane.exit_code == 130
    golden.check("status-watch.txt", ["--- before", *before, "--- a cluster is lost", *after])


def test_a_takedown_with_a_dead_region(stage: Stage) -> None:
    arguments = ("takedown", "--order", f"playbooks/orders/{SEEN}.yaml", "--rehearse", "--confirm", SEEN)
    screen = stage.seen(*arguments, "--soak", "10s")
    assert screen.exit_code == 3
    both = [
        frame
        for frame in screen.frames
        if sum("soaking" in row for row in frame) == 2
        and any(row.startswith(LOST) and "unreachable" in row for row in frame)
    ]
    assert both, "the two regions that answer were never seen soaking together, beside the lost one"
    rows, frames = tuple(begun_without_it(screen.rows)), tuple(tuple(begun_without_it(frame)) for frame in both)
    kept("takedown.txt", Screen(rows, screen.lines, "", 3, frames), CANARY, "soaking")
    code, lines = stage.piped(*arguments, "--soak", "1s")
    assert code == 3
    golden.check("takedown.log", sorted_by_cluster(begun_without_it(lines)))


def test_the_status_afterwards(stage: Stage) -> None:
    screen = stage.seen("status", SEEN)
    assert screen.exit_code == 3
    kept("status.txt", screen)
    code, lines = stage.piped("status", SEEN)
    assert code == 3
    golden.check("status.log", lines)


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_without_colours_the_words_are_the_same(stage: Stage, name: str, value: str) -> None:
    plain = stage.look("status", SEEN, cwd=stage.root, **{name: value})
    assert golden.masked(plain.rows) == (golden.FOLDER / "status.txt").read_text().splitlines()
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", plain.colours), "a colour"


def test_pictures_fit_and_symbols_are_never_alone() -> None:
    """Every picture that is kept: no line is wider than the terminal, and each symbol has its word."""
    pictures = sorted(golden.FOLDER.glob("*.txt"))
    assert len(pictures) >= 6
    for picture in pictures:
        for line in picture.read_text().splitlines():
            assert len(line) <= COLUMNS, f"{picture.name}: {line}"
    words = {"✔": "verified|enabled|disabled", "✘": "failed", "⌁": "unreachable|unknown"}
    for symbol, word in words.items():
        rows = [row for one in pictures for row in one.read_text().splitlines() if re.search(rf"  {symbol} \w", row)]
        assert rows, symbol
        assert all(re.search(rf"{symbol} ({word}|{SEEN})", row) for row in rows), rows
