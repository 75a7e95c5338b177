"""Only what leads to one model alone is cut; what others share, and what nobody understands, is named."""

from __future__ import annotations

import pytest

from orchestrator.core.fleet import NoticeService
from orchestrator.core.model import Model
from orchestrator.core.verdict import Reason
from orchestrator.planning.cutting import CutRequest, Surroundings, notice_of, plan_cuts, reads_for_cuts
from tests.unit.planning.route_samples import (
    BASE,
    HTTP_PROXY,
    HTTP_ROUTE,
    NOTICE,
    ORDER,
    codes,
    gateways,
    is_fable,
    objects,
    plan,
    route,
)


@pytest.mark.parametrize(
    ("backends", "others"),
    [
        ("{name: fable}, {name: mythos}", "Service models/mythos"),
        ("{name: all}", "Pod models/mythos-1"),
        ("{name: fable}, {kind: Thing, name: x}", "not known"),
    ],
)
def test_a_rule_that_others_share_is_not_cut(backends: str, others: str) -> None:
    """Two Services, one Service over pods of two models, a backend of an unknown kind: named, and left alone."""
    shared = HTTP_ROUTE.replace('{group: "", kind: Service, name: fable, port: 80, weight: 1}', backends)
    found = plan(*objects(BASE, shared, gateways()))
    (reason,) = found.not_cut
    assert (found.cuts, reason.code, reason.field) == ((), "not-cut-shared", "/spec/rules/0")
    assert reason.message.startswith("not cut: shared with")
    assert others in reason.message


def test_a_backend_without_any_requests_shares_nothing() -> None:
    """A weight of zero gets none: the rule is the model's alone."""
    weighed = HTTP_ROUTE.replace("weight: 1}", "weight: 1}, {name: mythos, weight: 0}")
    assert len(plan(*objects(BASE, weighed, gateways())).cuts) == 1


def test_a_mirror_to_the_model_is_a_way_to_it() -> None:
    """Another model's rule sends copies: it is shared, and said so."""
    mirror = HTTP_ROUTE.replace("name: fable, port: 80", "name: mythos, port: 80").replace(
        "{type: URLRewrite, urlRewrite: {hostname: fable.internal}}",
        "{type: RequestMirror, requestMirror: {backendRef: {name: fable, port: 80}}}",
    )
    assert codes(plan(*objects(BASE, mirror, gateways())).not_cut) == ["not-cut-shared"]


def test_what_is_left_of_a_route_that_is_cut_is_said_twice() -> None:
    """Once on the cut, and once among all that stays open."""
    half = HTTP_PROXY.replace("services: [{name: mythos, port: 80}]", "services: [{name: all, port: 80}]")
    found = plan(*objects(BASE, half))
    assert (codes(found.cuts[0].left), codes(found.not_cut)) == (["not-cut-shared"], ["not-cut-shared"])


def test_an_inference_pool_is_shared_whatever_it_selects() -> None:
    """Its endpoint picker chooses by the request; one without pods of the model is none of its ways."""
    pool = """
kind: InferencePool
apiVersion: inference.networking.k8s.io/v1
metadata: {name: pool, namespace: models}
spec: {selector: {matchLabels: {app: APP}}}
"""
    backend = "{group: inference.networking.k8s.io, kind: InferencePool, name: pool}"
    through = HTTP_ROUTE.replace('{group: "", kind: Service, name: fable, port: 80, weight: 1}', backend)
    (reason,) = plan(*objects(BASE, through, pool.replace("APP", "fable"), gateways())).not_cut
    assert reason.code == "not-cut-shared"
    assert plan(*objects(BASE, through, pool.replace("APP", "mythos"), gateways())).not_cut == ()


def test_a_declared_router_in_front_of_the_model_is_shared() -> None:
    """It leads to pods of somebody else's, which choose by what is in the request."""
    found = plan(
        *objects(BASE, HTTP_ROUTE.replace("name: fable, port", "name: mythos, port"), gateways()),
        routes=(route("HTTPRoute"),),
    )
    assert (found.cuts, codes(found.not_cut)) == ((), ["not-cut-shared"])


def test_other_rules_of_a_declared_route_are_nobodys_concern() -> None:
    """Two models on one route: each is cut without a word about the other."""
    found = plan(*objects(BASE, HTTP_PROXY), routes=(route("HTTPProxy"),))
    assert (len(found.cuts), found.not_cut, found.notes) == (1, (), ())


def test_a_service_that_selects_by_no_labels_is_not_understood() -> None:
    """Its endpoints are somebody's handiwork."""
    manual = BASE.replace("spec: {selector: {app: fable}}", "spec: {}", 1)
    found = plan(*objects(manual), routes=(route("Service"),))
    assert (found.cuts, codes(found.not_cut)) == ((), ["not-cut-unknown"])


def test_an_external_name_that_stands_for_the_models_service_leads_there() -> None:
    alias = """
kind: Service
apiVersion: v1
metadata: {name: alias, namespace: models}
spec: {type: ExternalName, externalName: fable.models.svc.cluster.local}
"""
    live = objects(BASE, HTTP_PROXY.replace("name: fable, port", "name: alias, port"), alias)
    assert [cut.ref.kind for cut in plan(*live).cuts] == ["HTTPProxy"]


def test_a_workload_without_pods_counts_by_its_template() -> None:
    """Nothing runs now, neither of the model nor of the one that shares its Service."""
    without_pods = objects(BASE, HTTP_ROUTE, gateways())
    idle = tuple(obj for obj in without_pods if obj["kind"] != "Pod")
    assert len(plan(*idle).cuts) == 1
    other = """
kind: StatefulSet
apiVersion: apps/v1
metadata: {name: other, namespace: models}
spec: {replicas: 0, selector: {matchLabels: {app: fable}}, template: {metadata: {labels: {app: fable, other: yes}}}}
"""
    found = plan(*idle, *objects(other), belongs=lambda pod: "other" not in pod["metadata"]["labels"])
    assert (found.cuts, codes(found.not_cut)) == ((), ["not-cut-shared"])


def test_pods_that_have_ended_share_nothing() -> None:
    """A Failed pod of somebody else's is no endpoint."""
    ended = """
kind: Pod
apiVersion: v1
metadata: {name: x, namespace: models, labels: {app: fable}}
status: {phase: Failed}
"""
    found = plan(
        *objects(BASE, HTTP_PROXY, ended), belongs=lambda pod: pod["metadata"].get("name") != "x" and is_fable(pod)
    )
    assert len(found.cuts) == 1


def test_nothing_is_cut_where_pods_may_not_be_read() -> None:
    """What else a Service selects is not known then; the reason of the failed list stays as well."""
    live = tuple(obj for obj in objects(BASE, HTTP_PROXY) if obj["kind"] != "Pod")
    reads = reads_for_cuts(Model(name="fable-5"), ("models",), None)
    (pods,) = [read for read in reads if read.resource.plural == "pods"]
    request = CutRequest(model=Model(name="fable-5"), notice=notice_of(ORDER, "fable-5"), belongs=is_fable)
    denied = Reason(code="forbidden", message="pods may not be listed")
    found = plan_cuts(request, Surroundings(objects=live, unread={pods: denied}))
    assert (found.cuts, codes(found.not_cut)) == ((), ["forbidden", "not-cut-shared"])


def test_declared_routes_that_are_missing_idle_or_of_an_unknown_kind_are_told_apart() -> None:
    """What is not there, or leads to nothing, is no way to the model; what is not understood may be one."""
    dead = objects(BASE.replace("selector: {app: fable}", "selector: {app: gone}", 1))
    routes = (route("HTTPRoute", "gone"), route("Service"), route("example.com/Thing"))
    found = plan(*dead, routes=routes)
    assert codes(found.notes) == ["route-missing", "route-idle"]
    assert codes(found.not_cut) == ["not-cut-unknown"]


def test_a_notice_service_that_is_not_there_is_not_used() -> None:
    """The next best answer is given, and the fleet's mistake is named."""
    for live in (objects(BASE, HTTP_ROUTE, gateways()), objects(BASE, HTTP_ROUTE, gateways(), NOTICE)):
        missing = NoticeService(namespace="notices", name="notice", port=81)
        found = plan(*live, service=missing)
        assert (found.cuts[0].answer, codes(found.notes)) == ("redirect", ["notice-service-missing"])
