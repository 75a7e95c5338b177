"""One request that changes a cluster: journal, lock, send, journal. Nothing in this room writes in any other way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

from orchestrator.core.dispatch import sent_only_while
from orchestrator.core.events import Event, EventType
from orchestrator.core.objects import JsonObject, ObjectRef, dig
from orchestrator.core.plan import Verb
from orchestrator.core.records import canonical_json
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.errors import ClusterError, Forbidden, Overloaded, TooLate, Unreachable
from orchestrator.execution.leases import LockLost
from orchestrator.execution.outcome import Written
from orchestrator.execution.ports import ClusterPorts
from orchestrator.execution.stopping import Interrupted

T = TypeVar("T")

_TRIES: Final = 5
"""How often a write may come too late before the lock counts as lost."""
_ANSWERS: Final = frozenset(
    (EventType.ANSWERED, EventType.OBSERVED, EventType.FOUND, EventType.GUARD_TRIED, EventType.REVERTED)
)
"""Events that tell what an API server said."""


class Sender:
    """Sends the writes of one item, and remembers what it sent."""

    def __init__(self, ports: ClusterPorts, model: str, step: str, *, order: str = "") -> None:
        self.ports: Final = ports
        self.model: Final = model
        self.step: Final = step
        self.order: Final = order
        """Digest of the order that restore records are kept for; empty outside a takedown."""
        self.kept: dict[ObjectRef, JsonObject] = {}
        """The restore records that this item rests on, as its cluster has them."""
        self.found: dict[ObjectRef, JsonObject] | None = None
        """Our own records as its cluster had them a moment ago; None where nobody looked, or it is too long ago."""
        self.held_before: bool | None = None
        """Whether a hold on the model lay in the cluster when a takedown of it began; None where nobody can tell."""
        self.sent: list[str] = []
        """Writes that took effect, or may have: `scale apps/Deployment default/fable`."""
        self.written: list[Written] = []
        """The same writes, as a rollback needs them; our own records are not among them."""
        self.refused: Reason | None = None
        """The write that failed last."""

    @property
    def cluster(self) -> str:
        """Name of the cluster."""
        return self.ports.writer.cluster.name

    async def send(
        self,
        verb: str,
        ref: ObjectRef,
        request: Callable[[], Coroutine[Any, Any, T]],
        *,
        trace: Callable[[T | None], Written] | None = None,
        **data: Any,
    ) -> T:
        """Send one write. Raises `Interrupted` before it, `LockLost` in its place, and what the cluster answers.

        `trace` says what the write leaves behind, given its answer, or None where the answer was lost and the write
        may have taken effect all the same.
        """
        await self.check()
        about = {"verb": verb, "object": str(ref), **data}
        self.emit(EventType.SENDING, about)
        await self.ports.make_durable()
        for tries_left in reversed(range(_TRIES)):
            try:
                # After the journal, which may have waited for a disk, and asked again when the request leaves.
                is_fresh = await self.ports.ensure_lock(self.model)
            except ClusterError as error:
                self._refuse(ref, about, error, sent=False)
                raise
            is_due = tries_left == 0 and not self.ports.needs_lock
            with suppress(TooLate), sent_only_while(_always if is_due else is_fresh):
                return await self._request(about, ref, request, trace)
            await self.check()
        lost = LockLost(f"the lock on {self.model} did not stay fresh for as long as a write had to wait")
        self._refuse(ref, about, lost, sent=False)
        raise lost

    async def check(self) -> None:
        """Whether anything may be sent at all: asked before each try. Raises `Interrupted` when a signal came."""
        if self.ports.stop.is_set():
            raise Interrupted

    async def _request(
        self,
        about: JsonObject,
        ref: ObjectRef,
        request: Callable[[], Coroutine[Any, Any, T]],
        trace: Callable[[T | None], Written] | None,
    ) -> T:
        verb = str(about["verb"])
        try:
            answer = await request()
        except TooLate:
            raise
        except (Unreachable, Overloaded) as error:
            self.remember(verb, ref, trace and trace(None))
            self._refuse(ref, about, error, sent=True)
            raise
        except ClusterError as error:
            self._refuse(ref, about, error, sent=True)
            raise
        except BaseException:
            # Cancelled, mostly by a deadline: whether it took effect is not known.
            self.remember(verb, ref, trace and trace(None))
            self.emit(EventType.ANSWERED, {**about, "error": "no-answer"})
            raise
        written = trace and trace(answer)
        self.remember(verb, ref, written)
        self.refused = None
        made = {"created": written.created} if written and written.verb is Verb.CREATE else {}
        self.emit(EventType.ANSWERED, {**about, **_answer_words(answer), **made})
        return answer

    def remember(self, verb: str, ref: ObjectRef, written: Written | None) -> None:
        """Note a write that took effect, or may have."""
        self.sent.append(f"{verb} {ref}")
        if written is not None:
            self.written.append(written)

    def emit(self, type_: EventType, data: JsonObject) -> None:
        """Journal and tell an event of this item; one that tells what the server said carries the server's time."""
        at = self.ports.clock.now()
        if type_ in _ANSWERS and (said_at := self.ports.writer.server_time) is not None:
            data = {**data, "serverTime": said_at.isoformat()}
        self.ports.emit(Event(type=type_, at=at, cluster=self.cluster, model=self.model, step=self.step, data=data))

    def _refuse(self, ref: ObjectRef, about: JsonObject, error: ClusterError, *, sent: bool) -> None:
        self.refused = reason_of(error, ref)
        # What a server says about a Secret may quote it.
        message = {} if ref.kind == "Secret" else {"message": self.refused.message}
        self.emit(EventType.ANSWERED, {**about, "error": error.code, "sent": sent, **message})


def _always() -> bool:
    return True


def reason_of(error: ClusterError, ref: ObjectRef | None = None) -> Reason:
    """What a cluster's refusal says, safe to print; of a Secret only that it was refused."""
    is_secret = ref is not None and ref.kind == "Secret"
    message = printable(error.message)
    if is_secret and error.status:
        # Which permission is missing is in our own words, and quotes nothing.
        missing = f": not permitted, {error.hint}" if isinstance(error, Forbidden) and error.hint else ""
        message = f"the API server refuses the Secret{missing}"
    return Reason(code=error.code, message=message, object=str(ref) if ref else None)


def digest_of(manifest: JsonObject) -> str | None:
    """A digest by which the journal recognises a manifest; none for a Secret, whose content could be guessed by it."""
    if manifest.get("kind") == "Secret":
        return None
    return hashlib.sha256(canonical_json(manifest).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _answer_words(answer: object) -> JsonObject:
    found = {
        "uid": dig(answer, "metadata", "uid"),
        "resourceVersion": dig(answer, "metadata", "resourceVersion"),
        "generation": dig(answer, "metadata", "generation"),
    }
    return {key: value for key, value in found.items() if value is not None}
