"""The protocols between the rooms: how execution and verification reach a cluster without knowing a client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from orchestrator.core.fleet import Cluster
from orchestrator.core.objects import JsonObject, ObjectRef, Resource

if TYPE_CHECKING:
    from orchestrator.core.observation import Departure, Settled, Subject, Traces
    from orchestrator.core.takedown import Guard, GuardProof, NeutralSurvey, Workload
    from orchestrator.core.verdict import Judgement, Reason


Keep: TypeAlias = Callable[[JsonObject], bool]
"""Whether an object of a list is wanted: pure, and called from another thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which cluster answered."""

    uid: str
    """uid of the kube-system namespace."""
    sandbox: bool
    """Whether the cluster carries the sandbox's mark: results are a rehearsal."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One consistent list."""

    items: tuple[JsonObject, ...]
    """Each with apiVersion and kind filled in."""
    resource_version: str


class ChangeType(StrEnum):
    """What a watch tells."""

    LISTED = "listed"
    """The whole list, at the start and after every gap; replaces everything known."""
    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a followed list."""

    type: ChangeType
    object: JsonObject | None = None
    """The object, for everything but `LISTED`."""
    items: tuple[JsonObject, ...] = ()
    """The whole list, for `LISTED`."""


@dataclass(frozen=True, slots=True)
class Access:
    """A permission: a verb on a resource (`deployments`, `deployments/scale`), in a namespace or everywhere."""

    verb: str
    group: str
    resource: str
    namespace: str = ""

    def __str__(self) -> str:
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {name}" + (f" in {self.namespace}" if self.namespace else "")


class ClusterReader(Protocol):
    """Reads one cluster. Every method raises a `ClusterError` by meaning, and never anything of a client's."""

    @property
    def cluster(self) -> Cluster:
        """The cluster of the fleet that this leads to."""
        ...

    @property
    def server_time(self) -> datetime | None:
        """What the API server's own clock said in its latest answer (to the second); None before there is one."""
        ...

    async def identify(self) -> Identity:
        """Ask which cluster this is. Raises `WrongCluster` when it is not the pinned one; asked once, then remembered.

        Every other method calls it first, so that nothing reaches a wrong cluster.
        """
        ...

    async def version(self) -> str:
        """The server's gitVersion."""
        ...

    async def actor(self) -> str:
        """Who the API server says we are (SelfSubjectReview)."""
        ...

    async def resource(self, api_version: str, kind: str) -> Resource:
        """Where objects of a kind are found; `NotFound` when the API is not served."""
        ...

    async def get(self, ref: ObjectRef) -> JsonObject | None:
        """One object; None when it, or its API, is not there."""
        ...

    async def list(
        self, resource: Resource, namespace: str = "", *, labels: str = "", keep: Keep | None = None
    ) -> Listing:
        """A consistent list (resourceVersion unset), paged; all namespaces when none is given.

        With `keep`, what is not wanted is dropped page by page, so that a large cluster is never held in memory.

        Raises `NotFound` when the API is not served.
        """
        ...

    def follow(
        self, resource: Resource, namespace: str = "", *, labels: str = "", keep: Keep | None = None
    ) -> AsyncGenerator[Change, None]:
        """List, then watch without end: resumes, relists after a gap, backs off, and relists a watch gone silent.

        `keep` concerns its lists; what changes afterwards is told in any case.

        Leave it through `contextlib.aclosing`, so that its connection is closed at once and not by chance.
        Raises a `ClusterError` when the list is forbidden or not served; transient faults are retried by itself.
        """
        ...

    async def allows(self, access: Access) -> bool:
        """Whether we may do this (SelfSubjectAccessReview)."""
        ...


class ClusterWriter(ClusterReader, Protocol):
    """Reads and changes one cluster."""

    async def apply(self, manifest: JsonObject, *, force: bool = False, dry_run: bool = False) -> JsonObject:
        """Server-side apply under our field manager, strict on unknown fields. Raises `Conflict` with fields."""
        ...

    async def create(self, obj: JsonObject, *, dry_run: bool = False) -> JsonObject:
        """Create; `Conflict` when it is already there."""
        ...

    async def replace(self, obj: JsonObject) -> JsonObject:
        """Replace an object that carries its resourceVersion; `Conflict` when somebody wrote in between."""
        ...

    async def patch(
        self,
        ref: ObjectRef,
        patch: JsonObject | list[JsonObject],
        *,
        type_: Literal["merge", "strategic", "json"] = "merge",
        dry_run: bool = False,
    ) -> JsonObject:
        """Patch; a uid or resourceVersion in the patch's metadata is a precondition."""
        ...

    async def scale(
        self, ref: ObjectRef, replicas: int, *, resource_version: str | None = None, dry_run: bool = False
    ) -> JsonObject:
        """Write `/scale`; returns the Scale object. The version, when given, is a precondition."""
        ...

    async def delete(
        self, ref: ObjectRef, *, uid: str, resource_version: str | None = None, grace_seconds: int | None = None
    ) -> None:
        """Delete the object with this uid (background propagation); nothing happens when it is gone already.

        Raises `Conflict` when `resource_version` is given and somebody wrote to the object since.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request to an endpoint that is no API server."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 10.0
    """Seconds, in all."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What an endpoint answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    """At most 1 MiB of it."""


class Prober(Protocol):
    """Asks endpoints that are no API servers."""

    async def ask(self, request: HttpRequest) -> HttpAnswer:
        """Send it, without following redirects; raises `Unreachable` when there is no answer."""
        ...


class Clock(Protocol):
    """Time as an argument, so that a test can make it jump."""

    def now(self) -> datetime:
        """Wall-clock time, UTC, for people and records."""
        ...

    def elapsed(self) -> float:
        """Seconds on a clock that never goes back and counts suspend (CLOCK_BOOTTIME)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Verifier(Protocol):
    """Judges live objects; execution asks it without knowing its rules."""

    async def look(self, reader: ClusterReader, subject: Subject) -> Judgement:
        """Judge now, from consistent lists, and change nothing."""
        ...

    async def search(self, reader: ClusterReader, subject: Subject) -> Traces:
        """Look for everything of the model, in all namespaces where the subject asks for that; changes nothing.

        Raises `Unreachable`.
        """
        ...

    def shared_with(self, subject: Subject, workload: JsonObject) -> str | None:
        """What else the pods of a workload serve, in words; None where they are the subject's model's alone."""
        ...

    def watch_departure(
        self, reader: ClusterReader, subject: Subject, *, tell: Callable[[datetime], None]
    ) -> AbstractAsyncContextManager[Departure]:
        """Watch the model go for as long as one is inside; `tell` hears at once when its last pod is gone.

        Raises no `ClusterError`: what cannot be watched has no times.
        """
        ...

    async def settle(
        self,
        reader: ClusterReader,
        subject: Subject,
        *,
        deadline: float,
        soak: float,
        tell: Callable[[Judgement], None],
    ) -> Settled:
        """Watch until the subject is what is wanted and stays so for `soak` seconds, has failed, or `deadline` passes.

        `deadline` is on `Clock.elapsed()`; `tell` hears every judgement that differs from the one before.
        """
        ...


class GuardProver(Protocol):
    """Draws guards, and tries them with server-side dry runs; changes nothing."""

    def widen(self, guard: Guard, subject: Subject, workloads: Iterable[Workload]) -> Guard | Reason:
        """The same guard over these workloads as well, or why that is impossible."""
        ...

    async def survey(self, writer: ClusterWriter) -> NeutralSurvey:
        """Whether what is none of a guard's business is admitted now: asked before a guard is bound."""
        ...

    async def prove(
        self, writer: ClusterWriter, guard: Guard, subject: Subject, before: NeutralSurvey, *, deadline: float
    ) -> GuardProof:
        """Try the guard both ways until it is seen to work, or `deadline` (on `Clock.elapsed()`) passes.

        Never raises a `ClusterError`: what could not be tried is a reason.
        """
        ...
