"""Stand-ins for pure scheduling: a cluster in memory, a verifier that says what it is told, a clock that jumps.

What writes really do is tested on real control planes, in tests/cluster/execution.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.core.events import Event
from orchestrator.core.fleet import Cluster
from orchestrator.core.kind import Wanted
from orchestrator.core.model import Model
from orchestrator.core.objects import LABEL_RECORD, JsonObject, ObjectRef, Resource, dig, ref_of
from orchestrator.core.observation import Expectation, Settled, Subject, Traces
from orchestrator.core.plan import Change, ClusterPlan, ItemPlan, Plan, Verb, WavePlan
from orchestrator.core.playbook import OnFailure, Strategy
from orchestrator.core.ports import Access, ClusterReader, Identity, Keep, Listing
from orchestrator.core.ports import Change as Watched
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.verdict import Judgement, Readiness, Reason, ReplicaCount, State, Want
from orchestrator.errors import ClusterError, Conflict, NotFound
from orchestrator.verification.keeping import shared_with

AT = datetime(2026, 11, 23, 20, 45, tzinfo=UTC)
MODEL = "fable-5"
WORKLOAD = ObjectRef("apps/v1", "Deployment", "serving", "fable")


class JumpingClock:
    """Time that stands still until a test moves it; waiting takes no time and says for how long."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.skew = timedelta()

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.seconds) + self.skew

    def elapsed(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 3600))

    def jump(self, seconds: float) -> None:
        self.seconds += seconds


def _is_labelled(live: JsonObject, key: str, value: str | None) -> bool:
    """Whether it has this label, with this value unless any will do."""
    labels = dig(live, "metadata", "labels", default={})
    return key in labels and value in (None, labels[key])


class MemoryCluster:
    """A cluster in memory: names, uids, versions and conflicts, and no rule of Kubernetes beyond."""

    def __init__(self, name: str) -> None:
        self.cluster = Cluster(name=name, region=f"region-of-{name}", country="IE")
        self.objects: dict[ObjectRef, JsonObject] = {}
        self.server_time: datetime | None = None
        self.requests: list[str] = []
        self.failing: Callable[[str, ObjectRef], ClusterError | None] = lambda verb, ref: None
        self._versions = itertools.count(1)

    async def identify(self) -> Identity:
        return Identity(uid=f"uid-{self.cluster.name}", sandbox=True)

    async def version(self) -> str:
        return "v1.37.2"

    async def actor(self) -> str:
        return "tester"

    async def resource(self, api_version: str, kind: str) -> Resource:
        raise NotFound("no discovery in memory")

    async def get(self, ref: ObjectRef) -> JsonObject | None:
        await self._answer("get", ref)
        return copy.deepcopy(self.objects.get(ref))

    async def list(
        self, resource: Resource, namespace: str = "", *, labels: str = "", keep: Keep | None = None
    ) -> Listing:
        await self._answer("list", ObjectRef(resource.api_version, resource.kind, namespace, ""))
        wanted = [part.partition("=") for part in labels.split(",") if part]
        found = [
            copy.deepcopy(live)
            for ref, live in self.objects.items()
            if ref.kind == resource.kind
            and ref.namespace == namespace
            and all(_is_labelled(live, key, value if sign else None) for key, sign, value in wanted)
        ]
        return Listing(tuple(found), "1")

    async def follow(
        self, resource: Resource, namespace: str = "", *, labels: str = "", keep: Keep | None = None
    ) -> AsyncIterator[Watched]:  # pragma: no cover - scheduling follows nothing
        raise NotFound("nothing to follow in memory")
        yield

    async def allows(self, access: Access) -> bool:
        return True

    async def apply(self, manifest: JsonObject, *, force: bool = False, dry_run: bool = False) -> JsonObject:
        ref = ref_of(manifest)
        await self._answer("apply", ref)
        before = self.objects.get(ref, {})
        spec = {**before.get("spec", {}), **manifest.get("spec", {})}
        return self._store(ref, {**copy.deepcopy(manifest), **({"spec": spec} if spec else {})})

    async def create(self, obj: JsonObject, *, dry_run: bool = False) -> JsonObject:
        ref = ref_of(obj)
        await self._answer("create", ref)
        if ref in self.objects:
            raise Conflict("already there")
        return self._store(ref, copy.deepcopy(obj))

    async def replace(self, obj: JsonObject) -> JsonObject:
        ref = ref_of(obj)
        await self._answer("replace", ref)
        if ref not in self.objects:
            raise NotFound("gone")
        if self.objects[ref]["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
            raise Conflict("somebody wrote in between")
        return self._store(ref, copy.deepcopy(obj))

    async def patch(
        self, ref: ObjectRef, patch: JsonObject | list[JsonObject], *, type_: str = "merge", dry_run: bool = False
    ) -> JsonObject:
        raise NotFound("nothing is patched in memory")

    async def scale(
        self, ref: ObjectRef, replicas: int, *, resource_version: str | None = None, dry_run: bool = False
    ) -> JsonObject:
        await self._answer("scale", ref)
        live = copy.deepcopy(self.objects[ref])
        live["spec"] = {**live.get("spec", {}), "replicas": replicas}
        self._store(ref, live)
        return {"kind": "Scale", "metadata": {"name": ref.name}}

    async def delete(
        self, ref: ObjectRef, *, uid: str, resource_version: str | None = None, grace_seconds: int | None = None
    ) -> None:
        await self._answer("delete", ref)
        if dig(self.objects.get(ref), "metadata", "uid") != uid:
            return
        if resource_version not in (None, self.objects[ref]["metadata"]["resourceVersion"]):
            raise Conflict("somebody wrote in between")
        del self.objects[ref]

    def writes(self) -> list[str]:
        """Requests that changed something."""
        return [request for request in self.requests if request.split()[0] not in ("get", "list")]

    async def _answer(self, verb: str, ref: ObjectRef) -> None:
        self.requests.append(f"{verb} {ref}")
        await asyncio.sleep(0)
        error = self.failing(verb, ref)
        if error is not None:
            raise error

    def _store(self, ref: ObjectRef, obj: JsonObject) -> JsonObject:
        before = self.objects.get(ref)
        metadata = {**obj.get("metadata", {}), "resourceVersion": str(next(self._versions))}
        metadata["uid"] = dig(before, "metadata", "uid", default=f"uid-{next(self._versions)}")
        same = before is not None and before.get("spec") == obj.get("spec")
        metadata["generation"] = dig(before, "metadata", "generation", default=0) + (0 if same else 1)
        metadata["managedFields"] = dig(before, "metadata", "managedFields", default=[{"manager": "orchestrator"}])
        self.objects[ref] = {**obj, "metadata": metadata}
        return copy.deepcopy(self.objects[ref])


def judgement(readiness: Readiness, want: Want = Want.ENABLED) -> Judgement:
    """What a verifier says; its state follows from the readiness alone."""
    state = {Want.ENABLED: State.ENABLED, Want.DISABLED: State.DISABLED}[want]
    reasons = () if readiness is Readiness.DONE else (Reason(code=readiness.value, message=f"it is {readiness}"),)
    seen = {Readiness.DONE: state, Readiness.UNKNOWN: State.UNKNOWN}.get(readiness, State.MIXED)
    return Judgement(readiness, seen, reasons, ReplicaCount(desired=3, ready=3, pods=3), "r1")


class UnseenDeparture:
    """A watch that sees nothing."""

    stopped_at: datetime | None = None
    last_pod_gone_at: datetime | None = None
    nodes: frozenset[str] = frozenset()

    def extend(self, subject: Subject) -> None:
        """There is nothing to watch."""


@dataclass
class ToldVerifier:
    """A verifier that says what it is told for each cluster, and remembers what it was asked."""

    says: dict[str, Readiness] = field(default_factory=dict)
    sees: dict[str, State] = field(default_factory=dict)
    """By cluster: what is seen, where it is not what follows from the readiness."""
    raises: dict[str, Exception] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    looked: list[str] = field(default_factory=list)
    traces: dict[str, Traces] = field(default_factory=dict)
    settled: list[Subject] = field(default_factory=list)
    soaks: list[float] = field(default_factory=list)

    async def look(self, reader: ClusterReader, subject: Subject) -> Judgement:
        self.looked.append(subject.cluster)
        return self._say(subject)

    async def search(self, reader: ClusterReader, subject: Subject) -> Traces:
        if subject.cluster in self.raises:
            raise self.raises[subject.cluster]
        return self.traces.get(subject.cluster, Traces())

    def shared_with(self, subject: Subject, workload: JsonObject) -> str | None:
        return shared_with(subject, workload)

    @asynccontextmanager
    async def watch_departure(
        self, reader: ClusterReader, subject: Subject, *, tell: Callable[[datetime], None]
    ) -> AsyncIterator[UnseenDeparture]:
        yield UnseenDeparture()

    async def settle(
        self,
        reader: ClusterReader,
        subject: Subject,
        *,
        deadline: float,
        soak: float,
        tell: Callable[[Judgement], None],
    ) -> Settled:
        self.settled.append(subject)
        self.soaks.append(soak)
        await asyncio.sleep(0.01)
        if subject.cluster in self.hangs:
            await asyncio.Event().wait()
        said = self._say(subject)
        tell(said)
        verified = AT if said.readiness is Readiness.DONE else None
        return Settled(judgement=said, late=said.readiness is Readiness.PROGRESSING, verified_at=verified)

    def _say(self, subject: Subject) -> Judgement:
        if subject.cluster in self.raises:
            raise self.raises[subject.cluster]
        said = judgement(self.says.get(subject.cluster, Readiness.DONE), subject.want)
        return replace(said, state=self.sees.get(subject.cluster, said.state))


class MemoryJournal:
    """Keeps records in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.durable = 0
        """How many events had been recorded when somebody last waited for the disk."""

    def record(self, event: Event) -> None:
        self.events.append(event)

    async def make_durable(self) -> None:
        self.durable = len(self.events)


class SilentProber:
    """Is never asked."""

    async def ask(self, request: Any) -> Any:
        raise AssertionError("no check was planned")


def manifest_of(revision: str) -> JsonObject:
    """A Deployment's manifest, as planned: our annotation, no replicas."""
    return {
        "apiVersion": WORKLOAD.api_version,
        "kind": WORKLOAD.kind,
        "metadata": {
            "name": WORKLOAD.name,
            "namespace": WORKLOAD.namespace,
            "annotations": {"orchestrator.dev/revision": revision},
        },
        "spec": {"template": {"revision": revision}},
    }


def item_of(cluster: Cluster, step: str = "s", want: Want = Want.ENABLED, **changed: Any) -> ItemPlan:
    """An item that changes something: enabled at revision r1, or scaled to zero."""
    enabled = want is Want.ENABLED
    manifest = manifest_of("r1")
    replicas = 3 if enabled else 0
    subject = Subject(
        model=Model(name=changed.pop("model", MODEL)),
        cluster=cluster.name,
        region=cluster.region,
        want=want,
        expectations=(Expectation(WORKLOAD, manifest, Wanted(replicas=replicas)),),
        namespaces=("serving",),
        revision="r1" if enabled else None,
    )
    create = (Change(verb=Verb.CREATE, ref=WORKLOAD, manifest=manifest),) if enabled else ()
    values: dict[str, Any] = {
        "step": step,
        "subject": subject,
        "changes": (*create, Change(verb=Verb.SCALE, ref=WORKLOAD, replicas=replicas)),
        "entry": CatalogueEntry(model=subject.model.name, want=want, revision=subject.revision, playbook="p"),
        "entry_changes": True,
        "absent_before": (WORKLOAD,) if enabled else (),
        **changed,
    }
    return ItemPlan(**values)


def idle(**changed: Any) -> dict[str, Any]:
    """What an item has that needs nothing."""
    return {"changes": (), "entry_changes": False, "absent_before": (), **changed}


def wave_of(step: str, *parts: ClusterPlan, want: Want = Want.ENABLED, **changed: Any) -> WavePlan:
    """A step over these clusters; strategy fields may be given by name."""
    known = {name: changed.pop(name) for name in list(changed) if name.startswith("max_")}
    return WavePlan(step=step, want=want, words=(), clusters=parts, strategy=Strategy(**known), **changed)


def plan_of(*waves: WavePlan, on_failure: OnFailure = OnFailure.STOP, models: tuple[str, ...] = (MODEL,)) -> Plan:
    """A plan of these waves."""
    return Plan(action="apply", name="p", fleet="f", models=models, waves=waves, on_failure=on_failure)


def locks_in(cluster: MemoryCluster) -> list[JsonObject]:
    """Locks that are there now."""
    return [live for live in cluster.objects.values() if dig(live, "metadata", "labels", LABEL_RECORD) == "lock"]
