"""What runs a model without being on record: found in all namespaces, and stopped at its top owner.

Ownership is climbed through controllers, and what is stopped is the highest owner of a kind that is known to be
stopped by what is written to it. Who stands above it is named. Pods that serve other models as well are never touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from orchestrator import plugins
from orchestrator.core.events import EventType
from orchestrator.core.objects import JsonObject, ObjectRef, controller_of, dig, ref_of
from orchestrator.core.observation import PodTrace, Traces
from orchestrator.core.plan import ItemPlan, Verb
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.execution.halting import can_halt, halt, is_scalable
from orchestrator.execution.observing import observe
from orchestrator.execution.sending import Sender
from orchestrator.execution.steps import Steps

_DEEPEST = 10
"""Owners above one another, before it must be a circle."""


@dataclass(slots=True)
class Halted:
    """What was done about what a search found."""

    owners: dict[ObjectRef, JsonObject | None] = field(default_factory=dict)
    """Workloads that were stopped, or had been, with their pods' selectors: they are the model's from now on."""
    unowned: list[PodTrace] = field(default_factory=list)
    """Pods that nothing makes anew: deleting them ends them."""
    restarted: list[PodTrace] = field(default_factory=list)
    """Pods whose owner nobody here knows how to stop, and that it would make anew."""


@dataclass(frozen=True, slots=True)
class _Chain:
    """Who is above a pod."""

    known: tuple[JsonObject, ...]
    """Owners of known kinds, the nearest first."""
    stranger: ObjectRef | None
    """The owner above them, of a kind without a file."""


class Strays:
    """Stops what a search found."""

    def __init__(self, steps: Steps, sender: Sender, shared_with: Callable[[JsonObject], str | None]) -> None:
        self._shared_with = shared_with
        self._steps = steps
        self._sender = sender
        self._owners: dict[ObjectRef, asyncio.Task[JsonObject | None]] = {}

    async def halt(self, traces: Traces, known: Iterable[ObjectRef]) -> Halted:
        """Stop every owner of these pods and every workload that would make such pods; `known` are stopped already."""
        self._owners = {}
        self._tell(traces)
        done = Halted()
        named = {(ref.group_kind, ref.namespace, ref.name) for ref in known}
        workloads = [obj for obj in traces.workloads if _place(ref_of(obj)) not in named]
        pods = [one for one in traces.pods if one.presence != "gone" and not one.is_mirror and one.shared_with is None]
        await asyncio.gather(*(self._halt_workload(obj, done) for obj in workloads))
        chains = await asyncio.gather(*(self._chain_above(one.pod) for one in pods))
        tops: dict[ObjectRef, tuple[JsonObject, ...]] = {}
        for one, chain in zip(pods, chains, strict=True):
            to_halt = _to_halt(chain.known)
            stranger = chain.stranger or (ref_of(chain.known[-1]) if chain.known and not to_halt else None)
            if stranger is not None:
                self._name(stranger)
            if to_halt:
                tops.setdefault(ref_of(to_halt[0]), to_halt)
            elif stranger is not None:
                done.restarted.append(one)
            else:
                done.unowned.append(one)
        fresh = [objs for ref, objs in tops.items() if _place(ref) not in named and ref not in done.owners]
        await asyncio.gather(*(self._halt_workload(obj, done) for objs in fresh for obj in objs))
        return done

    async def _halt_workload(self, live: JsonObject, done: Halted) -> None:
        if (others := self._shared_with(live)) is not None:
            self._steps.note(shared_note(live, others))
            return
        if can_halt(ref_of(live)):
            done.owners[ref_of(live)] = _selector_of(live)
            await halt(self._steps, self._sender, live)

    async def _chain_above(self, obj: JsonObject) -> _Chain:
        known: list[JsonObject] = []
        for _ in range(_DEEPEST):
            owner = controller_of(obj)
            if owner is None:
                return _Chain(tuple(known), None)
            if owner.group_kind not in plugins.kinds():
                return _Chain(tuple(known), owner)
            live = await self._get(owner)
            if live is None or dig(live, "metadata", "uid") != _controller_uid(obj):
                # Gone: its garbage collection takes what it owned, or nobody's hand does.
                return _Chain(tuple(known), None)
            known.append(live)
            obj = live
        return _Chain(tuple(known), None)

    async def _get(self, ref: ObjectRef) -> JsonObject | None:
        """One owner, asked for once, however many pods it has."""
        if ref not in self._owners:
            question = self._steps.ask(self._sender.ports.writer.get(ref), ref)
            self._owners[ref] = asyncio.ensure_future(question)
        return await self._owners[ref]

    def _name(self, stranger: ObjectRef) -> None:
        words = "it owns what runs the model, is of a kind this tool has no rules for, and may start it again"
        self._steps.note(Reason(code="unknown-owner", message=words, object=printable(stranger)))

    def _tell(self, traces: Traces) -> None:
        pods = [{"object": printable(ref_of(one.pod)), "presence": one.presence} for one in traces.pods[:200]]
        workloads = [printable(ref_of(obj)) for obj in traces.workloads[:200]]
        unseen = [reason.message for reason in traces.unseen]
        found = {"pods": pods, "workloads": workloads, "unseen": unseen, "podsInAll": len(traces.pods)}
        self._sender.emit(EventType.FOUND, found)


def shared_note(live: JsonObject, others: str) -> Reason:
    """Why a workload of the model is not stopped."""
    words = f"its pods serve other models, too ({others}): it is not stopped"
    return Reason(code="shared", message=words, object=printable(ref_of(live)))


async def delete_pods(steps: Steps, sender: Sender, pods: Iterable[PodTrace], grace: float | None) -> None:
    """Delete these very pods, with at most `grace` seconds to end; None for the records of pods that have ended.

    Never with no grace at all: that would take the pod out of sight without waiting for its node.
    """

    async def delete(one: PodTrace) -> None:
        ref, uid = ref_of(one.pod), str(one.pod["metadata"]["uid"])
        observe(sender, one.pod, "before")
        seconds = None if grace is None else max(1, int(min(grace, grace_of(one.pod))))
        writer = sender.ports.writer
        await sender.send("delete", ref, lambda: writer.delete(ref, uid=uid, grace_seconds=seconds), uid=uid)

    await asyncio.gather(*(steps.attempt(delete(one), ref_of(one.pod)) for one in pods))


def grace_of(pod: JsonObject) -> float:
    """Seconds that a pod gets to end: those of its deletion, else those that it asks for."""
    asked = dig(pod, "spec", "terminationGracePeriodSeconds", default=30)
    seconds = dig(pod, "metadata", "deletionGracePeriodSeconds", default=asked)
    return float(seconds) if isinstance(seconds, int) and seconds >= 0 else 30.0


def _to_halt(chain: tuple[JsonObject, ...]) -> tuple[JsonObject, ...]:
    """From the top down, what has to be stopped: down to the first that takes all below it along."""
    found: list[JsonObject] = []
    for obj in reversed(chain):
        kind = plugins.kinds()[ref_of(obj).group_kind]
        if not can_halt(ref_of(obj)):
            continue
        found.append(obj)
        # A CronJob only starts nothing new; what it started goes on by itself.
        if is_scalable(kind) or kind.group_kind.kind != "CronJob":
            break
    return tuple(found)


def _controller_uid(obj: JsonObject) -> str | None:
    for owner in dig(obj, "metadata", "ownerReferences", default=[]):
        if owner.get("controller"):
            return str(owner.get("uid"))
    return None


def _selector_of(live: JsonObject) -> JsonObject | None:
    workload = plugins.kinds()[ref_of(live).group_kind].workload
    return workload.selector(live) if workload is not None else None


def _place(ref: ObjectRef) -> tuple[object, str, str]:
    return ref.group_kind, ref.namespace, ref.name


async def known_live(sender: Sender, steps: Steps, refs: Iterable[ObjectRef]) -> tuple[JsonObject, ...]:
    """The objects of these names that are there now, as far as they can be read."""
    found = await asyncio.gather(*(steps.ask(sender.ports.writer.get(ref), ref) for ref in refs))
    return tuple(live for live in found if live is not None)


def workloads_of(item: ItemPlan) -> tuple[ObjectRef, ...]:
    """What is on record and runs pods, or is about to be scaled by the plan."""
    kinds = plugins.kinds()
    scaled = [change.ref for change in item.changes if change.verb is Verb.SCALE]
    named = [
        one.ref
        for one in item.subject.expectations
        if (kind := kinds.get(one.ref.group_kind)) is not None and kind.workload is not None
    ]
    return (*scaled, *named)
