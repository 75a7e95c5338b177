"""Where planning is tried for real: documents in, snapshot, dry runs, plan; and its writes, sent one by one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.model import Adoption, Model, Override
from orchestrator.core.objects import LABEL_MODEL, SYSTEM_NAMESPACE, JsonObject
from orchestrator.core.plan import Change, ItemPlan, Plan, Verb
from orchestrator.core.playbook import Strategy
from orchestrator.core.ports import ClusterWriter
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Want
from orchestrator.core.wish import PlanOptions, PlanRequest, Wish, WishedWave
from orchestrator.delivery.snapshot import preview, take_snapshot
from orchestrator.planning import plan, previews_needed, reads
from tests.cluster.conftest import ControlPlanes


@dataclass(frozen=True)
class Place:
    """One control plane and a namespace; the model is named after it, because catalogues are the cluster's."""

    planes: ControlPlanes
    fleet: Fleet
    writer: ClusterWriter
    namespace: str

    @property
    def cluster(self) -> Cluster:
        return self.fleet.clusters[0]

    def wish(
        self,
        *manifests: JsonObject,
        want: Want = Want.ENABLED,
        overrides: tuple[Override, ...] = (),
        adopt: dict[str, str] | None = None,
        **spec: Any,
    ) -> Wish:
        adoption = Adoption(selector=adopt, namespaces=(self.namespace,)) if adopt else None
        return Wish(
            model=Model(name=self.namespace, manifests=(".",), adopt=adoption, **spec),
            cluster=self.cluster,
            step="all",
            want=want,
            playbook="rollout",
            manifests=manifests,
            overrides=overrides,
        )

    def deployment(self, image: str = "registry.example/server:1", **spec: Any) -> JsonObject:
        labels = {"app": "server"}
        containers = [{"name": "server", "image": image, "ports": [{"containerPort": 80}]}]
        template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
        body = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template, **spec}
        return self.named({"apiVersion": "apps/v1", "kind": "Deployment", "spec": body}, "server")

    def named(self, manifest: JsonObject, name: str) -> JsonObject:
        return {**manifest, "metadata": {"name": name, "namespace": self.namespace}}

    async def look(self, one: Wish, writer: ClusterWriter | None = None) -> tuple[PlanRequest, ClusterSnapshot]:
        """The request of one wish, and the snapshot with every dry run that planning asks for."""
        wave = WishedWave(step="all", want=one.want, words=(), strategy=Strategy(), wishes=(one,))
        request = PlanRequest(action="apply", name="rollout", fleet=self.fleet, waves=(wave,))
        return request, await self._snapshot(request, writer or self.writer)

    async def _snapshot(self, request: PlanRequest, writer: ClusterWriter) -> ClusterSnapshot:
        found = await take_snapshot(writer, reads(request)[self.cluster.name])
        needed = previews_needed(request, {self.cluster.name: found}).get(self.cluster.name, ())
        return found.with_previews(await preview(writer, needed))

    async def plan(self, one: Wish, **options: Any) -> Plan:
        wave = WishedWave(step="all", want=one.want, words=(), strategy=Strategy(), wishes=(one,))
        request = PlanRequest(
            action="apply", name="rollout", fleet=self.fleet, waves=(wave,), options=PlanOptions(**options)
        )
        return plan(request, {self.cluster.name: await self._snapshot(request, self.writer)})

    async def item(self, one: Wish, **options: Any) -> ItemPlan:
        made = await self.plan(one, **options)
        (item,) = (item for part in made.waves[0].clusters for item in part.items)
        return item

    async def carry_out(self, one: Wish, **options: Any) -> ItemPlan:
        """Plan and send, without waiting for pods: here the API server is what is tried."""
        item = await self.item(one, **options)
        assert not item.refusals, item.refusals
        await self._keep(item.entry)
        for change in item.changes:
            await self._send(change)
        return item

    async def _keep(self, entry: CatalogueEntry) -> None:
        self.kubectl("create", "namespace", SYSTEM_NAMESPACE, check=False)
        await self.writer.apply(entry.to_config_map())

    async def _send(self, change: Change) -> None:
        match change.verb:
            case Verb.SCALE:
                await self.writer.scale(change.ref, change.replicas or 0)
            case Verb.LABEL:
                label = {"labels": {LABEL_MODEL: self.namespace}, "uid": change.uid}
                await self.writer.patch(change.ref, {"metadata": label})
            case Verb.DELETE:
                await self.writer.delete(change.ref, uid=str(change.uid))
            case _:
                assert change.manifest is not None
                await self.writer.apply(change.manifest, force=bool(change.forces))

    def kubectl(self, *arguments: str, stdin: Any = None, check: bool = True) -> str:
        text = None if stdin is None else json.dumps(stdin)
        command = ("--namespace", self.namespace, *arguments)
        return self.planes.kubectl(self.cluster.name, *command, stdin=text, check=check)

    def get(self, kind: str, name: str) -> Any:
        return json.loads(self.kubectl("get", kind, name, "-o", "json"))

    def versions(self, kinds: Iterable[str]) -> dict[str, str]:
        """resourceVersion of everything in the namespace, to see that nothing was written."""
        found = json.loads(self.kubectl("get", ",".join(kinds), "-o", "json"))["items"]
        return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"] for one in found}
