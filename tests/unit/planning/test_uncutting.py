"""A cut is recognised by its own marks, is never recorded twice, and is taken back exactly, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core.model import Route
from orchestrator.core.objects import JsonObject
from orchestrator.planning.cutting import uncut
from tests.unit.planning.route_samples import (
    BASE,
    CONTOUR,
    ENVOY_GATEWAY,
    GRPC_ROUTE,
    HTTP_PROXY,
    HTTP_ROUTE,
    INGRESS,
    NOTICE,
    NOTICE_SERVICE,
    ORDER,
    codes,
    gateways,
    is_fable,
    objects,
    patched,
    plan,
    record_of,
    replaced,
    route,
)


def _all_ways() -> tuple[tuple[str, tuple[JsonObject, ...], tuple[Route, ...]], ...]:
    beside = NOTICE.replace("namespace: notices", "namespace: models")
    return (
        ("direct response", objects(HTTP_ROUTE, BASE, gateways(ENVOY_GATEWAY)), ()),
        ("notice Service", objects(HTTP_ROUTE, BASE, gateways(), beside), ()),
        ("redirect", objects(HTTP_ROUTE, BASE, gateways()), ()),
        ("nowhere", objects(HTTP_ROUTE, BASE, gateways(CONTOUR, "Nothing")), ()),
        ("gRPC", objects(GRPC_ROUTE, BASE, gateways()), ()),
        ("HTTPProxy", objects(HTTP_PROXY, BASE), ()),
        ("Ingress", objects(INGRESS, BASE), ()),
        ("Ingress with a twin", objects(INGRESS, BASE, beside), ()),
        ("Service", objects(BASE), (route("Service"),)),
    )


SERVICE_BESIDE = replace(NOTICE_SERVICE, namespace="models")


@pytest.mark.parametrize(("live", "routes"), [pytest.param(*way[1:], id=way[0]) for way in _all_ways()])
def test_every_cut_is_recognised_and_taken_back_exactly(
    live: tuple[JsonObject, ...], routes: tuple[Route, ...]
) -> None:
    """Cut once; a second takedown, of another order too, finds it cut; restoring gives the object back as it was."""
    (cut,) = plan(*live, routes=routes, service=SERVICE_BESIDE).cuts
    after = patched(live[0], cut.patch())
    assert after != live[0]

    seen = (*replaced(live, after), *cut.creates)
    again = plan(*seen, routes=routes, service=SERVICE_BESIDE, order=replace(ORDER, name="directive-8"))
    assert [(one.fields, one.creates, one.answer) for one in again.cuts] == [((), (), cut.answer)]
    assert again.not_cut == ()

    back = uncut(record_of(cut), after)
    assert back.changed == ()
    restored = patched(after, back.patch)
    assert restored == live[0]
    assert uncut(record_of(cut), restored) == uncut(record_of(cut), live[0])
    assert uncut(record_of(cut), restored).patch == ()


@pytest.mark.parametrize(("live", "routes"), [pytest.param(*way[1:], id=way[0]) for way in _all_ways()])
def test_what_a_cut_creates_is_named_after_its_order_and_model(
    live: tuple[JsonObject, ...], routes: tuple[Route, ...]
) -> None:
    """A valid DNS label, labelled, and in no way the same for two models."""
    for cut in plan(*live, routes=routes, service=SERVICE_BESIDE).cuts:
        for made in cut.creates:
            assert len(made["metadata"]["name"]) <= 63
            assert made["metadata"]["labels"] == {
                "orchestrator.dev/order": ORDER.digest[:16],
                "orchestrator.dev/model": "fable-5",
            }


def test_what_somebody_changed_since_is_not_overwritten() -> None:
    """One of two rules was rewritten under the takedown: the other one alone comes back, and the first is named."""
    both = HTTP_PROXY.replace("services: [{name: mythos, port: 80}]", "services: [{name: fable, port: 80}]")
    live = objects(BASE, both)
    (cut,) = plan(*live).cuts
    after = patched(live[6], cut.patch())
    after["spec"]["routes"][0] = {"conditions": [{"prefix": "/"}], "services": [{"name": "somebody-elses", "port": 80}]}
    back = uncut(record_of(cut), after)
    assert {reason.field for reason in back.changed} == {"/spec/routes/0/services"}
    restored = patched(after, back.patch)["spec"]["routes"]
    assert restored[0] == after["spec"]["routes"][0]
    assert restored[1] == live[6]["spec"]["routes"][1]


def test_a_route_that_was_made_anew_as_it_was_needs_nothing() -> None:
    """Somebody deleted the cut route and applied the manifest again: it is as before, so nothing is written."""
    live = objects(BASE, HTTP_ROUTE, gateways())
    (cut,) = plan(*live).cuts
    assert uncut(record_of(cut), live[6]) == uncut(record_of(cut), {**live[6], "metadata": {"name": "new"}})
    assert uncut(record_of(cut), live[6]).changed == ()


def test_a_route_that_is_gone_cannot_be_restored_and_that_is_said() -> None:
    live = objects(BASE, HTTP_ROUTE, gateways())
    (cut,) = plan(*live).cuts
    assert codes(uncut(record_of(cut), None).changed) == ["route-gone"]


def test_a_route_that_was_written_back_under_the_takedown_is_cut_again() -> None:
    """A controller restored its backend and kept our filter: it leads to the model, so it is not taken for cut."""
    live = objects(BASE, HTTP_ROUTE, gateways(), NOTICE)
    (cut,) = plan(*live, service=NOTICE_SERVICE).cuts
    rewritten = patched(live[6], cut.patch())
    rewritten["spec"]["rules"][0]["backendRefs"] = live[6]["spec"]["rules"][0]["backendRefs"]
    (again,) = plan(*replaced(live, rewritten), service=NOTICE_SERVICE).cuts
    assert [field.pointer for field in again.fields] == ["/spec/rules/0/backendRefs"]


def test_an_interrupted_takedown_still_knows_whom_a_cut_service_served() -> None:
    """The Service was cut and the route was not yet: the route is cut by the next run."""
    live = objects(BASE, HTTP_ROUTE, gateways())
    (cut, *_) = [one for one in plan(*live, routes=(route("Service"),)).cuts if one.ref.kind == "Service"]
    seen = replaced(live, patched(live[0], cut.patch()))
    found = {one.ref.kind: bool(one.fields) for one in plan(*seen, routes=(route("Service"),)).cuts}
    assert found == {"HTTPRoute": True, "Service": False}


def test_two_models_on_one_route_are_cut_and_restored_apart() -> None:
    """Both are taken down; restoring the first leaves the second cut, in either order."""
    live = objects(BASE, HTTP_PROXY)
    (fable,) = plan(*live).cuts
    (mythos,) = plan(*live, model="mythos-5", belongs=lambda pod: not is_fable(pod)).cuts
    both = patched(patched(live[6], fable.patch()), mythos.patch())
    first = patched(both, uncut(record_of(fable), both).patch)
    assert first["spec"]["routes"][0] == live[6]["spec"]["routes"][0]
    assert first["spec"]["routes"][1] == both["spec"]["routes"][1]
    last = patched(first, uncut(record_of(mythos, "mythos-5"), first).patch)
    assert last == live[6]


def test_a_cut_is_refused_where_its_rule_has_moved() -> None:
    """Somebody put a rule before it since the plan was made: the patch's tests fail, and nobody else's rule is cut."""
    live = objects(BASE, HTTP_PROXY)
    (cut,) = plan(*live).cuts
    moved = {**live[6], "spec": {**live[6]["spec"], "routes": list(reversed(live[6]["spec"]["routes"]))}}
    with pytest.raises(AssertionError, match="test failed"):
        patched(moved, cut.patch())
