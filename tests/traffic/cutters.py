"""Cuts routes as planned, with kubectl as hands: what a takedown does to routes, and nothing else that it does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.fleet import NoticeService
from orchestrator.core.holds import RestoreRecord
from orchestrator.core.model import Model
from orchestrator.core.objects import JsonObject, ObjectRef, Resource, dig, ref_of
from orchestrator.core.order import About, Order
from orchestrator.core.takedown import RouteCut
from orchestrator.planning.cutting import CutRequest, Surroundings, notice_of, plan_cuts, reads_for_cuts, uncut
from tests.traffic.gateways import Kubectl

MODEL = "fable-5"
ORDER = Order(
    name="directive-7",
    authority="The Authority",
    reference="REF-1",
    models=(MODEL,),
    about=About(everyone=True),
    notice="Switched off by order.",
    notice_url="https://notices.example/directive-7",
    substitute="fable-4",
)


@dataclass
class PlannedCut:
    """The cuts of everything that leads to the pods `app: fable-5` of one namespace."""

    kubectl: Kubectl
    namespace: str
    service: NoticeService | None = None
    cuts: tuple[RouteCut, ...] = field(default=(), init=False)

    def cut(self) -> None:
        """Plan by what is there now, then make what the cuts refer to, then cut."""
        request = CutRequest(
            model=Model(name=MODEL),
            notice=notice_of(ORDER, MODEL),
            belongs=lambda pod: dig(pod, "metadata", "labels", "app") == MODEL,
            service=self.service,
        )
        found = plan_cuts(request, Surroundings(objects=tuple(self._surroundings())))
        assert (found.not_cut, found.notes) == ((), ()), (found.not_cut, found.notes)
        self.cuts = found.cuts
        for cut in self.cuts:
            for made in cut.creates:
                self.kubectl("create", "-f", "-", stdin=json.dumps(made))
            self._patch(cut.ref, cut.patch())

    def restore(self) -> None:
        """Take every cut back from its record, then what was made for it."""
        for cut in self.cuts:
            before = {one.pointer: one.before for one in cut.fields}
            record = RestoreRecord(model=MODEL, ref=cut.ref, uid=cut.uid, before=before)
            back = uncut(record, self.read(cut.ref))
            assert back.changed == ()
            self._patch(cut.ref, list(back.patch))
            for made in cut.creates:
                ref = ref_of(made)
                self.kubectl("delete", _kind(ref), ref.name, "-n", ref.namespace)

    def read(self, ref: ObjectRef) -> JsonObject:
        """A route as it is now."""
        found: JsonObject = json.loads(self.kubectl("get", _kind(ref), ref.name, "-n", ref.namespace, "-o", "json"))
        return found

    def _patch(self, ref: ObjectRef, patch: list[JsonObject]) -> None:
        self.kubectl("patch", _kind(ref), ref.name, "-n", ref.namespace, "--type=json", "-p", json.dumps(patch))

    def _surroundings(self) -> list[JsonObject]:
        served = set(self.kubectl("api-resources", "-o", "name").split())
        objects: dict[ObjectRef, JsonObject] = {}
        for read in reads_for_cuts(Model(name=MODEL), (self.namespace,), self.service):
            name = _name(read.resource)
            if name in served:
                place = ["-n", read.namespace] if read.namespace else ["-A"]
                listed: dict[str, Any] = json.loads(self.kubectl("get", name, *place, "-o", "json"))
                objects |= {ref_of(obj): obj for obj in listed["items"]}
        return list(objects.values())


def _kind(ref: ObjectRef) -> str:
    """Kind, version and group, so that kubectl takes no other kind of the same name."""
    group, _, version = ref.api_version.rpartition("/")
    return f"{ref.kind}.{version}.{group}" if group else ref.kind


def _name(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural
