"""One lock: a Lease for one model in one cluster.

Whether another holder's Lease has expired is judged only by watching it stay unchanged for its duration on our own
clock; whether ours is fresh, only by when we sent its last renewal. So clocks of different machines never matter, and
a machine that slept notices it. The times inside a Lease are for people, and may only ever make us refuse sooner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from orchestrator.core.dispatch import urgently
from orchestrator.core.limits import limited
from orchestrator.core.objects import SYSTEM_NAMESPACE, JsonObject, ObjectRef, dig
from orchestrator.core.ports import Clock, ClusterWriter
from orchestrator.core.records import LOCK, record
from orchestrator.core.text import printable
from orchestrator.errors import ClusterError, Conflict, NotFound, Unreachable
from orchestrator.execution.namespace import in_our_namespace

T = TypeVar("T")

LEASE_SECONDS: Final = 30.0
RENEW_SECONDS: Final = 10.0
FRESH_SECONDS: Final = 15.0
"""A write may leave up to this age of the last renewal: its time-out is over before anyone can take over."""
ANSWER_SECONDS: Final = 10.0
"""A cluster that takes longer to answer about a lock counts as unreachable, so that the others need not wait."""
_TRIES: Final = 5
_LONGEST_LEASE: Final = 3600.0


class LockLost(ClusterError):
    """Our lock is gone, or somebody else's: nothing more is sent under it."""

    code = "lock-lost"


@dataclass(frozen=True, slots=True, order=True)
class Holder:
    """Who holds a lock, in that holder's own words: hostile text."""

    cluster: str
    model: str
    identity: str
    since: str


class LeaseLock:
    """The lock of one model in one cluster, held by us or not."""

    def __init__(self, writer: ClusterWriter, model: str, identity: str, clock: Clock) -> None:
        self.model: Final = model
        self._writer = writer
        self._identity = identity
        self._clock = clock
        self._ref = ObjectRef("coordination.k8s.io/v1", "Lease", SYSTEM_NAMESPACE, f"lock.{model}")
        self._lease: JsonObject | None = None
        self._renewed = float("-inf")
        self._attempted = False
        self._lost = False
        self._renewing = asyncio.Lock()
        self._seen: tuple[str, float] | None = None

    async def take(self) -> Holder | None:
        """Take the lock: None when it is ours now, else who holds it. Raises `ClusterError`.

        A Lease whose holder seems dead is watched for its whole duration first.
        """
        self._lost, lease = False, None
        for _ in range(_TRIES):
            if await self._create():
                return None
            lease = await answered(self._writer.get(self._ref))
            if lease is None:
                continue
            holder = dig(lease, "spec", "holderIdentity", default="")
            if holder == self._identity:
                self._lease = lease
                await self.renew()
                return None
            if not holder:
                # Released but not yet deleted. Only its deletion frees it: were it taken over, the releaser's late
                # deletion, bound to the uid, would remove our lock.
                await answered(self._writer.delete(self._ref, uid=lease["metadata"]["uid"]))
            elif self._seems_alive(lease):
                return self._holder(lease)
            else:
                return None if await self._take_over(lease) else self._holder(lease)
        if lease is None:
            # One broken API server must not pass for another run, which would refuse every cluster.
            raise Unreachable(f"the lock on {self.model} can be neither made nor found", code="lock-contradiction")
        return self._holder(lease)

    async def seize(self) -> Holder | None:
        """Take the lock from whoever holds it, without waiting; returns who held it. Raises `ClusterError`.

        For a takedown alone. The other run finds it lost within its own freshness, and may send until then.
        """
        self._lost, lease = False, None
        for _ in range(_TRIES):
            if await self._create():
                return None
            lease = await answered(self._writer.get(self._ref))
            holder = dig(lease, "spec", "holderIdentity")
            if lease is None:
                continue
            if not holder:
                await answered(self._writer.delete(self._ref, uid=lease["metadata"]["uid"]))
            elif await self._replace_holder(lease):
                return None if holder == self._identity else self._holder(lease)
        raise LockLost(f"the lock on {self.model} changes hands faster than it can be taken over")

    async def ensure(self) -> None:
        """Return only while the lock is fresh, renewing it where it is not. Raises `LockLost` or `ClusterError`.

        A machine that slept finds it stale. It goes on only when the Lease is still the one it left: then nobody else
        has worked under it in between.
        """
        if self._lost or self._lease is None:
            raise self._loss()
        if not self.is_fresh():
            await self.renew()

    def is_fresh(self) -> bool:
        """Whether a write that rests on it may leave now."""
        return not self._lost and self._clock.elapsed() - self._renewed <= FRESH_SECONDS

    async def renew(self) -> None:
        """Renew now. Raises `LockLost` when it is somebody else's or gone, `ClusterError` when nobody can tell."""
        async with self._renewing:
            for _ in range(_TRIES if self._lease else 0):
                sent = self._clock.elapsed()
                try:
                    self._lease = await answered(self._writer.replace(self._renewal(self._lease or {})))
                except (Conflict, NotFound):
                    # Perhaps only our own renewal, whose answer was lost.
                    self._lease = await answered(self._writer.get(self._ref))
                    if dig(self._lease, "spec", "holderIdentity") != self._identity:
                        break
                else:
                    self._renewed = sent
                    return
            self._lost = True
            raise self._loss()

    async def keep(self) -> None:
        """Renew until cancelled or lost; a cluster that does not answer is asked again."""
        while not self._lost:
            await self._clock.sleep(RENEW_SECONDS)
            try:
                await self.renew()
            except LockLost:
                return
            except ClusterError:
                continue

    async def release(self) -> None:
        """Leave no lock of ours behind; one that somebody else took stays. Raises `ClusterError`."""
        if not self._attempted:
            return
        for _ in range(_TRIES):
            lease = self._lease or await answered(self._writer.get(self._ref))
            holder = dig(lease, "spec", "holderIdentity")
            if lease is None or holder not in (self._identity, None):
                break
            try:
                if holder:
                    await answered(self._writer.replace(_without_holder(lease)))
            except NotFound:
                break
            except Conflict:
                self._lease = None
                continue
            # Without a holder nobody takes it over (`take`), so its deletion cannot hit another's lock.
            await answered(self._writer.delete(self._ref, uid=lease["metadata"]["uid"]))
            break
        self._lease, self._attempted, self._renewed = None, False, float("-inf")

    async def _create(self) -> bool:
        sent = self._clock.elapsed()
        self._attempted = True
        now = micro_time(self._clock.now())
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(LEASE_SECONDS),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": 0,
        }
        lease = record("Lease", self._ref.name, LOCK, self.model, {"spec": spec})
        lease["apiVersion"] = self._ref.api_version
        try:
            self._lease = await _arrived(in_our_namespace(self._writer, lambda: self._writer.create(lease)))
        except Conflict:
            return False
        self._renewed = sent
        return True

    async def _take_over(self, lease: JsonObject) -> bool:
        """Wait until the Lease was unchanged for its whole duration, then take it unless it has changed after all."""
        await self._clock.sleep(max(0.0, _duration(lease) - self._watched(lease)))
        return await self._replace_holder(lease)

    async def _replace_holder(self, lease: JsonObject) -> bool:
        """Write ourselves into the Lease unless it has changed; whether it is ours now."""
        sent = self._clock.elapsed()
        spec = lease["spec"]
        taken = {
            **spec,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(LEASE_SECONDS),
            "acquireTime": micro_time(self._clock.now()),
            "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1,
        }
        try:
            self._lease = await _arrived(self._writer.replace(self._renewal({**lease, "spec": taken})))
        except (Conflict, NotFound):
            return False
        self._renewed = sent
        return True

    def _seems_alive(self, lease: JsonObject) -> bool:
        """Whether to refuse without watching: renewed lately by its own times, and not yet seen idle for long.

        A wrong clock only makes us refuse too early, or watch where we need not; never take what is held.
        """
        duration = _duration(lease)
        watched = self._watched(lease)
        if duration > _LONGEST_LEASE:
            return True
        try:
            renewed = datetime.fromisoformat(str(dig(lease, "spec", "renewTime", default="")))
            age = (self._clock.now() - renewed).total_seconds()
        except (ValueError, TypeError):
            return False
        return watched < duration and abs(age) <= duration

    def _watched(self, lease: JsonObject) -> float:
        """Seconds for which we have seen this very state of the Lease."""
        version = f"{dig(lease, 'metadata', 'uid')} {dig(lease, 'metadata', 'resourceVersion')}"
        now = self._clock.elapsed()
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, now)
        return now - self._seen[1]

    def _renewal(self, lease: JsonObject) -> JsonObject:
        return {**lease, "spec": {**lease.get("spec", {}), "renewTime": micro_time(self._clock.now())}}

    def _holder(self, lease: JsonObject) -> Holder:
        identity = dig(lease, "spec", "holderIdentity", default="nobody holds it, or somebody who came and went")
        since = dig(lease, "spec", "acquireTime", default="an unknown time")
        return Holder(self._writer.cluster.name, self.model, str(identity), str(since))

    def _loss(self) -> LockLost:
        holder = printable(self._holder(self._lease or {}).identity, 200)
        return LockLost(f"the lock on {self.model} is not ours any more: {holder}")


def micro_time(at: datetime) -> str:
    """Kubernetes' MicroTime: always six digits and `Z`, or the API server refuses it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _duration(lease: JsonObject) -> float:
    seconds = dig(lease, "spec", "leaseDurationSeconds", default=LEASE_SECONDS)
    return float(seconds) if isinstance(seconds, int | float) and seconds > 0 else LEASE_SECONDS


def _without_holder(lease: JsonObject) -> JsonObject:
    return {**lease, "spec": {key: value for key, value in lease["spec"].items() if key != "holderIdentity"}}


async def answered(request: Coroutine[Any, Any, T]) -> T:
    """The answer about a lock: everything else waits for it, so it waits for nothing else. Raises `ClusterError`."""
    try:
        with urgently():
            async with limited(ANSWER_SECONDS):
                return await request
    except TimeoutError as error:
        raise Unreachable(f"no answer about the lock within {ANSWER_SECONDS:g} s", code="timeout") from error


async def _arrived(write: Coroutine[Any, Any, T]) -> T:
    """The answer to a write that makes a lock ours; one that was sent is waited for even when nobody wants it any more.

    It may take effect after any later look at the lock, which would then stay behind.
    """
    task = asyncio.ensure_future(answered(write))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise
