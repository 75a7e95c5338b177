"""Cutting the routes of one model in one cluster, as planned: exactly the planned fields, and nothing that has changed.

A rule is found by its place in a list, so a field that is neither as planned nor cut already is left alone and named.
"""

from __future__ import annotations

import asyncio
from functools import partial

from orchestrator import plugins
from orchestrator.core.holds import RestoreRecord
from orchestrator.core.objects import JsonObject, dig, ref_of
from orchestrator.core.routes import is_cut_in, value_at
from orchestrator.core.takedown import FieldCut, RouteCut, patch_of_field
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.errors import Conflict, Invalid
from orchestrator.execution.halting import with_uid_test
from orchestrator.execution.keeping import keep_restore_record
from orchestrator.execution.observing import observe
from orchestrator.execution.reverting import tell_if_reverted
from orchestrator.execution.sending import Sender
from orchestrator.execution.sight import BLIND, Sight
from orchestrator.execution.steps import Steps

_RACES = 3


async def cut_route(steps: Steps, sender: Sender, cut: RouteCut, seen: Sight = BLIND) -> bool:
    """Cut one route; whether every planned field of it is cut now. What failed is in `steps`."""
    # Together: a route that leads to what is not there yet answers nobody either.
    is_cut, *made = await asyncio.gather(
        steps.ask(_cut(steps, sender, cut, seen), cut.ref), *(_create(steps, sender, obj, seen) for obj in cut.creates)
    )
    return bool(is_cut) and all(made)


async def _create(steps: Steps, sender: Sender, obj: JsonObject, seen: Sight) -> bool:
    """Make what the cut route refers to, unless it is there."""
    writer, ref = sender.ports.writer, ref_of(obj)
    if await steps.ask(seen.now(writer, ref), ref) is not None:
        return True
    record = RestoreRecord(model=sender.model, ref=ref, uid="", before={}, created=True)
    await steps.attempt(keep_restore_record(sender, record), record.secret_ref)

    async def create() -> None:
        try:
            await sender.send("create", ref, lambda: writer.create(obj))
        except Conflict:
            return

    return await steps.attempt(create(), ref)


async def _cut(steps: Steps, sender: Sender, cut: RouteCut, seen: Sight) -> bool:
    writer = sender.ports.writer
    for attempt in range(_RACES):
        live = await (seen if attempt == 0 else BLIND).now(writer, cut.ref)
        if live is None:
            return True
        if not cut.fields:
            return _is_cut_still(steps, sender, live)
        changed = [field for field in cut.fields if not is_cut_in(field, live) and not _is_before(field, live)]
        due = [field for field in cut.fields if not is_cut_in(field, live) and field not in changed]
        for field in changed:
            words = "somebody changed it since the plan was made, so it is not cut: run the takedown again"
            steps.note(Reason(code="route-changed", message=words, object=printable(cut.ref), field=field.pointer))
        if not due:
            return not changed
        tell_if_reverted(steps, sender, live)
        observe(sender, live, "before")
        operations = [step for one in due for step in patch_of_field(one.pointer, one.before, one.after)]
        patch = with_uid_test(operations, str(dig(live, "metadata", "uid", default="")))
        try:
            written = await sender.send("patch", cut.ref, partial(writer.patch, cut.ref, patch, type_="json"))
        except (Conflict, Invalid):
            if attempt == _RACES - 1:
                raise
        else:
            observe(sender, written, "after")
            return not changed
    return False


def _is_cut_still(steps: Steps, sender: Sender, live: JsonObject) -> bool:
    """Whether a route that the plan found cut is so now: the restore of another order may have opened it meanwhile."""
    kind = plugins.kinds().get(ref_of(live).group_kind)
    rules = kind.route if kind is not None else None
    if rules is not None and any(rules.answer_if_cut(live, rule, sender.model) for rule in rules.rules(live)):
        return True
    words = "it was cut when the plan was made, and is open now: run the takedown again"
    steps.note(Reason(code="route-opened", message=words, object=printable(ref_of(live))))
    return False


def _is_before(field: FieldCut, live: JsonObject) -> bool:
    return bool(value_at(live, field.pointer) == field.before)
