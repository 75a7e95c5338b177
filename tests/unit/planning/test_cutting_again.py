"""A takedown that is begun anew wants of a route that it has cut already exactly what it wanted the first time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core.holds import RestoreRecord
from orchestrator.core.model import Model
from orchestrator.core.objects import JsonObject, ref_of
from orchestrator.core.order import Order
from orchestrator.planning.cutting import CutRequest, Cuts, Surroundings, notice_of, plan_cuts, routes_cut
from tests.unit.planning import route_samples as samples

KINDS = {
    "direct response": (samples.HTTP_ROUTE, samples.gateways(samples.ENVOY_GATEWAY)),
    "redirect": (samples.HTTP_ROUTE, samples.gateways()),
    "nowhere": (samples.HTTP_ROUTE, samples.gateways(samples.CONTOUR, "Nothing")),
    "gRPC": (samples.GRPC_ROUTE, samples.gateways()),
    "Ingress": (samples.INGRESS, ""),
    "HTTPProxy": (samples.HTTP_PROXY, ""),
}


def plan_again(
    live: tuple[JsonObject, ...], *records: RestoreRecord, order: Order = samples.ORDER, model: str = "fable-5"
) -> Cuts:
    """The cuts among these objects, of which some are cut already, as these records tell."""
    request = CutRequest(model=Model(name=model), notice=notice_of(order, model), belongs=samples.is_fable)
    kept = {record.ref: record for record in records}
    return plan_cuts(request, Surroundings(objects=live, records=kept))


def cut_once(kind: str) -> tuple[Cuts, tuple[JsonObject, ...]]:
    """What the first run plans, and how everything is after it."""
    live = samples.objects(samples.BASE, *filter(None, KINDS[kind]))
    first = samples.plan(*live)
    (cut,) = first.cuts
    (route,) = (obj for obj in live if ref_of(obj) == cut.ref)
    return first, (*samples.replaced(live, samples.patched(route, cut.patch())), *cut.creates)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_order_plans_the_same_cut(kind: str) -> None:
    """Its fields, what they were, and all that the cut route refers to: so that the guard is drawn no narrower."""
    first, after = cut_once(kind)
    assert routes_cut("fable-5", Surroundings(objects=after)) == (first.cuts[0].ref,)
    again = plan_again(after, samples.record_of(first.cuts[0]))
    assert again == replace(first, cuts=(replace(first.cuts[0], is_made=True),))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_due_where_the_route_is_cut(kind: str) -> None:
    """Or a later look would take the route for an open one, and a drill would try to cut it twice."""
    first, after = cut_once(kind)
    (again,) = plan_again(after, samples.record_of(first.cuts[0])).cuts
    assert first.cuts[0].patch() != again.patch() == []


def test_without_its_record_a_cut_route_is_left_as_it_is() -> None:
    first, after = cut_once("nowhere")
    (again,) = plan_again(after).cuts
    assert (again.ref, again.fields, again.creates) == (first.cuts[0].ref, (), ())


@pytest.mark.parametrize("kind", ["direct response", "nowhere", "Ingress"])
def test_another_orders_cut_is_not_taken_for_this_ones(kind: str) -> None:
    """The second order finds the route cut; what it was is on record, and nothing is written."""
    first, after = cut_once(kind)
    other = replace(samples.ORDER, name="directive-8")
    (again,) = plan_again(after, samples.record_of(first.cuts[0]), order=other).cuts
    assert again.fields == ()


def test_a_route_that_is_open_again_is_cut_by_what_it_is_now() -> None:
    """Whatever a record of former days says of it."""
    live = samples.objects(samples.BASE, *KINDS["nowhere"])
    (cut,) = samples.plan(*live).cuts
    stale = {pointer: [{"name": "fable-old", "port": 80}] for pointer in samples.record_of(cut).before}
    assert plan_again(live, replace(samples.record_of(cut), before=stale)).cuts == (cut,)


@pytest.mark.parametrize("pointer", ["/spec/rules/7/backendRefs", "/spec/rules/x", "/spec/nothing/here", "/status/0/x"])
def test_a_record_that_does_not_fit_the_route_changes_nothing(pointer: str) -> None:
    first, after = cut_once("nowhere")
    damaged = replace(samples.record_of(first.cuts[0]), before={pointer: []})
    assert plan_again(after, damaged).cuts == plan_again(after).cuts
