"""An order that replaces another: where its own hold and proven guard stand, those of its predecessor go.

The guard goes first: a hold without one still holds, a guard without a hold would be nobody's.
"""

from __future__ import annotations

from functools import partial

from orchestrator.core.holds import Hold, read_hold
from orchestrator.core.objects import ref_of
from orchestrator.core.verdict import Reason
from orchestrator.execution.sending import Sender
from orchestrator.execution.steps import Steps
from orchestrator.execution.unguarding import take_guard_away


async def end_superseded(steps: Steps, sender: Sender, holds: tuple[Hold, ...]) -> None:
    """Take these holds on the sender's model and their guards out of this cluster; what cannot go is said, and stays.

    To be called only where another hold on the model is kept and its guard is proven.
    """
    for hold in holds:
        ref = ref_of(hold.to_config_map())
        if await steps.attempt(_end(sender, hold), ref):
            words = f"this order replaces {hold.name} ({hold.digest[:12]}), whose hold and guard here are gone"
            steps.note(Reason(code="superseded", message=words))
        else:
            words = f"the hold or the guard of {hold.name} ({hold.digest[:12]}), which this order replaces, is left"
            steps.note(Reason(code="superseded-left", message=words, object=str(ref)))


async def _end(sender: Sender, hold: Hold) -> None:
    writer, ref = sender.ports.writer, ref_of(hold.to_config_map())
    await take_guard_away(sender, hold.digest)
    live = await writer.get(ref)
    kept = read_hold(live) if live is not None else None
    if live is None or kept is None or kept.digest != hold.digest:
        return
    uid = str(live["metadata"]["uid"])
    await sender.send("delete", ref, partial(writer.delete, ref, uid=uid), uid=uid)
