"""Step after step, whatever fails: what a takedown could not do is a reason on its item, and never the end of it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from orchestrator.core.objects import ObjectRef
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.errors import ClusterError, Unreachable
from orchestrator.execution.sending import reason_of
from orchestrator.execution.stopping import Interrupted

T = TypeVar("T")


class Steps:
    """Tries the steps of one item, and keeps why one of them failed."""

    def __init__(self) -> None:
        self._reasons: dict[Reason, None] = {}
        self.unstopped: set[ObjectRef] = set()
        """What runs the model and whose API server refused to stop it, rather than not to answer."""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Everything there is to say, each once, in the order in which it happened."""
        return tuple(self._reasons)

    def note(self, reason: Reason) -> None:
        """Say something about the item."""
        self._reasons[reason] = None

    async def attempt(self, step: Awaitable[object], ref: ObjectRef | None = None) -> bool:
        """Whether the step succeeded; where not, the item says why. Only an interruption ends a takedown."""
        return (await self._result(step, ref))[0]

    async def stop(self, step: Awaitable[object], ref: ObjectRef) -> bool:
        """The same for a write that stops what runs the model; one that is refused is remembered until it succeeds."""
        self.unstopped.discard(ref)
        return (await self._result(step, ref, stops=True))[0]

    async def ask(self, question: Awaitable[T], ref: ObjectRef | None = None) -> T | None:
        """The answer; None when there is none, and then the item says why."""
        return (await self._result(question, ref))[1]

    async def _result(self, step: Awaitable[T], ref: ObjectRef | None, *, stops: bool = False) -> tuple[bool, T | None]:
        try:
            return True, await step
        except Interrupted:
            raise
        except ClusterError as error:
            if stops and ref is not None and not isinstance(error, Unreachable):
                self.unstopped.add(ref)
            self.note(reason_of(error, ref))
        except Exception as error:
            words = f"a defect of this tool: {type(error).__name__}: {printable(error, 200)}"
            self.note(Reason(code="internal", message=words, object=str(ref) if ref else None))
        return False, None
