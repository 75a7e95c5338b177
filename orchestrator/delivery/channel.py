"""The way to one cluster's API server: route, credentials, retries and circuit breaker, for calls and for streams.

What it refuses: to send anything without the credential that the kubeconfig asks for, and to claim that a write failed
or succeeded when its answer was lost and nobody could look.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from orchestrator.core.dispatch import is_urgent
from orchestrator.core.limits import left_out
from orchestrator.core.objects import JsonObject
from orchestrator.core.ports import Access, Clock
from orchestrator.delivery.breaker import CircuitBreaker
from orchestrator.delivery.credentials import Credential, Credentials, CredentialSource
from orchestrator.delivery.entries import Context
from orchestrator.delivery.proxies import proxy_for
from orchestrator.delivery.retries import is_lost_answer, policy, with_retries
from orchestrator.delivery.statuses import error_of, read_object
from orchestrator.delivery.timeouts import Timeouts
from orchestrator.delivery.tls import TlsContexts
from orchestrator.delivery.transport import Answer, Request, Transport
from orchestrator.errors import ClusterError, Invalid, Overloaded, TooLate, Unauthenticated, Unreachable

_MOST_AT_ONCE, _LEAST_AT_ONCE, _IN_ALL = 24, 4, 512
"""Requests to one cluster at once, each over a connection of its own; fewer where there are many clusters."""
_PACKED, _PLAIN = ("Accept-Encoding", "gzip"), ("Accept-Encoding", "identity")
_AS_GO_WRITES = tuple((text.encode(), f"\\u{ord(text):04x}".encode()) for text in "<>&\u2028\u2029")
"""A `test` of a JSON patch compares the written forms, and the API server's is Go's, which escapes these in strings."""

Recovery = Callable[[], Awaitable[JsonObject | None]]
"""Looks whether a write whose answer was lost took effect: what is there now, or None when it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request in the words of the API."""

    method: str
    path: str
    """Already quoted."""
    access: Access
    """What is asked, for messages."""
    query: tuple[tuple[str, str], ...] = ()
    body: Any = field(default=None, repr=False)
    """JSON; None for no body."""
    content_type: str = "application/json"
    repeatable: bool = True
    """Whether it may happen twice, see `retries`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all clusters share."""

    transport: Transport
    tls: TlsContexts
    credentials: Credentials
    timeouts: Timeouts
    clock: Clock
    environ: Mapping[str, str] = field(repr=False)
    clusters: int = 1
    """How many there are."""


def at_once(clusters: int) -> int:
    """How many requests one of so many clusters gets at once."""
    return max(_LEAST_AT_ONCE, min(_MOST_AT_ONCE, _IN_ALL // max(1, clusters)))


@dataclass(frozen=True, slots=True)
class _Route:
    context: Context
    source: CredentialSource
    proxy: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Presented:
    """What every request carries that presents one credential."""

    credential: Credential = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    tls: ssl.SSLContext | None


class ClusterChannel:
    """Calls one cluster. Every method raises a `ClusterError` by meaning."""

    def __init__(self, find_context: Callable[[], Context], shared: Shared) -> None:
        self._find_context = find_context
        self._shared = shared
        self._route: _Route | None = None
        self._presented: _Presented | None = None
        self._breaker = CircuitBreaker(shared.clock, shared.timeouts.rest)
        self._slots = asyncio.Semaphore(at_once(shared.clusters))
        self._answered = False
        rules = partial(policy, shared.timeouts, shared.clock)
        self._rules = {
            (repeatable, answered): rules(repeatable=repeatable, answered_before=answered)
            for repeatable in (True, False)
            for answered in (True, False)
        }
        self.server_time: datetime | None = None
        """The `Date` of the latest answer (RFC 9110, section 6.6.1): the server's clock, to the second."""

    @property
    def timeouts(self) -> Timeouts:
        """How long is waited for what."""
        return self._shared.timeouts

    @property
    def clock(self) -> Clock:
        """The clock of retries and watches."""
        return self._shared.clock

    async def call(self, call: Call, recover: Recovery | None = None) -> JsonObject:
        """Send, repeat where that is harmless, and return the JSON object that comes back.

        When an answer was lost on the way to a failure, `recover` is asked first: a write that took effect did not
        fail.
        """
        lost: ClusterError | None = None

        async def attempt() -> JsonObject:
            nonlocal lost
            try:
                return await self._exchange(call)
            except ClusterError as error:
                lost = error if is_lost_answer(error) else lost
                raise

        self._breaker.admit()
        try:
            answer = await with_retries(attempt, self._rules[call.repeatable, self._answered])
        except ClusterError as error:
            self._note(error)
            if recover is None or lost is None:
                raise
            # What may not be repeated any more was sent all the same.
            return await _recovered(recover, lost if lost and isinstance(error, TooLate) else error)
        self._note(None)
        return answer

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch: the chunks of its body as they come. Raises when it is not granted; retries nothing."""
        self._breaker.admit()
        route = self._find_route()
        credential = await route.source.current()
        async with AsyncExitStack() as stack:
            answer, chunks = await stack.enter_async_context(self._open(route, call, credential))
            if answer.status == 401 and (renewed := await route.source.renewed(credential)):
                await stack.aclose()
                answer, chunks = await stack.enter_async_context(self._open(route, call, renewed))
            if answer.status != 200:
                raise error_of(answer, call.access)
            self._note(None)
            yield chunks

    def _open(
        self, route: _Route, call: Call, credential: Credential
    ) -> AbstractAsyncContextManager[tuple[Answer, AsyncIterator[bytes]]]:
        return self._shared.transport.stream(self._request(route, call, credential, timeout=None))

    async def _exchange(self, call: Call) -> JsonObject:
        if is_urgent():
            return await self._answer(call)
        if self._slots.locked():
            with left_out():
                await self._slots.acquire()
        else:
            await self._slots.acquire()
        try:
            return await self._answer(call)
        finally:
            self._slots.release()

    async def _answer(self, call: Call) -> JsonObject:
        route = self._find_route()
        credential = await route.source.current()
        answer = await self._ask(route, call, credential)
        if answer.status == 401 and (renewed := await route.source.renewed(credential)):
            answer = await self._ask(route, call, renewed)
        self.server_time = _date_of(answer) or self.server_time
        return read_object(answer, call.access)

    def _ask(self, route: _Route, call: Call, credential: Credential) -> Awaitable[Answer]:
        return self._shared.transport.exchange(self._request(route, call, credential, timeout=self.timeouts.request))

    def _find_route(self) -> _Route:
        if self._route is None:
            context = self._find_context()
            proxy = proxy_for(context.server.url, named=context.server.proxy_url, environ=self._shared.environ)
            source = self._shared.credentials.source(context.user, context.server)
            self._route = _Route(context, source, proxy)
        return self._route

    def _request(self, route: _Route, call: Call, credential: Credential, *, timeout: float | None) -> Request:
        server = route.context.server
        if self._presented is None or self._presented.credential is not credential:
            self._presented = self._present(route, credential)
        encoding = _PACKED if server.compress and timeout is not None else _PLAIN
        content = () if call.body is None else (("Content-Type", call.content_type),)
        query = f"?{urlencode(call.query, quote_via=quote)}" if call.query else ""
        return Request(
            method=call.method,
            url=f"{server.url}{call.path}{query}",
            headers=(*self._presented.headers, encoding, *content),
            body=None if call.body is None else _serialised(call.body),
            tls=self._presented.tls,
            server_hostname=server.tls_server_name,
            proxy=route.proxy,
            timeout=timeout,
        )

    def _present(self, route: _Route, credential: Credential) -> _Presented:
        server, user = route.context.server, route.context.user
        known = (("Authorization", credential.authorization),) if credential.authorization else ()
        is_encrypted = server.url.startswith("https:")
        return _Presented(
            credential,
            headers=(("Accept", "application/json"), *user.impersonation, *known),
            tls=self._shared.tls.context(server, credential.certificate) if is_encrypted else None,
        )

    def _note(self, error: ClusterError | None) -> None:
        """Tell the breaker whether the cluster answered; that we had nothing to show it says nothing about it."""
        if isinstance(error, Unauthenticated | TooLate) or (error is not None and error.code == "context"):
            return
        if isinstance(error, Unreachable):
            self._breaker.failed(error)
            return
        self._breaker.answered()
        self._answered = self._answered or not isinstance(error, Overloaded)


def _date_of(answer: Answer) -> datetime | None:
    return _date(answer.headers.get("date", ""))


@lru_cache(maxsize=64)
def _date(text: str) -> datetime | None:
    """A second has many answers, and all of them the same words for it."""
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _serialised(body: Any) -> bytes:
    try:
        written = orjson.dumps(body)
    except TypeError as error:
        raise Invalid("the object holds something that JSON cannot express") from error
    for plain, escaped in _AS_GO_WRITES:
        written = written.replace(plain, escaped)
    return written


async def _recovered(recover: Recovery, error: ClusterError) -> JsonObject:
    """What a write left behind whose answer was lost; raises its error when that is not what it wrote."""
    found = None
    with suppress(ClusterError):
        found = await recover()
    if found is not None:
        return found
    told = f"{error.message}; whether the change took effect is not known"
    if isinstance(error, Overloaded):
        raise Overloaded(told, status=error.status) from error
    if isinstance(error, Unreachable):
        raise Unreachable(told, code=error.code, status=error.status) from error
    raise error
