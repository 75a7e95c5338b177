"""What a guard is tried with on the objects that are there: workloads, one of their pods, cut routes.

Every attempt is a dry run. What a guard must never refuse is tried on the model's own objects as well: without
scaling down, finalizers and updates that change nothing of it, a takedown could not end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from orchestrator import plugins
from orchestrator.core.holds import RestoreRecord, read_restore_record
from orchestrator.core.kind import WorkloadRules
from orchestrator.core.objects import LABEL_MODEL, SYSTEM_NAMESPACE, JsonObject, ObjectRef, Resource, dig, ref_of
from orchestrator.core.observation import Subject
from orchestrator.core.ports import ClusterWriter
from orchestrator.core.takedown import Guard, RouteCut
from orchestrator.core.verdict import Reason
from orchestrator.errors import ClusterError, NotFound
from orchestrator.guarding.attempts import Attempt, Send, create, tag, tagged
from orchestrator.guarding.neutral import POD_NAME

_PODS = Resource("", "v1", "pods", "Pod")
_LABEL_TRY = "orchestrator.dev/try"
"""Put on where ours is taken off: the API server gives a Job or ReplicationController without labels its template's."""


@dataclass(slots=True)
class LiveAttempts:
    """What can be tried here."""

    denied: list[Attempt] = field(default_factory=list)
    admitted: list[Attempt] = field(default_factory=list)
    untried: list[Reason] = field(default_factory=list)
    """What could not be read, so that nothing could be tried on it."""


async def live_attempts(writer: ClusterWriter, guard: Guard, subject: Subject) -> LiveAttempts:
    """Attempts on the model's objects in this cluster. Raises no `ClusterError`."""
    found = LiveAttempts()
    workloads = list(_workloads(subject))
    pod, *read = await asyncio.gather(
        _running_pod(writer, guard, subject), *(_read(writer, ref) for ref, _ in workloads)
    )
    for (ref, rules), live in zip(workloads, read, strict=True):
        if isinstance(live, ClusterError):
            found.untried.append(Reason(code="not-tried", message=live.message, object=str(ref)))
        elif live is not None:
            _on_workload(found, guard, live, rules)
    if isinstance(pod, ClusterError):
        found.untried.append(Reason(code="not-tried", message=f"pods cannot be listed: {pod.message}"))
    elif pod is not None:
        _on_pod(found, guard, subject, pod)
    for cut in guard.cuts:
        found.denied.append(Attempt(words=f"undoing the cut of {cut.ref}", send=_undo(cut, guard)))
    return found


def _workloads(subject: Subject) -> Iterator[tuple[ObjectRef, WorkloadRules]]:
    for expectation in subject.expectations:
        kind = plugins.kinds().get(expectation.ref.group_kind)
        if kind is not None and kind.workload is not None and expectation.ref.kind != "Pod":
            yield expectation.ref, kind.workload


def _on_workload(found: LiveAttempts, guard: Guard, live: JsonObject, rules: WorkloadRules) -> None:
    ref, replicas = ref_of(live), rules.replicas(live)
    template = rules.template(live)
    found.denied.append(Attempt(words=f"a pod of {ref}", send=create(_pod_of(ref, template, guard))))
    found.admitted.append(Attempt(words=f"an update of {ref} that changes nothing of it", send=_patch(ref, guard)))
    if rules.is_scalable:
        up, down = replicas + 1, max(replicas - 1, 0)
        found.denied += [
            Attempt(words=f"scaling {ref} up", send=_scale(ref, up)),
            Attempt(words=f"raising replicas of {ref}", send=_patch(ref, guard, {"spec": {"replicas": up}})),
        ]
        found.admitted.append(Attempt(words=f"scaling {ref} down", send=_scale(ref, down)))
    without: JsonObject = {"labels": {LABEL_MODEL: None}}
    if dig(live, "metadata", "labels", LABEL_MODEL) == guard.model:
        send = _patch(ref, guard, {"metadata": {"labels": {LABEL_MODEL: None, _LABEL_TRY: "true"}}})
        found.denied.append(Attempt(words=f"taking our label off {ref}", send=send))
    is_selected = LABEL_MODEL in dig(rules.selector(live), "matchLabels", default={})
    is_templated = rules.is_scalable and dig(template, "metadata", "labels", LABEL_MODEL) == guard.model
    if is_templated and not is_selected:
        send = _patch(ref, guard, {"spec": {"template": {"metadata": without}}})
        found.denied.append(Attempt(words=f"taking our label off the template of {ref}", send=send))


def _pod_of(ref: ObjectRef, template: JsonObject, guard: Guard) -> JsonObject:
    metadata = {
        "name": POD_NAME,
        "namespace": ref.namespace,
        "labels": dig(template, "metadata", "labels", default={}),
        "annotations": {**dig(template, "metadata", "annotations", default={}), **tag(guard)},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec", {})}


async def _read(writer: ClusterWriter, ref: ObjectRef) -> JsonObject | ClusterError | None:
    try:
        return await writer.get(ref)
    except ClusterError as error:
        return error


async def _running_pod(writer: ClusterWriter, guard: Guard, subject: Subject) -> JsonObject | ClusterError | None:
    """A pod of the model that is still there; they have our label, adopted ones, too."""
    try:
        for namespace in subject.namespaces:
            listing = await writer.list(_PODS, namespace, labels=f"{LABEL_MODEL}={guard.model}")
            for pod in listing.items:
                if dig(pod, "status", "phase") in ("Pending", "Running"):
                    return pod
    except ClusterError as error:
        return error
    return None


def _on_pod(found: LiveAttempts, guard: Guard, subject: Subject, pod: JsonObject) -> None:
    ref, container = ref_of(pod), dig(pod, "spec", "containers", 0, "name")
    if subject.model.match.images:
        containers = [{"name": container, "image": tagged(subject.model.match.images[0])}]
        send = _patch(ref, guard, {"spec": {"containers": containers}}, type_="strategic")
        found.denied.append(Attempt(words=f"another image of the model in {ref}", send=send))
    send = _patch(ref, guard, {"metadata": {"labels": {LABEL_MODEL: None}}})
    found.denied.append(Attempt(words=f"taking our label off {ref}", send=send))
    found.admitted.append(Attempt(words=f"an update of {ref} that changes nothing of it", send=_patch(ref, guard)))
    if dig(pod, "metadata", "finalizers"):
        send = _patch(ref, guard, {"metadata": {"finalizers": None}})
        found.admitted.append(Attempt(words=f"taking the finalizers off {ref}", send=send))


def _scale(ref: ObjectRef, replicas: int) -> Send:
    return lambda writer: writer.scale(ref, replicas, dry_run=True)


def _patch(
    ref: ObjectRef, guard: Guard, patch: JsonObject | None = None, *, type_: Literal["merge", "strategic"] = "merge"
) -> Send:
    metadata = {**(patch or {}).get("metadata", {}), "annotations": tag(guard)}
    return lambda writer: writer.patch(ref, {**(patch or {}), "metadata": metadata}, type_=type_, dry_run=True)


class NotCutYet(NotFound):
    """The route is still as it was before the cut, so there is nothing to undo."""

    code = "not-cut-yet"


def _undo(cut: RouteCut, guard: Guard) -> Send:
    """Give one field back what it was; the cut itself may be on its way still."""

    async def send(writer: ClusterWriter) -> object:
        live = await writer.get(cut.ref)
        if live is None:
            raise NotFound(f"{cut.ref} is not there")
        before = {field.pointer: field.before for field in cut.fields} or await _recorded(writer, cut, guard.model)
        for pointer, value in before.items():
            now = _at(live, pointer)
            if now != value:
                patch = [{"op": "remove", "path": pointer}] if value is None else [_put(pointer, value)]
                return await writer.patch(cut.ref, patch, type_="json", dry_run=True)
        raise NotCutYet(f"{cut.ref} is not cut")

    return send


def _put(pointer: str, value: object) -> JsonObject:
    is_element = pointer.rpartition("/")[2].isdigit()
    return {"op": "replace" if is_element else "add", "path": pointer, "value": value}


async def _recorded(writer: ClusterWriter, cut: RouteCut, model: str) -> dict[str, object]:
    """What the cluster's own restore record says, for a route that was cut by an earlier run."""
    name = RestoreRecord(model=model, ref=cut.ref, uid="", before={}).object_name
    secret = await writer.get(ObjectRef("v1", "Secret", SYSTEM_NAMESPACE, name))
    try:
        return dict(read_restore_record(secret).before) if secret is not None else {}
    except ValueError as error:
        raise NotFound(f"{cut.ref}: {error}") from error


def _at(obj: object, pointer: str) -> object:
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        obj = dig(obj, int(name) if isinstance(obj, list) and name.isdigit() else name)
    return obj
