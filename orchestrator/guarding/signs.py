"""By what a guard recognises a model: variables of its policy, each sign as it is now and as it was before.

A workload is looked at through its template, because that is what its pods will be. Whatever a
guard refuses, the tool's own search finds as well; the search also sees weights that variables put together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator import plugins
from orchestrator.core.images import spellings
from orchestrator.core.objects import LABEL_MODEL, ObjectRef
from orchestrator.guarding import volumes, weights
from orchestrator.guarding.expressions import all_of, any_of, has_label, literal, selects, texts
from orchestrator.guarding.images import repositories
from orchestrator.guarding.request import GuardRequest

Variable = tuple[str, str]
"""Name and CEL expression."""

MIRROR = "kubernetes.io/config.mirror"
LABEL_SIGNS = ("label", "labels", "selected")
"""Signs that are labels of a pod: our own, all of the model's `match`, a known workload's selector."""
CHEAP_SIGNS = ("marked", *LABEL_SIGNS, "image")
"""Signs that cost next to nothing to look for; `marked` is our label on a workload itself."""
WORKLOADS = (
    "apps/deployments",
    "apps/statefulsets",
    "apps/replicasets",
    "apps/daemonsets",
    "/replicationcontrollers",
    "batch/jobs",
    "batch/cronjobs",
)
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_EMPTY_MAP, _EMPTY_LIST = ".orValue(dyn({}))", ".orValue(dyn([]))"


def variables(request: GuardRequest) -> Iterator[Variable]:
    """Name and expression of each, in the order in which they may refer to each other."""
    # `dyn` keeps the API server from warning that not every kind has every field.
    yield "new", "dyn(object)"
    yield "old", "oldObject == null ? dyn({}) : dyn(oldObject)"
    # Whatever is empty is left out of a request.
    for name, field in (("subresource", "subResource"), ("place", "namespace"), ("named", "name")):
        yield name, f"has(request.{field}) ? request.{field} : ''"
    yield "kind", "request.resource.group + '/' + request.resource.resource"
    yield "is_create", "request.operation == 'CREATE'"
    yield "is_pod", "variables.kind == '/pods'"
    yield "is_workload", f"variables.subresource == '' && variables.kind in {texts(WORKLOADS)}"
    for side, source in (("now", "variables.new"), ("before", "variables.old")):
        yield from _pod(side, source)
        yield from _cheap_signs(side, source, request)
    yield "image_fresh", _holds_image("variables.images_now.filter(i, !(i in variables.images_before))", request)
    yield from _weights(request.match.weights)
    yield from _identity(request.workloads)
    yield from _amounts()
    for side in ("now", "before"):
        yield f"plainly_{side}", any_of(["variables.is_known", *(f"variables.{sign}_{side}" for sign in CHEAP_SIGNS)])
        yield f"matched_{side}", f"variables.plainly_{side} || variables.weights_{side}"


def _pod(side: str, source: str) -> Iterator[Variable]:
    """The pod, or the template of a workload, and what of it is looked at."""
    template, cron = (f"{source}.?spec.{path}?template{_EMPTY_MAP}" for path in ("", "?jobTemplate.?spec."))
    yield (
        f"pod_{side}",
        f"variables.is_pod ? {source} : variables.kind == 'batch/cronjobs' ? {cron} : {template}",
    )
    pod = f"variables.pod_{side}"
    yield f"labels_of_{side}", f"{pod}.?metadata.?labels{_EMPTY_MAP}"


def _cheap_signs(side: str, source: str, request: GuardRequest) -> Iterator[Variable]:
    labels, mark = f"variables.labels_of_{side}", literal(LABEL_MODEL)
    model = literal(request.model)
    yield f"marked_{side}", f"{source}.?metadata.?labels[?{mark}].orValue('') == {model}"
    yield f"label_{side}", f"{labels}[?{mark}].orValue('') == {model}"
    wanted = request.match.labels
    yield (
        f"labels_{side}",
        all_of(has_label(labels, key, [value]) for key, value in wanted.items()) if wanted else "false",
    )
    yield f"selected_{side}", any_of(_selections(request, labels))
    if request.match.images:
        pod = f"variables.pod_{side}"
        of_volumes = f"{pod}.?spec.?volumes{_EMPTY_LIST}.map(v, v.?image.?reference.orValue(''))"
        yield f"images_{side}", f"({_containers(pod)}).map(c, c.?image.orValue('')) + {of_volumes}"
    yield f"image_{side}", _holds_image(f"variables.images_{side}", request)


def _selections(request: GuardRequest, labels: str) -> Iterator[str]:
    by_condition = {
        f"variables.place == {literal(ref.namespace)} && ({condition})": None
        for ref, selector in request.workloads
        if (condition := selects(selector, labels)) != "false"
    }
    yield from by_condition


def _holds_image(images: str, request: GuardRequest) -> str:
    forbidden = sorted({name for image in request.match.images for name in spellings(image)})
    return f"{repositories(images)}.exists(i, i in {texts(forbidden)})" if forbidden else "false"


def _weights(uris: Sequence[str]) -> Iterator[Variable]:
    """The texts that hold a URI, of the pod as it is and as it was, each searched once."""
    if not uris:
        yield from ((f"weights_{part}", "false") for part in ("fresh", "lost", "now", "before"))
        return
    now, before = "variables.texts[0]", "variables.texts[1]"
    yield "texts", f"[variables.pod_now, variables.pod_before].map(p, {_texts('p')})"
    yield "suspects", weights.suspects(f"({now} + {before}.filter(t, !(t in {now})))", uris)
    found = list(weights.searches("variables.suspects", uris))
    yield from ((f"hits_{number}", search) for number, search in enumerate(found))
    yield "hits", " + ".join(f"variables.hits_{number}" for number in range(len(found)))
    yield "weights_now", f"variables.hits.exists(t, t in {now})"
    yield "weights_before", f"variables.hits.exists(t, t in {before})"
    yield "weights_fresh", f"variables.hits.exists(t, !(t in {before}))"
    yield "weights_lost", f"variables.hits.exists(t, !(t in {now}))"


def _texts(pod: str) -> str:
    """One text for each container, one for all volumes, one for all annotations."""
    environment = f"c.?env{_EMPTY_LIST}.map(e, e.?value.orValue('')).join('\\n')"
    parts = [f"c.?{field}{_EMPTY_LIST}.join('\\n')" for field in ("command", "args")]
    containers = f"({_containers(pod)}).map(c, [{', '.join([*parts, environment])}].join('\\n'))"
    of_volumes = f"{pod}.?spec.?volumes{_EMPTY_LIST}.map(v, [{', '.join(volumes.expressions())}].join('\\n'))"
    annotations = f"{pod}.?metadata.?annotations{_EMPTY_MAP}"
    of_annotations = f"{annotations}.map(k, string({annotations}[k]))"
    return f"{containers} + [{of_volumes}.join('\\n'), {of_annotations}.join('\\n')]"


def _containers(pod: str) -> str:
    return " + ".join(f"{pod}.?spec.?{kind}{_EMPTY_LIST}" for kind in _CONTAINERS)


def _identity(workloads: Sequence[tuple[ObjectRef, object]]) -> Iterator[Variable]:
    """What is known by name, and what is controlled by it; and the mirrors of static pods."""
    places = sorted({_place(ref) for ref, _ in workloads})
    owners = sorted({f"{ref.namespace}/{ref.kind}/{ref.name}" for ref, _ in workloads})
    place = "'/' + variables.place + '/' + variables.named"
    yield "owners", f"variables.new.?metadata.?ownerReferences{_EMPTY_LIST}.filter(o, o.?controller.orValue(false))"
    owner = "variables.place + '/' + o.?kind.orValue('') + '/' + o.?name.orValue('')"
    known = [
        f"variables.kind + {place} in {texts(places)}",
        f"request.resource.group + '/*' + {place} in {texts(places)}",
        f"variables.owners.exists(o, {owner} in {texts(owners)})",
    ]
    yield "is_known", any_of(known) if places else "false"
    is_nodes = "variables.owners.all(o, o.?kind.orValue('') == 'Node')"
    yield (
        "is_mirror",
        f"variables.is_pod && {literal(MIRROR)} in variables.new.?metadata.?annotations{_EMPTY_MAP} && {is_nodes}",
    )


def _place(ref: ObjectRef) -> str:
    kind = plugins.kinds().get(ref.group_kind)
    return f"{ref.group_kind.group}/{kind.resource.plural if kind else '*'}/{ref.namespace}/{ref.name}"


def _amounts() -> Iterator[Variable]:
    """How much a workload asks for: replicas, or whether it is not suspended; a DaemonSet can ask for no less."""
    for side, source in (("now", "variables.new"), ("before", "variables.old")):
        spec = f"{source}.?spec"
        suspended = f"{spec}.?suspend.orValue(false) ? 0"
        amount = (
            f"variables.kind == 'batch/jobs' ? ({suspended} : {spec}.?parallelism.orValue(1)) : "
            f"variables.kind == 'batch/cronjobs' ? ({suspended} : 1) : "
            f"variables.kind == 'apps/daemonsets' ? 1 : {spec}.?replicas.orValue(1)"
        )
        yield f"amount_{side}", amount if side == "now" else f"variables.is_create ? 0 : ({amount})"
