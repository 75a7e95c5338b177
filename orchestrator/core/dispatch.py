"""What whoever sends a request has to say to the queues on its way: that it is urgent, or until when it may be sent.

A write rests on a lock that was fresh a moment ago; between that look and its first byte lie queues, credential plugins
and retries. So the question whether it still may be sent goes along, and is asked last of all. It travels beside the
arguments, because nothing in between has anything to do with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from orchestrator.errors import TooLate

Question = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Dispatch:
    is_urgent: bool = False
    may_be_sent: Question | None = None


_USUAL = _Dispatch()
_dispatch: ContextVar[_Dispatch] = ContextVar("dispatch", default=_USUAL)


def is_urgent() -> bool:
    """Whether what is being sent goes before everything else, and waits for no other request to its cluster."""
    return _dispatch.get().is_urgent


def check_permission() -> None:
    """To be called where nothing can delay a write any more. Raises `TooLate`: then nothing is sent."""
    question = _dispatch.get().may_be_sent
    if question is not None and not question():
        raise TooLate("the lock was not fresh any more when the turn of the write had come")


@contextmanager
def urgently() -> Iterator[None]:
    """What is sent in this block is urgent."""
    with _with(replace(_dispatch.get(), is_urgent=True)):
        yield


@contextmanager
def sent_only_while(question: Question) -> Iterator[None]:
    """No write of this block leaves, be it the first or a repeated one, unless this is answered with yes just then."""
    with _with(replace(_dispatch.get(), may_be_sent=question)):
        yield


@contextmanager
def _with(dispatch: _Dispatch) -> Iterator[None]:
    outer = _dispatch.set(dispatch)
    try:
        yield
    finally:
        _dispatch.reset(outer)
