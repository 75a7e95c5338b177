"""What a guard refuses: the requests it is asked about, and a condition for each kind of refusal.

Deletions, evictions and every status are never asked about. What becomes less is always admitted, or the guard would
stand in the way of the takedown itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator import plugins
from orchestrator.core.objects import LABEL_MODEL, JsonObject, ObjectRef, ref_of
from orchestrator.core.takedown import RouteCut
from orchestrator.guarding.expressions import all_of, any_of, at, literal, says
from orchestrator.guarding.request import GuardRequest
from orchestrator.guarding.signs import LABEL_SIGNS

Rule = tuple[str, str]
"""What is refused, in words, and the CEL condition under which it is not."""
_BOTH = ["CREATE", "UPDATE"]


def rules(request: GuardRequest) -> Iterator[Rule]:
    """Every rule of a guard."""
    model = request.model
    pod = "variables.is_pod && variables.subresource == ''"
    yield (
        f"no pod of {model} may start",
        f"!({pod} && variables.is_create) || variables.is_mirror || !variables.matched_now",
    )
    same = [f"variables.{sign}_now == variables.{sign}_before" for sign in LABEL_SIGNS]
    gains = "variables.image_fresh || (variables.weights_fresh && !variables.weights_before)"
    yield (
        f"no running pod may become one of {model}, or lose the labels by which it is known",
        f"!({pod} && !variables.is_create) || variables.is_mirror || ({all_of(same)} && !({gains}))",
    )
    yield (
        f"no ephemeral container may run {model}, or in a pod of it",
        "!(variables.is_pod && variables.subresource == 'ephemeralcontainers') || variables.is_mirror || "
        "!(variables.image_fresh || variables.weights_fresh || variables.matched_before)",
    )
    yield from _workload_rules(model)
    yield f"nothing of {model} may be scaled up", _scale_rule(request)
    yield from _route_rules(request)


def _workload_rules(model: str) -> Iterator[Rule]:
    grows = "variables.amount_now > variables.amount_before"
    yield (
        f"a workload of {model} may only stay at 0 replicas or suspended, or become less",
        f"!variables.is_workload || !({grows}) || !variables.matched_now",
    )
    gained = "!variables.plainly_before && (variables.plainly_now || variables.weights_fresh)"
    yield (
        f"no running workload may become one of {model}",
        "!variables.is_workload || variables.is_create || variables.amount_now == 0 || "
        f"!({gained} && !variables.weights_before)",
    )
    signs = ("marked", *LABEL_SIGNS, "image")
    kept = all_of(f"!variables.{sign}_before || variables.{sign}_now" for sign in signs)
    yield (
        f"no workload of {model} may lose what it is known by",
        f"!variables.is_workload || variables.is_create || ({kept} && "
        "!(variables.weights_lost && !variables.weights_now))",
    )


def _scale_rule(request: GuardRequest) -> str:
    """A Scale has no labels, but the selector as text: the one that is stored, not the one that a client sends."""
    found = "variables.old.?status.?selector.orValue('')"
    selector = f"(',' + (type({found}) == string ? string({found}) : '') + ',')"
    mark = f"{LABEL_MODEL}={request.model}", f"{LABEL_MODEL} in ({request.model})"
    conditions = [f"{selector}.contains({literal(f',{pair},')})" for pair in mark]
    for namespace, labels in _label_sets(request):
        pairs = [f"{selector}.contains({literal(f',{key}={value},')})" for key, value in labels.items()]
        place = [f"variables.place == {literal(namespace)}"] if namespace else []
        conditions.append(all_of([*place, *pairs]))
    replicas = ".?spec.?replicas.orValue(0)"
    return (
        f"variables.subresource != 'scale' || variables.new{replicas} <= variables.old{replicas} || "
        f"!({any_of(['variables.is_known', *conditions])})"
    )


def _label_sets(request: GuardRequest) -> Iterator[tuple[str, dict[str, str]]]:
    if request.match.labels:
        yield "", request.match.labels
    seen: list[tuple[str, dict[str, str]]] = []
    for ref, selector in request.workloads:
        pairs = (selector or {}).get("matchLabels") or {}
        if pairs and not (selector or {}).get("matchExpressions") and (ref.namespace, pairs) not in seen:
            seen.append((ref.namespace, pairs))
    yield from seen


def _route_rules(request: GuardRequest) -> Iterator[Rule]:
    for cut in request.cuts:
        yield f"the cut route {cut.ref.kind} {cut.ref.name} of {request.model} stays cut", _route_rule(cut)
    for ref, obj in created_by(request.cuts).items():
        content = {key: value for key, value in obj.items() if key not in _NO_CONTENT}
        is_same = says_all("variables.new", {f"/{key}": value for key, value in content.items()})
        same = all_of(f"variables.new[?{literal(key)}] == variables.old[?{literal(key)}]" for key in content)
        yield (
            f"what the cut routes of {request.model} answer with stays",
            f"!({_is(ref)}) || ({is_same}) || (!variables.is_create && {same})",
        )


_NO_CONTENT = ("apiVersion", "kind", "metadata", "status")


def created_by(cuts: tuple[RouteCut, ...]) -> dict[ObjectRef, JsonObject]:
    """The objects that cut routes refer to, each once."""
    return {ref_of(obj): obj for cut in cuts for obj in cut.creates}


def _route_rule(cut: RouteCut) -> str:
    """The cut itself passes, whichever of guard and cut comes first; nothing else that touches the cut fields does."""
    if not cut.fields:
        return f"!({_is(cut.ref)}) || (!variables.is_create && variables.new.?spec == variables.old.?spec)"
    fields = {field.pointer: field.after for field in cut.fields}
    same = all_of(f"{at('variables.new', pointer)} == {at('variables.old', pointer)}" for pointer in fields)
    is_cut, was_cut = says_all("variables.new", fields), says_all("variables.old", fields)
    return f"!({_is(cut.ref)}) || ({is_cut} && !({was_cut})) || (!variables.is_create && {same})"


def says_all(root: str, fields: dict[str, object]) -> str:
    """Whether each of the pointers leads to its value; to exactly this one where it is a selector."""
    return all_of(
        f"{at(root, pointer)} == optional.of(dyn({literal(value)}))"
        if pointer.endswith("/selector") and value
        else says(at(root, pointer), value)
        for pointer, value in fields.items()
    )


def _is(ref: ObjectRef) -> str:
    return all_of(
        [
            "variables.subresource == ''",
            f"request.resource.group == {literal(ref.group_kind.group)}",
            f"request.kind.kind == {literal(ref.kind)}",
            f"variables.place == {literal(ref.namespace)}",
            f"variables.named == {literal(ref.name)}",
        ]
    )


def resource_rules(request: GuardRequest) -> list[JsonObject]:
    """Which requests the API server asks the guard about; each with the defaults that it would fill in."""
    found = [
        _resources("", ["pods", "replicationcontrollers"], _BOTH),
        _resources("", ["pods/ephemeralcontainers"], ["UPDATE"]),
        _resources("apps", ["deployments", "statefulsets", "replicasets", "daemonsets"], _BOTH),
        _resources("batch", ["jobs", "cronjobs"], _BOTH),
        _resources("*", ["*/scale"], ["UPDATE"], version="*"),
    ]
    refs = sorted({*(cut.ref for cut in request.cuts), *created_by(request.cuts)})
    for ref in refs:
        kind = plugins.kinds().get(ref.group_kind)
        group, version = ref.group_kind.group, ref.api_version.rpartition("/")[2]
        rule = _resources(group, [kind.resource.plural if kind else "*"], _BOTH, version=version)
        found.append({**rule, "resourceNames": [ref.name]})
    return found


def _resources(group: str, resources: list[str], operations: list[str], *, version: str = "v1") -> JsonObject:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": operations,
        "resources": resources,
        "scope": "*",
    }
