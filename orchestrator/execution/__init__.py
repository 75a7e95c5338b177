"""Carries out a plan: locks, waves, a pipeline per cluster, rollback.

It decides when and in which order something is sent. It refuses to decide what is sent (that is the plan's), to judge
what came of it (that is the verifier's) and to know a client: clusters, clock and journal come as arguments.
"""

from orchestrator.execution.darkening import take_dark
from orchestrator.execution.ports import DarkPorts, Joined, Joining, RunOptions, RunOutcome, RunPorts
from orchestrator.execution.restoring import bring_back
from orchestrator.execution.run import execute

__all__ = [
    "DarkPorts",
    "Joined",
    "Joining",
    "RunOptions",
    "RunOutcome",
    "RunPorts",
    "bring_back",
    "execute",
    "take_dark",
]
