"""The proof of absence: search everywhere, stop what strays, drain, soak, and prove the guard once more.

What appears meanwhile is stopped and soaked for anew; a guard that somebody deleted is bound again, and nothing that
was seen without it counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from orchestrator.core.events import EventType
from orchestrator.core.holds import RestoreRecord, read_hold
from orchestrator.core.kind import Wanted
from orchestrator.core.objects import JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.observation import Departure, Expectation, PodTrace, Settled, Subject, Traces
from orchestrator.core.takedown import DRAIN_FLOOR, Darkening
from orchestrator.core.text import printable
from orchestrator.core.verdict import Judgement, Readiness, Reason
from orchestrator.execution import concluding
from orchestrator.execution.binding import GuardBinding
from orchestrator.execution.darkness import DarkClusterPorts
from orchestrator.execution.departing import with_moments
from orchestrator.execution.keeping import keep_restore_record
from orchestrator.execution.nodes import doubt_about, nodes_of, silent_nodes
from orchestrator.execution.sending import Sender
from orchestrator.execution.steps import Steps
from orchestrator.execution.stopping import unless_stopped
from orchestrator.execution.straying import Halted, Strays, delete_pods, grace_of

_ROUNDS = 5
"""How often something may turn up, or the guard be deleted, before the item is left as it is."""
_SHORT_GRACE = 1.0
_MARGIN = 10.0
"""Seconds before the cluster's own deadline at which pods that are left are deleted with short grace."""


class Absence:
    """The search for one model in one cluster, and the wait until nothing of it is left."""

    def __init__(
        self,
        subject: Subject,
        darkening: Darkening,
        ports: DarkClusterPorts,
        sender: Sender,
        steps: Steps,
        guard: GuardBinding,
    ) -> None:
        self._subject = replace(subject, is_everywhere=True, include_shared=darkening.include_shared)
        self._darkening = darkening
        self._ports = ports
        self._sender = sender
        self._steps = steps
        self._guard = guard
        self._strays = Strays(steps, sender, self.shared_with)
        self._named = {one.ref for one in subject.expectations}
        self._known: set[ObjectRef] = set()
        """What is on record, or was planned to be stopped."""
        self._halted = Halted()
        self._traces = Traces()
        self._searched_at = ports.clock.elapsed()
        self._nodes: frozenset[str] = frozenset()
        """Nodes on which a search saw pods of the model."""
        self.silent_nodes: tuple[str, ...] = ()
        """Nodes of which nobody knows whether they still run any."""
        self._gone_at: datetime | None = None
        self.owners: dict[ObjectRef, JsonObject | None] = {}
        """Workloads that were found by a search and are the model's, with their pods' selectors."""
        self._unguarded: tuple[Reason, ...] = ()
        """What was found and the guard does not know by name."""
        self.doubts: tuple[Reason, ...] = ()
        """Why absence is not proven, whatever is seen."""

    async def stop_strays(self, known: Collection[ObjectRef] = ()) -> bool:
        """Search everywhere and stop what owns what is found; `known` are stopped already. Whether it was answered."""
        self._searched_at = self._ports.clock.elapsed()
        self._known.update(known)
        traces = await self._search()
        if traces is None:
            return False
        for reason in traces.unseen:
            if reason.field == "workloads":
                self._steps.note(reason)
        self._halted = await self._strays.halt(traces, (*known, *self.owners))
        self.owners.update(self._halted.owners)
        return True

    async def delete_unowned(self) -> None:
        """Delete pods that nothing else ends, and the records of pods that have ended.

        Pods that a stranger would start again are deleted only where a guard refuses their return.
        """
        await asyncio.gather(*(self._record(one.pod) for one in self._halted.unowned))
        ended = [one for one in self._traces.pods if one.presence == "gone" and _phase(one) == "Failed"]
        await delete_pods(self._steps, self._sender, [one for one in ended if one.shared_with is None], None)
        pods = [*self._halted.unowned, *(self._halted.restarted if self._guard.status == "proven" else ())]
        running = [one for one in pods if one.presence == "present" and not _is_terminating(one)]
        await delete_pods(self._steps, self._sender, running, self._drain_seconds(running, None))

    async def guard_owners(self) -> None:
        """Let the guard know by name what was found: its pods are refused already, its number is not."""
        found = {ref: selector for ref, selector in self.owners.items() if ref not in self._named}
        self._unguarded = ()
        if found and self._guard.is_bound and not await self._guard.widen(self._now_wanted(), found.items()):
            words = "the guard does not know it by name: its pods are refused, its number of replicas is not"
            self._unguarded = tuple(
                Reason(code="guard-narrow", message=words, object=printable(ref)) for ref in sorted(found)
            )

    async def _record(self, pod: JsonObject) -> None:
        """Keep a pod that stands alone whole: nothing but a restore would make it again, and on any node."""
        if dig(pod, "metadata", "ownerReferences") or dig(pod, "metadata", "deletionTimestamp"):
            return
        metadata = {key: value for key, value in pod["metadata"].items() if key != "managedFields"}
        spec = {key: value for key, value in pod["spec"].items() if key not in ("nodeName", "ephemeralContainers")}
        whole = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        uid = str(dig(pod, "metadata", "uid", default=""))
        record = RestoreRecord(model=self._sender.model, ref=ref_of(whole), uid=uid, before={}, whole=whole)
        await self._steps.attempt(keep_restore_record(self._sender, record), record.secret_ref)

    async def prove(self, deadline: float, departure: Departure) -> Settled:
        """Wait until nothing of it is left and that has held for the soak, or `deadline` passes. Raises `Unreachable`.

        Raises `Interrupted` when the run is asked to stop.
        """
        settled, strays = await self._settle(deadline, departure), frozenset[str]()
        for _ in range(_ROUNDS):
            found = frozenset(str(reason.object) for reason in settled.judgement.reasons if reason.code == "stray")
            if found - strays and self._ports.clock.elapsed() < deadline:
                strays = found
                await self.stop_strays()
                await self.guard_owners()
                await self.delete_unowned()
            elif settled.judgement.readiness is not Readiness.DONE or await self._needs_no_other_soak():
                break
            settled = _joined(settled, await self._settle(deadline, departure))
        else:
            if not await self._guard.is_in_place():
                self._guard.status = "absent"
        self.doubts = (*self.doubts, *self._unguarded)
        await self._doubt_silent_nodes(departure)
        return with_moments(replace(settled, last_pod_gone_at=settled.last_pod_gone_at or self._gone_at), departure)

    async def _needs_no_other_soak(self) -> bool:
        return await self._has_kept_its_guard() and not await self._stop_latecomers()

    async def _stop_latecomers(self) -> bool:
        """Search once more now that the guard works; whether there was a workload that nobody had found yet.

        One that came between the first search and the guard may have no pod to be seen by: all of them are refused. It
        would start as soon as the guard is gone.
        """
        before = {*self._known, *self._named, *self.owners}
        if not await self.stop_strays():
            words = "what came before the guard worked could not be searched for"
            self.doubts = (*self.doubts, Reason(code="not-searched", message=words))
        if not self.owners.keys() - before:
            return False
        await self.guard_owners()
        await self.delete_unowned()
        return True

    def shared_with(self, workload: JsonObject) -> str | None:
        """What else the pods of a workload serve, so that it is left alone; None where it may be stopped."""
        return None if self._darkening.include_shared else self._ports.verifier.shared_with(self._subject, workload)

    async def _search(self) -> Traces | None:
        traces = await self._steps.ask(self._ports.verifier.search(self._ports.writer, self._now_wanted()))
        if traces is not None:
            self._traces = traces
            self._nodes |= nodes_of(one.pod for one in traces.pods if one.presence != "gone")
        return traces

    def _now_wanted(self) -> Subject:
        """The subject with what turned out to be the model's, under the guard as it stands."""
        found = tuple(Expectation(ref, None, Wanted(replicas=0)) for ref in self.owners if ref not in self._named)
        return replace(self._subject, expectations=(*self._subject.expectations, *found), guard=self._guard.status)

    async def _settle(self, deadline: float, departure: Departure) -> Settled:
        draining = asyncio.create_task(self._drain(deadline), name="drain")
        subject, soak = self._now_wanted(), self._darkening.soak
        departure.extend(subject)
        # Pods may be gone before they are ever looked at: whatever was scaled down had some.
        had_pods = any(one.presence != "gone" for one in self._traces.pods) or bool(self._sender.written)

        def tell(judgement: Judgement) -> None:
            if judgement.replicas.pods:
                self._gone_at = None
            elif had_pods and self._gone_at is None:
                self._gone_at = self._ports.clock.now()
            if judgement.readiness is Readiness.DONE:
                self._sender.emit(EventType.SOAKING, {"seconds": soak, **concluding.progress(judgement)})
                return
            self._sender.emit(EventType.PROGRESS, concluding.progress(judgement))

        waiting = self._ports.verifier.settle(self._ports.writer, subject, deadline=deadline, soak=soak, tell=tell)
        try:
            return await unless_stopped(waiting, self._ports.stop)
        finally:
            draining.cancel()
            await asyncio.gather(draining, return_exceptions=True)

    async def _drain(self, deadline: float) -> None:
        """Let pods end by themselves for as long as there is time; then delete what is left with short grace."""
        left = [one for one in self._traces.pods if one.presence == "present" and _may_be_deleted(one)]
        if not left:
            return
        clock = self._ports.clock
        passed = clock.elapsed() - self._searched_at
        await clock.sleep(max(0.0, self._drain_seconds(left, deadline) - passed))
        traces = await self._search()
        spared = set() if self._guard.status == "proven" else {_uid(one) for one in self._halted.restarted}
        pods = [
            one
            for one in (traces.pods if traces else ())
            if one.presence == "present" and _may_be_deleted(one) and _uid(one) not in spared
        ]
        await delete_pods(self._steps, self._sender, pods, _SHORT_GRACE)

    def _drain_seconds(self, pods: list[PodTrace], deadline: float | None) -> float:
        """The smaller of their grace and what the order's deadline leaves, at least the floor."""
        grace = max((grace_of(one.pod) for one in pods), default=0.0)
        left = [grace]
        if self._darkening.ends_at is not None:
            left.append((self._darkening.ends_at - self._ports.clock.now()).total_seconds())
        if deadline is not None:
            left.append(deadline - self._ports.clock.elapsed() - _MARGIN)
        return max(DRAIN_FLOOR, min(left))

    async def _has_kept_its_guard(self) -> bool:
        """Whether there is nothing to soak anew for: the guard is still there, or is not proven and cannot be."""
        if self._guard.status != "proven":
            return True
        if await self._guard.is_in_place():
            await self._guard.prove(self._now_wanted())
            return True
        return not await self._guard.bind_again(self._now_wanted())

    async def _doubt_silent_nodes(self, departure: Departure) -> None:
        """A pod that vanished while its node was silent was not seen to end: a deleted Node object proves nothing.

        Whoever looked before may have seen more: what the hold remembers counts until those nodes answer.
        """
        ref = ref_of(self._darkening.hold.to_config_map())
        live = await self._steps.ask(self._ports.writer.get(ref), ref)
        kept = read_hold(live) if live else None
        names = {*self._nodes, *departure.nodes, *(kept.silent_nodes if kept else ())}
        silent = await self._steps.ask(silent_nodes(self._ports.writer, names))
        self.silent_nodes = tuple(sorted(names)) if silent is None else silent
        self.doubts = (*self.doubts, *map(doubt_about, self.silent_nodes))


def _joined(before: Settled, after: Settled) -> Settled:
    """The later word, with what only the earlier wait saw happen."""
    return replace(
        after,
        stopped_at=after.stopped_at or before.stopped_at,
        last_pod_gone_at=after.last_pod_gone_at or before.last_pod_gone_at,
        traffic_cut_at=after.traffic_cut_at or before.traffic_cut_at,
    )


def _uid(one: PodTrace) -> str:
    return str(dig(one.pod, "metadata", "uid", default=""))


def _phase(one: PodTrace) -> str:
    return str(dig(one.pod, "status", "phase", default=""))


def _is_terminating(one: PodTrace) -> bool:
    return dig(one.pod, "metadata", "deletionTimestamp") is not None


def _may_be_deleted(one: PodTrace) -> bool:
    return one.shared_with is None and not one.is_mirror
