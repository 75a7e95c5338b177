"""What the parts of a takedown share: one cluster's ports, what ends it, and how what was seen becomes a verdict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orchestrator.core.observation import Settled
from orchestrator.core.ports import GuardProver
from orchestrator.core.verdict import State, Verdict, Want
from orchestrator.core.verdicts import verdict_of
from orchestrator.execution.ports import ClusterPorts
from orchestrator.execution.stopping import Interrupted


class Lifted(Interrupted):
    """The order was lifted meanwhile: a takedown that goes on would undo the restore."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DarkClusterPorts(ClusterPorts):
    """One cluster's share of `DarkPorts`."""

    guard_prover: GuardProver
    seize: Callable[[str], Awaitable[str | None]]
    """Takes the lock on a model without waiting; says who held it. Raises `ClusterError`: then it is done without."""
    cluster_deadline: float
    """Seconds within which everything has to be sent and the model gone; the soak comes on top."""


def dark_verdict(settled: Settled, *, refused: bool, is_cut: bool, doubts: bool) -> Verdict:
    """The verdict on one item of a takedown.

    `failed` only where the model was seen running after our write was refused. A way to it that stays open is
    `residue`, and nothing is verified that is in doubt or not guarded.
    """
    judgement = settled.judgement
    verdict = verdict_of(judgement, Want.DISABLED, late=settled.late)
    if refused and judgement.state in (State.ENABLED, State.MIXED):
        return Verdict.FAILED
    if verdict is Verdict.FAILED:
        return Verdict.RESIDUE
    if verdict is Verdict.VERIFIED and not is_cut:
        return Verdict.RESIDUE
    return Verdict.UNVERIFIED if verdict is Verdict.VERIFIED and doubts else verdict
