"""What a takedown leaves in a cluster, made by hand: records, hold, guard, cut routes, workloads at zero.

So that the way back is proven against the shape that is written down in `core`, and not against our own takedown.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from orchestrator import plugins
from orchestrator.core.holds import Hold, RestoreRecord
from orchestrator.core.model import Match
from orchestrator.core.objects import JsonObject, ref_of
from orchestrator.core.order import Order
from orchestrator.core.routes import CutTerms, Notice
from orchestrator.core.schema import as_document
from orchestrator.guarding import GuardRequest, build_guard
from tests.cluster.conftest import ControlPlanes
from tests.cluster.orders import wait_until

WORKLOADS = ("deployment/fable", "statefulset/shard")
ROUTES = ("httproute/fable", "service/fable")


@dataclass(frozen=True)
class Darkness:
    """One model of one test, and how it is made dark by hand."""

    planes: ControlPlanes
    namespace: str
    model: str

    def take_dark(self, cluster: str, *orders: Order, forget: tuple[str, ...] = (), **said: Any) -> None:
        """Dark under these orders; the first one's takedown made the records, less those to `forget`."""
        first = orders[0]
        for name in (*WORKLOADS, *ROUTES):
            live = self.planes.read(cluster, name, "-n", self.namespace)
            if name in ROUTES:
                self._cut(cluster, live, first)
            elif name not in forget:
                replicas = live["spec"]["replicas"]
                self.keep(cluster, RestoreRecord(model=self.model, ref=ref_of(live), uid=live["metadata"]["uid"],
                                                 before={"/spec/replicas": replicas}))  # fmt: skip
        for order in orders:
            self.hold(cluster, order, **said)
        for name in WORKLOADS:
            self.planes.kubectl(cluster, "scale", name, "--replicas=0", "-n", self.namespace)
        wait_until(lambda: not self.planes.read(cluster, "pods", "-n", self.namespace)["items"])
        self.await_guard(cluster)

    def hold(self, cluster: str, order: Order, **said: Any) -> None:
        """A hold of an order and its guard."""
        hold = Hold(
            name=order.name,
            model=self.model,
            digest=order.digest,
            about=as_document(order.about),
            ledger=dict.fromkeys(self.planes.clusters, "verified"),
            **said,
        )
        request = GuardRequest(
            order=order.name,
            digest=order.digest,
            model=self.model,
            match=Match(labels={"orchestrator.dev/model": self.model}),
            workloads=tuple(
                (ref_of(live), live["spec"]["selector"])
                for live in (self.planes.read(cluster, name, "-n", self.namespace) for name in WORKLOADS)
            ),
        )
        guard = build_guard(request)
        for obj in (hold.to_config_map(), guard.policy, guard.binding):
            self.create(cluster, obj)

    def await_guard(self, cluster: str) -> None:
        """Until the API server refuses to scale the model up: it takes its time to load a guard that was just bound."""
        wait_until(lambda: "orchestrator guard" in self.try_to_wake(cluster))

    def try_to_wake(self, cluster: str) -> str:
        """What the API server says to somebody who scales the model up; nothing is changed."""
        return self.planes.kubectl(
            cluster, "scale", "deployment/fable", "--replicas=1", "-n", self.namespace, "--dry-run=server", check=False
        )

    def keep(self, cluster: str, record: RestoreRecord) -> None:
        self.create(cluster, record.to_secret())

    def create(self, cluster: str, obj: JsonObject) -> None:
        self.planes.kubectl(cluster, "create", "-f", "-", stdin=json.dumps(obj))

    def _cut(self, cluster: str, live: JsonObject, order: Order) -> None:
        kind = plugins.kinds()[ref_of(live).group_kind]
        assert kind.route is not None
        notice = Notice(order=order.name, digest=order.digest, model=self.model)
        cuts = [kind.route.cut(live, rule, CutTerms(notice=notice)) for rule in kind.route.rules(live)]
        fields = [field for one in cuts for field in one.fields]
        before = {field.pointer: field.before for field in fields}
        uid = live["metadata"]["uid"]
        self.keep(cluster, RestoreRecord(model=self.model, ref=ref_of(live), uid=uid, before=before))
        for obj in (obj for one in cuts for obj in one.creates):
            self.create(cluster, obj)
            self.keep(cluster, RestoreRecord(model=self.model, ref=ref_of(obj), uid="", before={}, created=True))
        patch: list[dict[str, Any]] = [
            {"op": "remove", "path": one.pointer}
            if one.after is None
            else {"op": "add" if one.before is None else "replace", "path": one.pointer, "value": one.after}
            for one in fields
        ]
        kind_and_name = f"{live['kind'].lower()}/{live['metadata']['name']}"
        self.planes.kubectl(
            cluster, "patch", kind_and_name, "-n", self.namespace, "--type=json", "-p", json.dumps(patch)
        )

    def objects(self, cluster: str) -> dict[str, JsonObject]:
        """Every object of the namespace that people write, less what servers and controllers keep themselves."""
        kinds = "deployments,statefulsets,horizontalpodautoscalers,services,httproutes,cronjobs"
        found = self.planes.read(cluster, kinds, "-n", self.namespace)["items"]
        return {f"{one['kind']}/{one['metadata']['name']}": _as_written(one) for one in found}

    def ours(self, cluster: str) -> set[str]:
        """Everything of ours about this model in a cluster: records, locks, guards."""
        labels = f"orchestrator.dev/model={self.model}"
        kept = self.planes.read(cluster, "configmaps,secrets,leases", "-n", "orchestrator-system", "-l", labels)
        kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings"
        guards = self.planes.read(cluster, kinds, "-l", labels)
        return {f"{one['kind']}/{one['metadata']['name']}" for one in (*kept["items"], *guards["items"])}

    def clean_up(self, orders: list[Order]) -> None:
        """No guard outlives its test, nor any record."""
        labels = f"orchestrator.dev/model={self.model}"
        kinds = "validatingadmissionpolicybindings,validatingadmissionpolicies"
        self.planes.everywhere("delete", kinds, "-l", labels, "--wait=false", check=False)
        place = ("-n", "orchestrator-system", "--wait=false")
        self.planes.everywhere("delete", "configmaps,secrets,leases", "-l", labels, *place, check=False)
        for order in orders:
            mine = f"orchestrator.dev/order={order.digest[:16]}"
            self.planes.everywhere("delete", "configmaps", "-l", mine, *place, check=False)


def _as_written(obj: JsonObject) -> JsonObject:
    server = ("resourceVersion", "generation", "managedFields")
    metadata = {key: value for key, value in obj["metadata"].items() if key not in server}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}
