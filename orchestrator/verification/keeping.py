"""What of a whole cluster can matter to a subject: decided object by object, as lists and watches bring them."""

from __future__ import annotations

from orchestrator import plugins
from orchestrator.core.kind import Kind
from orchestrator.core.objects import LABEL_MODEL, JsonObject, controller_of, dig, ref_of
from orchestrator.core.observation import Subject
from orchestrator.core.ports import Keep
from orchestrator.verification.findings import READING_ERRORS
from orchestrator.verification.recognition import fits, fits_others, labels_of, named_as_shared, namespaces_of


def pods_to_keep(subject: Subject) -> Keep:
    """Every pod of the known namespaces, as owners there tell more, and whatever carries a mark of the model."""
    known = frozenset(namespaces_of(subject))

    def keep(pod: JsonObject) -> bool:
        try:
            return _namespace_of(pod) in known or _carries_mark(subject, pod)
        except READING_ERRORS:  # the judgement says that it cannot be read
            return True

    return keep


def templates_to_keep(subject: Subject, kind: Kind) -> Keep:
    """Workloads of one kind that are the model's, by their own label or by the pods that their template makes.

    Another model's are left out, and so are those that another workload makes: that one is found itself.
    """

    def keep(obj: JsonObject) -> bool:
        try:
            return kind.workload is not None and _is_models(subject, obj, kind.workload.template(obj))
        except READING_ERRORS:
            return False

    return keep


def shared_with(subject: Subject, workload: JsonObject) -> str | None:
    """What else the pods of a workload serve, by its labels and its template; None where nothing says so."""
    kind = plugins.kinds().get(ref_of(workload).group_kind)
    if kind is None or kind.workload is None:
        return None
    try:
        pod = _pod_of(workload, kind.workload.template(workload))
        models = {labels_of(one).get(LABEL_MODEL) for one in (workload, pod)} - {None, subject.model.name}
        if models:
            return f"it is labelled as {', '.join(sorted(map(str, models)))}"
        return named_as_shared(subject, pod, labels_of(pod)) or fits_others(subject, pod)
    except READING_ERRORS:
        return None


def _pod_of(obj: JsonObject, template: JsonObject) -> JsonObject:
    return {**template, "metadata": {**(template.get("metadata") or {}), "namespace": _namespace_of(obj)}}


def _is_models(subject: Subject, obj: JsonObject, template: JsonObject) -> bool:
    owner = controller_of(obj)
    if owner is not None and owner.group_kind in plugins.kinds():
        return False
    pod = _pod_of(obj, template)
    models = {labels_of(one).get(LABEL_MODEL) for one in (obj, pod)} - {None}
    if models:
        return models == {subject.model.name}
    return _carries_mark(subject, pod)


def _carries_mark(subject: Subject, pod: JsonObject) -> bool:
    labels = labels_of(pod)
    if labels.get(LABEL_MODEL) == subject.model.name or named_as_shared(subject, pod, labels):
        return True
    return fits(subject.model.match, pod)


def _namespace_of(obj: JsonObject) -> str:
    return str(dig(obj, "metadata", "namespace", default=""))
