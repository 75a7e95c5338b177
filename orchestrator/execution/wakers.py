"""Where no guard can be made: everybody who could bring a held model back is paused, kind by kind, restorably.

It proves nothing by itself: whoever is not known here may still start the model again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from orchestrator import plugins
from orchestrator.core.kind import Kind, Reverter
from orchestrator.core.objects import GroupKind, JsonObject, ObjectRef, controller_of, dig, ref_of
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.errors import NotFound
from orchestrator.execution.halting import halt
from orchestrator.execution.sending import Sender
from orchestrator.execution.steps import Steps
from orchestrator.execution.straying import known_live

_UNREADABLE = (TypeError, ValueError, KeyError, AttributeError)


async def hold_wakers(steps: Steps, sender: Sender, refs: Iterable[ObjectRef]) -> None:
    """Pause every autoscaler of these workloads and every tool that puts them back. What failed is in `steps`.

    Called again, it pauses anew whoever was put back meanwhile, and says by whom.
    """
    workloads = await known_live(sender, steps, dict.fromkeys(refs))
    namespaces = sorted({ref_of(obj).namespace for obj in workloads})
    kinds = [kind for kind in plugins.kinds().values() if kind.scaler is not None]
    scalers = asyncio.gather(*(_scalers(steps, sender, kind, each) for kind in kinds for each in namespaces))
    targets = {(ref.group_kind, ref.namespace, ref.name) for ref in map(ref_of, workloads)}
    for scaler in [one for found in await scalers for one in found]:
        if _aims_at(scaler, targets):
            await halt(steps, sender, scaler)
    for reverter in _reverters(workloads):
        await _hold_reverter(steps, sender, reverter)


async def _scalers(steps: Steps, sender: Sender, kind: Kind, namespace: str) -> tuple[JsonObject, ...]:
    async def read() -> tuple[JsonObject, ...]:
        try:
            return (await sender.ports.writer.list(kind.resource, namespace)).items
        except NotFound:
            return ()

    return await steps.ask(read()) or ()


def _aims_at(scaler: JsonObject, targets: set[tuple[GroupKind, str, str]]) -> bool:
    kind = plugins.kinds().get(ref_of(scaler).group_kind)
    if kind is None or kind.scaler is None:
        return False
    try:
        aimed = {(ref.group_kind, ref.namespace, ref.name) for ref in kind.scaler.targets(scaler)}
    except _UNREADABLE:
        return False
    return bool(aimed & targets)


def _reverters(workloads: Iterable[JsonObject]) -> tuple[Reverter, ...]:
    found: dict[ObjectRef | str, Reverter] = {}
    for live in workloads:
        for kind in plugins.kinds().values():
            try:
                reverter = kind.reverter(live) if kind.reverter is not None else None
            except _UNREADABLE:
                continue
            if reverter is not None and reverter.continuous:
                found[reverter.ref or reverter.owner] = reverter
    return tuple(found.values())


async def _hold_reverter(steps: Steps, sender: Sender, reverter: Reverter) -> None:
    live = await steps.ask(sender.ports.writer.get(reverter.ref), reverter.ref) if reverter.ref else None
    if live is not None and dig(live, "metadata", "uid"):
        await _hold_maker(steps, sender, live)
        await halt(steps, sender, live)
        return
    words = f"{reverter.tool} ({reverter.owner}) puts it back and is not in this cluster, so it is not paused"
    steps.note(Reason(code="can-wake", message=printable(words)))


async def _hold_maker(steps: Steps, sender: Sender, live: JsonObject) -> None:
    """Keep what makes a reverter (an ApplicationSet) from putting its spec back; before it is paused, or it would."""
    maker = controller_of(live)
    if maker is None:
        return
    kind = plugins.kinds().get(maker.group_kind)
    if kind is None or kind.pause is None:
        words = f"{printable(maker)} makes it and may put back what is written to it: its pause cannot be relied on"
        steps.note(Reason(code="can-wake", message=printable(words), object=printable(ref_of(live))))
        return
    above = await steps.ask(sender.ports.writer.get(maker), maker)
    if above is not None and dig(above, "metadata", "uid"):
        await halt(steps, sender, above)
