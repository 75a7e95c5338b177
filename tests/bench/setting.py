"""What every measure is given: how many rounds, where to put files, and real control planes, started when asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.planes import Planes

PYTHON = sys.executable
_DROPPED = frozenset({"KUBECONFIG", "ORCHESTRATOR_STATE", "PYTHONDONTWRITEBYTECODE"})
"""Of the caller's environment: its cluster, its runs, and what would make every start compile everything anew."""
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One run of the benchmark.

    `planes` gives the real control planes, `clusters` of them with `pods` pods of the model each; the first measure
    that asks waits for their start. `samples` is how many a percentile needs at least, over all rounds. A small setting
    (few clusters and samples, one round) shows that everything is measured rightly, and says nothing about speed.
    """

    folder: Path
    say: Callable[[str], None]
    planes: Callable[[], Awaitable[Planes]]
    rounds: int = 5
    clusters: int = 30
    pods: int = 3
    samples: int = 1000
    strangers: int = 20_000
    """Pods of others in the cluster of the stray search."""
    idle: float = 20.0
    """Seconds for which an idle `status --watch` is looked at."""
    stubs: int = 1000
    """Clusters of the measures of scale."""

    def environment(self) -> dict[str, str]:
        """For our own processes: a state folder of the benchmark's own, and nothing of the caller's cluster."""
        kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
        return {**kept, "ORCHESTRATOR_STATE": str(self.folder / "state"), "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
