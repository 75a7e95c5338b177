"""Which routes lead clients to a model, how each is cut, and how it gets back what it was.

Pure. Only a rule whose every backend serves this model alone is cut; whatever else leads to the model is named as not
cut, and so is what could not be read or understood. It decides nothing about what clients of others get.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from orchestrator import plugins
from orchestrator.core.fleet import NoticeService
from orchestrator.core.holds import RestoreRecord
from orchestrator.core.model import Model, Route
from orchestrator.core.objects import GroupKind, JsonObject, ObjectRef, Resource, dig, ref_of
from orchestrator.core.order import Order
from orchestrator.core.routes import (
    SERVICE,
    CutTerms,
    Edge,
    Notice,
    RouteRule,
    RouteRules,
    RuleCut,
    Uncut,
    as_before,
    is_cut,
    is_cut_in,
)
from orchestrator.core.routes import uncut as uncut_fields
from orchestrator.core.takedown import Answer, RouteCut
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.planning.backends import POOLS, Backends, Behind, Belongs, Leads

_GATEWAYS = (
    Resource("gateway.networking.k8s.io", "v1", "gateways", "Gateway"),
    Resource("gateway.networking.k8s.io", "v1", "gatewayclasses", "GatewayClass", namespaced=False),
)
_POD = Resource("", "v1", "pods", "Pod")
_EXPOSED = ("LoadBalancer", "NodePort")
_WORST_FIRST: tuple[Answer, ...] = ("5xx", "redirect", "404", "451")


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRead:
    """One list that cutting needs."""

    resource: Resource
    namespace: str
    """Empty for all namespaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the lists of `reads_for_cuts` gave. A kind that is not served has no objects, and that is no gap."""

    objects: tuple[JsonObject, ...] = ()
    """Each with apiVersion and kind."""
    unread: Mapping[CutRead, Reason] = field(default_factory=dict)
    """Lists that could not be read, and why; behind each may be a way to the model that nobody can rule out."""
    records: Mapping[ObjectRef, RestoreRecord] = field(default_factory=dict)
    """What the cluster keeps of routes that are cut already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRequest:
    """One model in one cluster, whose routes are to be cut."""

    model: Model
    notice: Notice
    belongs: Belongs
    """Whether a pod, or a pod template with its namespace, is this model's and no other's as well."""
    service: NoticeService | None = None
    """The fleet's notice Service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """What came of the routes of one model in one cluster."""

    cuts: tuple[RouteCut, ...] = ()
    not_cut: tuple[Reason, ...] = ()
    """Ways to the model that stay open, or that nobody can rule out; what a cut leaves of its route is here, too."""
    notes: tuple[Reason, ...] = ()
    """What is worth knowing and is no way to the model: a declared route that is not there, a silent notice Service."""


def notice_of(order: Order, model: str) -> Notice:
    """What clients of a model are told: the order's public words, and nothing else of it."""
    return Notice(
        order=order.name,
        digest=order.digest,
        model=model,
        words=order.notice,
        link=order.notice_url,
        substitute=order.substitute,
        contact=order.contact,
    )


def reads_for_cuts(model: Model, namespaces: tuple[str, ...], service: NoticeService | None) -> tuple[CutRead, ...]:
    """Every list that is needed to know what leads to a model whose workloads are in these namespaces.

    HTTPRoutes and GRPCRoutes may lead there from any namespace; all other kinds reach their own alone.
    """
    kinds = plugins.kinds().values()
    places = sorted({*namespaces, *(route.namespace for route in model.routes)})
    local = [_POD, *(kind.resource for kind in kinds if kind.workload is not None and kind.resource != _POD)]
    local += [kind.resource for kind in kinds if kind.route is not None and not kind.route.leads_abroad]
    wanted = [CutRead(resource=resource, namespace=place) for place in places for resource in local]
    wanted += [
        CutRead(resource=kind.resource, namespace="") for kind in kinds if kind.route and kind.route.leads_abroad
    ]
    wanted += [CutRead(resource=resource, namespace="") for resource in _GATEWAYS]
    wanted += [CutRead(resource=resource, namespace=place) for place in places for resource in POOLS]
    if service is not None:
        wanted.append(CutRead(resource=plugins.kinds()[SERVICE].resource, namespace=service.namespace))
    return tuple(dict.fromkeys(wanted))


def plan_cuts(request: CutRequest, live: Surroundings) -> Cuts:
    """The cut of every route that leads to the model, declared or found, and what stays open.

    A route that this very order has cut comes with the same cut again, by its record: a second run guards no less. One
    that is cut otherwise comes with no fields: what it was is on record.
    """
    return _Planner(request, live).plan()


def routes_cut(model: str, live: Surroundings) -> tuple[ObjectRef, ...]:
    """The routes of which some rule is cut for this model already."""
    return tuple(ref_of(obj) for obj in live.objects if (its := _rules_of(obj)) is not None and is_cut(its, obj, model))


def uncut(record: RestoreRecord, live: JsonObject | None) -> Uncut:
    """How the route of a record gets back what it was; of one that is gone it is said that it is."""
    kind = plugins.kinds().get(record.ref.group_kind)
    if kind is None or kind.route is None:
        words = f"{record.ref.group_kind} is no kind of route that is known"
        return Uncut(changed=(Reason(code="route-unknown", message=printable(words), object=printable(record.ref)),))
    if live is None:
        words = "it is gone: somebody deleted it since the takedown, so it cannot be restored"
        return Uncut(changed=(Reason(code="route-gone", message=words, object=printable(record.ref)),))
    return uncut_fields(kind.route, record, live)


class _Planner:
    def __init__(self, request: CutRequest, live: Surroundings) -> None:
        self._request = request
        self._live = live
        blind = [read.namespace for read in live.unread if read.resource == _POD]
        self._backends = Backends(live.objects, request.model.name, request.belongs, blind)
        self._service = self._notice_service()

    def plan(self) -> Cuts:
        declared = {self._find(route) for route in self._request.model.routes}
        not_cut = [*self._live.unread.values(), *self._unknown()]
        notes = [*self._notes()]
        cuts: list[RouteCut] = []
        for obj in self._live.objects:
            rules, ref = _rules_of(obj), ref_of(obj)
            if rules is None or not (_place(ref) in declared or _is_open(obj)):
                continue
            cut, stays = self._cut(obj, rules)
            cuts += [cut] if cut is not None else []
            not_cut += stays
            if _place(ref) in declared and cut is None and not stays:
                (notes if self._is_idle(obj, rules) else not_cut).append(self._foreign(obj, rules))
        return Cuts(cuts=tuple(cuts), not_cut=tuple(dict.fromkeys(not_cut)), notes=tuple(notes))

    def _find(self, route: Route) -> tuple[GroupKind, str, str] | None:
        kind = _kind_of(route)
        return (kind, route.namespace, route.name) if kind is not None else None

    def _unknown(self) -> Iterable[Reason]:
        for route in self._request.model.routes:
            if _kind_of(route) is None:
                words = f"not cut: {route.kind} is no kind of route that is known"
                place = f"{route.kind} {route.namespace}/{route.name}"
                yield Reason(code="not-cut-unknown", message=printable(words), object=printable(place))

    def _notes(self) -> Iterable[Reason]:
        for route in self._request.model.routes:
            place = self._find(route)
            if place is not None and self._backends.find(*place) is None:
                name = printable(f"{place[0]} {route.namespace}/{route.name}")
                yield Reason(
                    code="route-missing", message="the model names this route, and it is not there", object=name
                )
        wanted = self._request.service
        if wanted is not None and self._service is None:
            words = f"the notice Service {wanted.namespace}/{wanted.name} has no port {wanted.port}, or is not there"
            yield Reason(code="notice-service-missing", message=printable(words))

    def _notice_service(self) -> JsonObject | None:
        wanted = self._request.service
        found = self._backends.find(SERVICE, wanted.namespace, wanted.name) if wanted else None
        ports = dig(found, "spec", "ports", default=[])
        return found if wanted and any(dig(port, "port") == wanted.port for port in ports) else None

    def _is_idle(self, obj: JsonObject, rules: RouteRules) -> bool:
        return all(one.leads is Leads.NOBODY for rule in rules.rules(obj) for one in self._behind(rule))

    def _foreign(self, obj: JsonObject, rules: RouteRules) -> Reason:
        """A declared route of which nothing serves the model itself: a router, or not understood, or idle."""
        found = [one for rule in rules.rules(obj) for one in self._behind(rule)]
        words = ", ".join(dict.fromkeys(one.words for one in found)) or "nothing"
        if self._is_idle(obj, rules):
            return _said(obj, None, "route-idle", f"the model names this route, and it leads to {words}")
        if any(one.leads is Leads.UNKNOWN for one in found):
            return _said(obj, None, "not-cut-unknown", f"not cut: nobody can tell whom it serves: {words}")
        return _said(obj, None, "not-cut-shared", f"not cut: shared with {words}: none of it is this model's alone")

    def _cut(self, obj: JsonObject, rules: RouteRules) -> tuple[RouteCut | None, list[Reason]]:
        """The cut of one route, if anything of it is to be cut or is already, and what of it stays open."""
        record = self._live.records.get(ref_of(obj))
        was = as_before(obj, record.before) if record is not None else None
        if was is not None:
            cut, stays = self._cut_of(was, rules)
            if cut is not None and cut.fields and all(is_cut_in(one, obj) for one in cut.fields):
                return replace(cut, is_made=True), stays
        return self._cut_of(obj, rules)

    def _cut_of(self, obj: JsonObject, rules: RouteRules) -> tuple[RouteCut | None, list[Reason]]:
        edge = rules.edge(obj, self._backends.find) if rules.edge else Edge()
        done: list[RuleCut] = []
        stays: list[Reason] = []
        for rule in rules.rules(obj):
            found = self._behind(rule)
            answer = rules.answer_if_cut(obj, rule, self._request.model.name)
            # A marked rule that leads to the model was written back; a Service is its own backend, and never so.
            if answer is not None and (ref_of(obj).group_kind == SERVICE or not _leads_to_model(found)):
                done.append(RuleCut(answer=answer, fields=()))
            elif found and all(one.leads is Leads.MODEL for one in found):
                done.append(rules.cut(obj, rule, self._terms(edge)))
            elif _leads_to_model(found):
                stays.append(_shared(obj, rule, found))
        if not done:
            return None, stays
        cut = RouteCut(
            ref=ref_of(obj),
            uid=str(dig(obj, "metadata", "uid", default="")),
            answer=_worst(one.answer for one in done),
            fields=tuple(field for one in done for field in one.fields),
            creates=tuple({ref_of(made): made for one in done for made in one.creates}.values()),
            left=tuple(stays),
        )
        return cut, [*stays, *edge.doubts]

    def _behind(self, rule: RouteRule) -> list[Behind]:
        """What gets requests of a rule; a backend of weight zero gets none."""
        return [self._backends.behind(backend) for backend in rule.backends if backend.weight > 0]

    def _terms(self, edge: Edge) -> CutTerms:
        service = self._request.service if self._service is not None else None
        return CutTerms(notice=self._request.notice, service=service, service_live=self._service or {}, edge=edge)


def _kind_of(route: Route) -> GroupKind | None:
    """The kind of a declared route, whose group may be left away."""
    wanted = GroupKind.parse(route.kind)
    for key, kind in plugins.kinds().items():
        if kind.route is not None and key.kind == wanted.kind and wanted.group in ("", key.group):
            return key
    return None


def _rules_of(obj: JsonObject) -> RouteRules | None:
    kind = plugins.kinds().get(ref_of(obj).group_kind)
    return kind.route if kind is not None else None


def _place(ref: ObjectRef) -> tuple[GroupKind, str, str]:
    return ref.group_kind, ref.namespace, ref.name


def _is_open(obj: JsonObject) -> bool:
    """Whether clients may come in through it though nobody declared it: a Service only where it is exposed."""
    return ref_of(obj).group_kind != SERVICE or dig(obj, "spec", "type") in _EXPOSED


def _leads_to_model(found: list[Behind]) -> bool:
    return any(one.leads in (Leads.MODEL, Leads.SHARED) for one in found)


def _shared(obj: JsonObject, rule: RouteRule, found: list[Behind]) -> Reason:
    others = ", ".join(one.words for one in found if one.leads is not Leads.MODEL)
    return _said(obj, rule, "not-cut-shared", f"not cut: shared with {others}")


def _said(obj: JsonObject, rule: RouteRule | None, code: str, words: str) -> Reason:
    pointer = rule.pointer if rule is not None else None
    return Reason(code=code, message=printable(words), object=printable(ref_of(obj)), field=pointer)


def _worst(answers: Iterable[Answer]) -> Answer:
    given = set(answers)
    return next(answer for answer in _WORST_FIRST if answer in given)
