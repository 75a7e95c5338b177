"""One run of a plan, from the locks to the last verdict."""

from __future__ import annotations

from orchestrator.core.plan import Plan
from orchestrator.execution.ports import RunOptions, RunOutcome, RunPorts


async def execute(plan: Plan, ports: RunPorts, options: RunOptions) -> RunOutcome:
    """Carry out a plan: lock, waves in order, rollback where the playbook asks for it, unlock.

    A plan in which nothing is due takes no lock and writes nothing, neither in a cluster nor in the journal: it is
    verified only. What happens in a cluster is told by its items, never raised.

    Raises `LockedError` when somebody else holds a lock and `RefusedError` when the plan itself is refused; then
    nothing was done.
    """
    raise NotImplementedError
