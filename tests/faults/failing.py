"""How a way to an API server can fail above TLS: what a `FaultProxy` does instead of passing requests on.

Each is made anew for every command, so that what fails once fails once in each.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import orjson

from tests.faults.behaviours import hang, reply, slowly, status
from tests.faults.proxy import ApiServer, Mutate, is_review, is_watch, is_write
from tests.faults.server import Behaviour, Connection, Seen

Failing = Callable[[ApiServer], Mutate]

_PLACE = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?$"
)
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Asked:
    """What a request asks for, in the words of permissions."""

    verb: str
    group: str
    plural: str
    namespace: str
    name: str

    @classmethod
    def of(cls, seen: Seen) -> Asked | None:
        """None for what is no request for objects: discovery, the version."""
        place = _PLACE.match(seen.path)
        if place is None:
            return None
        read = "watch" if is_watch(seen) else "get" if place["name"] else "list"
        plural = place["plural"] + (f"/{place['sub']}" if place["sub"] else "")
        verb = _VERBS.get(seen.method, read)
        return cls(verb, place["group"] or "", plural, place["namespace"] or "", place["name"] or "")

    @property
    def denied(self) -> Behaviour:
        """403 as the API server's authorizers word it."""
        what = f"{self.plural}.{self.group}" if self.group else self.plural
        where = f' in the namespace "{self.namespace}"' if self.namespace else " at the cluster scope"
        words = (
            f'{what} "{self.name}" is forbidden: User "tester" cannot {self.verb} resource "{self.plural}" '
            f'in API group "{self.group}"{where}'
        )
        return status(403, words, "Forbidden")


def nothing(api: ApiServer) -> Mutate:
    """Everything goes through."""
    return lambda seen: None


def always(behaviour: Behaviour) -> Failing:
    """The same for every request."""
    return lambda api: lambda seen: behaviour


def on_writes(behaviour: Behaviour) -> Failing:
    """The same for every write; what is only read goes through."""
    return lambda api: lambda seen: behaviour if is_write(seen) else None


def from_first_write(behaviour: Behaviour) -> Failing:
    """Nothing until something is to be changed, and from that request on the same for every request."""

    def make(api: ApiServer) -> Mutate:
        begun = threading.Event()

        def mutate(seen: Seen) -> Behaviour | None:
            if is_write(seen):
                begun.set()
            return behaviour if begun.is_set() else None

        return mutate

    return make


def once(applies: Callable[[Seen], bool], behave: Callable[[ApiServer], Behaviour]) -> Failing:
    """For the first such request of each method and path, and only for that."""

    def make(api: ApiServer) -> Mutate:
        done: set[tuple[str, str, bool]] = set()

        def mutate(seen: Seen) -> Behaviour | None:
            key = (seen.method, seen.path, is_watch(seen))
            if not applies(seen) or key in done:
                return None
            done.add(key)
            return behave(api)

        return mutate

    return make


def reset_during(api: ApiServer) -> Behaviour:
    """Carry it out, send half of the answer, and break off."""

    async def behave(seen: Seen, connection: Connection) -> None:
        data = (await api.answer(seen)).data
        await connection.send(data[: len(data) // 2])
        connection.reset()

    return behave


def reset_after(api: ApiServer) -> Behaviour:
    """Carry it out, and break off without a word."""

    async def behave(seen: Seen, connection: Connection) -> None:
        await api.answer(seen)
        connection.reset()

    return behave


def slow(seconds: float) -> Failing:
    """Every request that much later."""
    return lambda api: lambda seen: slowly(seconds, api.pass_on)


class _Narrow(Connection):
    """A connection through which a byte comes each second."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def send(self, data: bytes) -> None:
        for byte in data:
            await self._connection.send(bytes([byte]))
            await asyncio.sleep(1)


def byte_by_byte(api: ApiServer) -> Mutate:
    """Every answer at 1 byte a second."""

    async def behave(seen: Seen, connection: Connection) -> None:
        await api.pass_on(seen, _Narrow(connection))

    return lambda seen: behave


def truncated(api: ApiServer) -> Mutate:
    """Every answer but a watch ends in the middle of its body, in good order."""

    async def behave(seen: Seen, connection: Connection) -> None:
        data = (await api.answer(seen)).data
        await connection.send(data[: -max(1, len(data) // 4)])
        connection.close()

    return lambda seen: None if is_watch(seen) else behave


def forbidden(*verbs: str) -> Failing:
    """403 to these verbs, whatever the object, also in a dry-run; who asks whether they are permitted is told no.

    Asking that is permitted to everybody, though it is a `create`.
    """

    def make(api: ApiServer) -> Mutate:
        async def refuse(seen: Seen, connection: Connection) -> None:
            whole = await api.answer(seen)
            review = orjson.loads(whole.body)
            if review["spec"]["resourceAttributes"]["verb"] in verbs:
                review["status"] = {"allowed": False}
            await reply(whole.status, review)(seen, connection)

        def mutate(seen: Seen) -> Behaviour | None:
            asked = Asked.of(seen)
            if is_review(seen):
                return refuse if asked and asked.plural == "selfsubjectaccessreviews" else None
            return asked.denied if asked and asked.verb in verbs else None

        return mutate

    return make


def not_served(group: str, *, listed: bool) -> Failing:
    """404 for an API group; `listed`: the server's own list of groups still names it, as behind a broken proxy."""
    absent = reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})

    def make(api: ApiServer) -> Mutate:
        async def without_group(seen: Seen, connection: Connection) -> None:
            whole = await api.answer(seen)
            groups = orjson.loads(whole.body)
            groups["groups"] = [one for one in groups["groups"] if one["name"] != group]
            await reply(200, groups)(seen, connection)

        def mutate(seen: Seen) -> Behaviour | None:
            if seen.path.startswith(f"/apis/{group}/") or seen.path == f"/apis/{group}":
                return absent
            return without_group if seen.path == "/apis" and not listed else None

        return mutate

    return make


def expiring_pages(gone: Behaviour) -> Failing:
    """Every list comes in pages of one object, and no second page is ever given: as if its history were compacted."""

    def make(api: ApiServer) -> Mutate:
        async def first_object(seen: Seen, connection: Connection) -> None:
            target = re.sub(r"(?<=[?&]limit=)\d+", "1", seen.target)
            await api.pass_on(replace(seen, target=target), connection)

        def mutate(seen: Seen) -> Behaviour | None:
            if not is_list(seen) or "limit" not in seen.query:
                return None
            return gone if "continue" in seen.query else first_object

        return mutate

    return make


def is_list(seen: Seen) -> bool:
    """Whether a request lists objects."""
    asked = Asked.of(seen)
    return asked is not None and asked.verb == "list"


def cut_watches(seconds: float) -> Failing:
    """Every watch is broken off after this long."""

    def make(api: ApiServer) -> Mutate:
        async def cut(seen: Seen, connection: Connection) -> None:
            try:
                async with asyncio.timeout(seconds):
                    await api.pass_on(seen, connection)
            except TimeoutError:
                connection.reset()

        return lambda seen: cut if is_watch(seen) else None

    return make


def silent_watches(api: ApiServer) -> Mutate:
    """Every watch is granted, stays open, and says nothing."""

    async def grant(seen: Seen, connection: Connection) -> None:
        await connection.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        await hang(seen, connection)

    return lambda seen: grant if is_watch(seen) else None


class Token:
    """What a proxy knows of credentials: each token `token-N` is good for some requests, then only a later one is.

    Each is good for four times as many as the one before: a new token never runs out as soon as it is there, however
    many requests were under way when the old one did.
    """

    def __init__(self, uses: int) -> None:
        self._uses = uses

    def __call__(self, api: ApiServer) -> Mutate:
        """401 to every token but the latest."""
        latest, used = 1, 0
        refused = status(401, "Unauthorized", "Unauthorized")

        def mutate(seen: Seen) -> Behaviour | None:
            nonlocal latest, used
            words = seen.headers.get("authorization", "")
            if not words.startswith("Bearer token-"):
                return refused
            number = int(words.removeprefix("Bearer token-"))
            if number > latest:
                latest, used = number, 0
            if number < latest or used >= self._uses * 4 ** (number - 1):
                return refused
            used += 1
            return None

        return mutate


class StaleReads:
    """Remembers answers to reads; from the first write on it answers with what it remembers, as a broken cache would.

    Watches stay silent then: the cache does not hear of anything new.
    """

    def __init__(self) -> None:
        self._remembered: dict[str, bytes] = {}

    def remember(self, api: ApiServer) -> Mutate:
        """Pass everything on, and remember."""

        async def behave(seen: Seen, connection: Connection) -> None:
            whole = await api.answer(seen)
            if whole.status in (200, 404):
                self._remembered[seen.target] = whole.data
            await connection.send(whole.data)

        return lambda seen: behave if seen.method == "GET" and not is_watch(seen) else None

    def __call__(self, api: ApiServer) -> Mutate:
        silent, begun = silent_watches(api), threading.Event()

        async def recall(seen: Seen, connection: Connection) -> None:
            await connection.send(self._remembered[seen.target])

        def mutate(seen: Seen) -> Behaviour | None:
            if is_write(seen) and "/leases" not in seen.path:
                begun.set()
            if not begun.is_set() or seen.method != "GET":
                return None
            return recall if seen.target in self._remembered else silent(seen)

        return mutate
