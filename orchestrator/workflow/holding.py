"""`disable --hold`: a takedown without an order, in clusters of the operator's choice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.core.order import Order
from orchestrator.core.plan import Plan
from orchestrator.core.scope import Scope
from orchestrator.core.takedown import DEFAULT_TAKEDOWN_SOAK
from orchestrator.errors import UsageError
from orchestrator.workflow.holds import Snapshots, lifted_everywhere, look_for_records, order_of_hold
from orchestrator.workflow.session import Session
from orchestrator.workflow.taking_down import OperatorsHold, TakedownOptions, plan_takedown


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What an operator wants kept off, where, why and until when."""

    models: tuple[str, ...]
    scope: Scope
    reason: str
    until: datetime | None = None
    """After it the hold counts as expired, and still holds."""
    soak: float = DEFAULT_TAKEDOWN_SOAK


async def plan_hold(session: Session, holding: Holding) -> tuple[Order, Plan]:
    """The operator's hold as an order, and its takedown; nothing is changed. Repeated while it stands, it is the same.

    Raises UsageError for a model that neither the workspace nor a reachable cluster knows, for a time that has passed,
    and what `plan_takedown` raises.
    """
    if holding.until is not None and holding.until <= session.clock.now():
        raise UsageError(
            f"--until {holding.until.isoformat()} has passed already", hint="name a time to come, or leave --until out"
        )
    snapshots = await look_for_records(session, ())
    known = {name for snapshot in snapshots.values() for name in (*snapshot.entries, *snapshot.damaged)}
    for name in holding.models:
        if name not in known:
            session.workspace.model(name)
    lifted = lifted_everywhere(snapshots.values())
    standing = [hold for one in snapshots.values() for hold in one.holds if hold.digest not in lifted]
    order = order_of_hold(holding.models, holding.scope, holding.reason, standing=standing)
    return order, await plan_standing_hold(session, order, holding, snapshots)


async def plan_standing_hold(
    session: Session, order: Order, holding: Holding, snapshots: Snapshots | None = None
) -> Plan:
    """The takedown of an operator's hold that is `order` already; nothing is changed.

    `snapshots` are of every cluster, where they are at hand. Raises what `plan_takedown` raises.
    """
    # Nothing is at stake in a sandbox that an operator's hold would be mistaken for, so it needs no word of its own.
    snapshots = snapshots or await look_for_records(session, ())
    identities = [one.identity for one in snapshots.values() if one.identity is not None]
    rehearse = bool(identities) and all(identity.sandbox for identity in identities)
    options = TakedownOptions(
        soak=holding.soak,
        rehearse=rehearse,
        operators=OperatorsHold(reason=holding.reason, until=holding.until),
    )
    return await plan_takedown(session, order, options)
