"""Objects of a namespace with a model and its routes, and what the API server would make of a JSON patch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import yaml

from orchestrator.core.fleet import NoticeService
from orchestrator.core.holds import RestoreRecord
from orchestrator.core.model import Model, Route
from orchestrator.core.objects import JsonObject, dig, ref_of
from orchestrator.core.order import About, Order
from orchestrator.core.routes import value_at
from orchestrator.core.takedown import RouteCut
from orchestrator.core.verdict import Reason
from orchestrator.planning.cutting import CutRequest, Cuts, Surroundings, notice_of, plan_cuts

ORDER = Order(
    name="directive-7",
    authority="The Authority",
    reference="REF-SECRET",
    models=("fable-5",),
    about=About(everyone=True),
    notice="Switched off by order of the authority.",
    notice_url="https://notices.example/directive-7",
    substitute="fable-4",
)
NOTICE_SERVICE = NoticeService(namespace="notices", name="notice", port=8080)

BASE = """
{kind: Service, apiVersion: v1, metadata: {name: fable, namespace: models}, spec: {selector: {app: fable}}}
---
{kind: Service, apiVersion: v1, metadata: {name: mythos, namespace: models}, spec: {selector: {app: mythos}}}
---
{kind: Service, apiVersion: v1, metadata: {name: all, namespace: models}, spec: {selector: {tier: models}}}
---
kind: Deployment
apiVersion: apps/v1
metadata: {name: fable, namespace: models}
spec:
  replicas: 2
  selector: {matchLabels: {app: fable}}
  template: {metadata: {labels: {app: fable, tier: models}}, spec: {containers: [{name: s, image: fable:1}]}}
---
kind: Pod
apiVersion: v1
metadata: {name: fable-1, namespace: models, labels: {app: fable, tier: models}}
status: {phase: Running}
---
kind: Pod
apiVersion: v1
metadata: {name: mythos-1, namespace: models, labels: {app: mythos, tier: models}}
status: {phase: Running}
"""
NOTICE = """
kind: Service
apiVersion: v1
metadata: {name: notice, namespace: notices}
spec: {selector: {app: notice}, ports: [{name: http, port: 8080, targetPort: 9000, protocol: TCP, nodePort: 30001}]}
"""
GATEWAYS = """
kind: GatewayClass
apiVersion: gateway.networking.k8s.io/v1
metadata: {name: class, generation: 1}
spec: {controllerName: CONTROLLER}
status: {conditions: [{type: Accepted, status: Unknown, reason: Pending}]}
---
kind: Gateway
apiVersion: gateway.networking.k8s.io/v1
metadata: {name: edge, namespace: gateways, generation: 1}
spec: {gatewayClassName: class}
status: {conditions: [{type: Accepted, status: "True", observedGeneration: 1}]}
"""
HTTP_ROUTE = """
kind: HTTPRoute
apiVersion: gateway.networking.k8s.io/v1
metadata: {name: fable, namespace: models, uid: u-1}
spec:
  parentRefs: [{name: edge, namespace: gateways}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /fable}}]
      filters: [{type: URLRewrite, urlRewrite: {hostname: fable.internal}}]
      backendRefs: [{group: "", kind: Service, name: fable, port: 80, weight: 1}]
"""
HTTP_PROXY = """
kind: HTTPProxy
apiVersion: projectcontour.io/v1
metadata: {name: fable, namespace: models, uid: u-2}
spec:
  virtualhost: {fqdn: fable.example}
  routes:
    - {conditions: [{prefix: /}], services: [{name: fable, port: 80}]}
    - {conditions: [{prefix: /docs}], services: [{name: mythos, port: 80}]}
"""
INGRESS = """
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: fable, namespace: models, uid: u-3}
spec:
  rules:
    - http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: fable, port: {number: 80}}}}
          - {path: /mythos, pathType: Prefix, backend: {service: {name: mythos, port: {number: 80}}}}
"""
GRPC_ROUTE = """
kind: GRPCRoute
apiVersion: gateway.networking.k8s.io/v1
metadata: {name: fable, namespace: models, uid: u-4}
spec:
  parentRefs: [{name: edge, namespace: gateways}]
  rules:
    - matches: [{method: {service: inference.GRPCInferenceService}}]
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-model, value: fable}]}}]
      backendRefs: [{group: "", kind: Service, name: fable, port: 80, weight: 1}]
"""
CONTOUR = "projectcontour.io/gateway-controller"
ENVOY_GATEWAY = "gateway.envoyproxy.io/gatewayclass-controller"


def gateways(controller: str = CONTOUR, *features: str) -> str:
    """A gateway of this controller, which publishes these features."""
    classes, gateway = GATEWAYS.replace("CONTROLLER", controller).split("---")
    names = "[" + ", ".join(f"{{name: {feature}}}" for feature in features) + "]"
    return f"{classes.rstrip().rstrip('}')}, supportedFeatures: {names}}}\n---{gateway}"


def objects(*texts: str) -> tuple[JsonObject, ...]:
    return tuple(obj for text in texts for obj in yaml.safe_load_all(text))


def route(kind: str, name: str = "fable") -> Route:
    return Route(kind=kind, namespace="models", name=name)


def codes(reasons: tuple[Reason, ...]) -> list[str]:
    return [reason.code for reason in reasons]


def is_fable(pod: JsonObject) -> bool:
    return bool(dig(pod, "metadata", "labels", "app") == "fable")


def plan(
    *live: JsonObject,
    model: str = "fable-5",
    routes: tuple[Route, ...] = (),
    service: NoticeService | None = None,
    order: Order = ORDER,
    belongs: Callable[[JsonObject], bool] = is_fable,
) -> Cuts:
    """The cuts for one model, among these objects."""
    request = CutRequest(
        model=Model(name=model, routes=routes), notice=notice_of(order, model), belongs=belongs, service=service
    )
    return plan_cuts(request, Surroundings(objects=live))


def patched(obj: JsonObject, patch: list[JsonObject] | tuple[JsonObject, ...]) -> JsonObject:
    """The object after a JSON patch (RFC 6902); raises AssertionError where the API server would refuse it."""
    after = copy.deepcopy(obj)
    for step in patch:
        path, value = step["path"], copy.deepcopy(step.get("value"))
        if step["op"] == "test":
            assert value_at(after, path) == value, f"test failed at {path}"
            continue
        place, _, last = path.rpartition("/")
        holder = value_at(after, place)
        assert holder is not None, f"nothing at {place}"
        key: Any = int(last) if isinstance(holder, list) else last
        if step["op"] != "add":
            assert value_at(after, path) is not None, f"nothing at {path}"
        if step["op"] == "remove":
            del holder[key]
        else:
            holder[key] = value
    return after


def record_of(cut: RouteCut, model: str = "fable-5") -> RestoreRecord:
    before = {field.pointer: field.before for field in cut.fields}
    return RestoreRecord(model=model, ref=cut.ref, uid=cut.uid, before=before)


def replaced(live: tuple[JsonObject, ...], obj: JsonObject) -> tuple[JsonObject, ...]:
    """The same objects, one of them anew."""
    return tuple(obj if ref_of(one) == ref_of(obj) else one for one in live)
