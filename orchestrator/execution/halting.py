"""Stopping one live object for a takedown: what it was is kept in the cluster first, then it is stopped.

By its number of replicas where it has one, else by whatever its kind says keeps it from starting anything. A kind
without a file is never written to.
"""

from __future__ import annotations

from functools import partial

from orchestrator import plugins
from orchestrator.core.holds import RestoreRecord
from orchestrator.core.kind import Kind, Pause
from orchestrator.core.objects import JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.takedown import patch_of_field
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.errors import Conflict, Invalid
from orchestrator.execution import changes
from orchestrator.execution.keeping import keep_restore_record
from orchestrator.execution.observing import observe
from orchestrator.execution.reverting import tell_if_reverted
from orchestrator.execution.sending import Sender
from orchestrator.execution.steps import Steps

_RACES = 5


def can_halt(ref: ObjectRef) -> bool:
    """Whether anything that is known to be written stops an object of this kind."""
    kind = plugins.kinds().get(ref.group_kind)
    return kind is not None and (is_scalable(kind) or (kind.workload is not None and kind.pause is not None))


def is_scalable(kind: Kind) -> bool:
    """Whether `/scale` stops it."""
    return kind.workload is not None and kind.workload.is_scalable


async def halt(steps: Steps, sender: Sender, live: JsonObject) -> bool:
    """Stop a live object; whether it is stopped, as far as its API server answers. What failed is in `steps`."""
    kind = plugins.kinds().get(ref_of(live).group_kind)
    if kind is not None and is_scalable(kind):
        return await _scale_to_zero(steps, sender, live)
    if kind is not None and kind.pause is not None:
        return await _pause(steps, sender, live, kind)
    return False


async def _scale_to_zero(steps: Steps, sender: Sender, live: JsonObject) -> bool:
    ref, uid = ref_of(live), str(dig(live, "metadata", "uid", default=""))
    replicas = dig(live, "spec", "replicas", default=1)
    if replicas == 0:
        steps.unstopped.discard(ref)
        return True
    tell_if_reverted(steps, sender, live)
    await _keep(steps, sender, RestoreRecord(model=sender.model, ref=ref, uid=uid, before={"/spec/replicas": replicas}))
    observe(sender, live, "before")
    return await steps.stop(changes.scale(sender, ref, 0, uid=uid, live=live), ref)


async def _pause(steps: Steps, sender: Sender, live: JsonObject, kind: Kind) -> bool:
    ref = ref_of(live)
    if kind.pause is None:
        return False
    try:
        pause = kind.pause(live)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        words = f"it cannot be read, so it is not paused: {printable(error, 200)}"
        steps.note(Reason(code="unreadable", message=words, object=printable(ref)))
        return False
    if pause.refusal is not None:
        steps.note(pause.refusal)
        return False
    if not pause.deletes and not pause.fields:
        return True
    tell_if_reverted(steps, sender, live)
    observe(sender, live, "before")
    await _keep(steps, sender, _record_of(sender.model, live, pause))
    return await (steps.attempt if kind.workload is None else steps.stop)(_write(sender, live, kind, pause), ref)


async def _write(sender: Sender, live: JsonObject, kind: Kind, pause: Pause) -> None:
    ref, uid, writer = ref_of(live), str(live["metadata"]["uid"]), sender.ports.writer
    if pause.deletes:
        await changes.delete(sender, ref, uid=uid)
        return
    for attempt in range(_RACES):
        steps = [step for cut in pause.fields for step in patch_of_field(cut.pointer, cut.before, cut.after)]
        patch = with_uid_test(steps, uid)
        try:
            written = await sender.send("patch", ref, partial(writer.patch, ref, patch, type_="json"))
        except (Conflict, Invalid):
            # Somebody wrote between our look and our write, as controllers do all the time.
            again = await writer.get(ref)
            if attempt == _RACES - 1 or again is None or dig(again, "metadata", "uid") != uid or kind.pause is None:
                raise
            if (fresh := kind.pause(again)) == pause:
                raise
            pause = fresh
        else:
            observe(sender, written, "after")
            if kind.pause is not None and kind.pause(written).fields:
                # A definition that does not know a field drops it, and the patch succeeds all the same.
                raise Invalid(f"{ref}: the API server keeps nothing of what would pause it", status=422)
            return


def with_uid_test(patch: list[JsonObject], uid: str) -> list[JsonObject]:
    """The JSON patch bound to the object that was looked at."""
    return [{"op": "test", "path": "/metadata/uid", "value": uid}, *patch]


def _record_of(model: str, live: JsonObject, pause: Pause) -> RestoreRecord:
    ref, uid = ref_of(live), str(dig(live, "metadata", "uid", default=""))
    if not pause.deletes:
        return RestoreRecord(model=model, ref=ref, uid=uid, before={cut.pointer: cut.before for cut in pause.fields})
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    whole = {key: value for key, value in {**live, "metadata": metadata}.items() if key != "status"}
    return RestoreRecord(model=model, ref=ref, uid=uid, before={}, whole=whole)


async def _keep(steps: Steps, sender: Sender, record: RestoreRecord) -> None:
    """Keep a record; where that fails the object is stopped all the same, and the item says what is not kept."""
    if not await steps.attempt(keep_restore_record(sender, record), record.secret_ref):
        words = "what it was is not kept in the cluster: a restore will not know it"
        steps.note(Reason(code="not-recorded", message=words, object=printable(record.ref)))
