"""A takedown that meets the lift of its own order: what it had begun is given back at once.

A restore that was planned before the takedown kept anything here knows nothing of this cluster, and a lift is for good.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.holds import Lift, RestoreRecord, read_restore_record
from orchestrator.core.objects import ref_of
from orchestrator.core.observation import Subject
from orchestrator.core.takedown import Darkening, Restoration
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.execution.darkness import Lifted
from orchestrator.execution.handing_back import HandingBack, Undo, delete_holds
from orchestrator.execution.outcome import StepTerms
from orchestrator.execution.ports import ClusterPorts
from orchestrator.execution.sending import Sender
from orchestrator.execution.steps import Steps
from orchestrator.execution.stopping import Interrupted
from orchestrator.execution.unguarding import take_guard_away
from orchestrator.execution.watchful import HeldAgain, WatchfulSender

_NEXT = "next: `orchestrator restore --order FILE`, which brings back just what is left"
_ROOM_SECONDS = 30.0
"""How long nodes that come by themselves may take for first replicas; the rest is asked for all the same afterwards."""


class LiftMet(Lifted):
    """The order's tombstone came to lie in the cluster after this takedown had begun there."""

    def __init__(self, lift: Lift) -> None:
        super().__init__(lift.order)
        self.lift = lift


async def give_way(steps: Steps, sender: Sender, darkening: Darkening, lift: Lift, subject: Subject) -> None:
    """Give back what this run took, its hold last; what fails is in `steps`, and the hold then stays to be found.

    Where an earlier run of the order had kept the hold, all of it is left to the restore, which knows of it. Whether
    the model becomes healthy is not waited for. What `sender` sent goes on to be counted by it.
    """
    name = printable(lift.order, 100)
    if f"create {ref_of(darkening.hold.to_config_map())}" not in sender.sent:
        words = f"{name} was lifted while this ran, and its hold is older than this run; {_NEXT}"
        steps.note(Reason(code="not-restored", message=words))
        return
    again = WatchfulSender(sender.ports, sender.model, sender.step, frozenset((lift.digest,)))
    records = tuple(_readable(steps, sender))
    back = Restoration(lift=lift, holds=(darkening.hold,), guard=darkening.guard, records=records)
    try:
        done = await steps.attempt(_give_back(steps, again, back, subject))
    except Interrupted:
        done = False
    if done:
        steps.note(Reason(code="lifted", message="what this run had begun here was given back"))
    else:
        words = f"{name} is lifted, and not all that was begun here could be given back; {_NEXT}"
        steps.note(Reason(code="not-restored", message=words))
    sender.sent += again.sent


async def _give_back(steps: Steps, sender: WatchfulSender, back: Restoration, subject: Subject) -> None:
    ports: ClusterPorts = sender.ports
    plain = Sender(ports, sender.model, sender.step)
    terms = StepTerms(step=sender.step, soak_key="", progress_deadline=_ROOM_SECONDS, send_deadline=_ROOM_SECONDS)
    handing = HandingBack(subject, sender, Undo(restoration=back, subject=subject), terms)
    await take_guard_away(plain, back.lift.digest)
    try:
        await handing.wake()
        await handing.open_routes()
        # A binding that was on its way when its sending was cut short may have arrived since.
        await take_guard_away(plain, back.lift.digest)
        await handing.take_ours_away()
    except HeldAgain as held:
        words = f"{printable(held, 200)} holds it as well: it stays off, and what it was stays on record"
        steps.note(Reason(code="held", message=words))
        await delete_holds(plain, back)
    for reason in handing.doubts:
        steps.note(reason)
    sender.sent += plain.sent


def _readable(steps: Steps, sender: Sender) -> Iterator[RestoreRecord]:
    for ref, secret in sender.kept.items():
        try:
            yield read_restore_record(secret)
        except ValueError as error:
            steps.note(Reason(code="damaged-record", message=printable(error), object=str(ref)))
