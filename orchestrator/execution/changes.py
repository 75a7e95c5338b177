"""One planned change, as requests: what each verb means on the wire, and what a rollback must know of it."""

from __future__ import annotations

from typing import Final

from orchestrator.core.objects import FIELD_MANAGER, LABEL_MODEL, JsonObject, ObjectRef, Resource, dig, ref_of
from orchestrator.core.plan import Change, Verb
from orchestrator.errors import Conflict, NotFound
from orchestrator.execution.outcome import Written
from orchestrator.execution.sending import Sender, digest_of

_PODS: Final = Resource("", "v1", "pods", "Pod")
_RACES: Final = 10
"""How often somebody else may write an object between our read and our write before we give up."""


async def send_change(sender: Sender, change: Change) -> None:
    """Send one change; `sender.written` has what took effect. Raises `ClusterError` or `Interrupted`."""
    match change.verb:
        case Verb.CREATE | Verb.APPLY:
            if change.manifest is None:
                raise ValueError(f"a plan that applies {change.ref} without a manifest")
            manifest = with_uid(change.manifest, change.uid)
            await apply(sender, change.verb, change.ref, manifest, forces=change.forces)
        case Verb.SCALE:
            await scale(sender, change.ref, change.replicas or 0, uid=change.uid)
        case Verb.LABEL:
            await label(sender, change.ref, sender.model, uid=change.uid)
        case Verb.DELETE:
            await delete(sender, change.ref, uid=change.uid)


async def apply(
    sender: Sender, verb: Verb, ref: ObjectRef, manifest: JsonObject, *, forces: tuple[tuple[str, str], ...] = ()
) -> JsonObject:
    """Server-side apply; fields of others are taken only when all that conflict are in `forces`."""
    writer = sender.ports.writer
    taken = {"takes": [f"{field} from {manager}" for field, manager in forces]} if forces else {}

    async def send() -> JsonObject:
        try:
            return await writer.apply(manifest)
        except Conflict as conflict:
            if not conflict.fields or not set(conflict.fields) <= set(forces):
                raise
        return await writer.apply(manifest, force=True)

    def trace(answer: JsonObject | None) -> Written:
        return Written(
            verb=verb,
            ref=ref,
            uid=dig(answer, "metadata", "uid"),
            generation=dig(answer, "metadata", "generation"),
            created=verb is Verb.CREATE and (answer is None or _is_ours_alone(answer)),
        )

    return await sender.send(verb.value, ref, send, trace=trace, digest=digest_of(manifest), **taken)


async def scale(
    sender: Sender, ref: ObjectRef, replicas: int, *, uid: str | None, live: JsonObject | None = None
) -> None:
    """Write `/scale` of the very object that was just read, here or by who gives it; one that is gone is stopped.

    Reading first gives the number that a rollback returns to, and a resourceVersion that binds the write to it.
    """
    written: Written | None = None
    for attempt in range(_RACES):
        if attempt > 0 or live is None:
            live = await sender.ports.writer.get(ref)
        if live is None:
            if replicas == 0:
                return
            raise NotFound(f"{ref} is gone", status=404)
        before = int(dig(live, "spec", "replicas", default=1))
        if written is not None and before == replicas:
            # Refused, yet there: our own write took effect and only its answer was lost.
            sender.remember("scale", ref, written)
            return
        written = _scaled(ref, live, before, replicas, uid)
        version = str(live["metadata"]["resourceVersion"])
        try:
            await _send_scale(sender, written, version)
        except Conflict:
            if attempt == _RACES - 1:
                raise
        else:
            return


def _scaled(ref: ObjectRef, live: JsonObject, before: int, after: int, uid: str | None) -> Written:
    live_uid = str(live["metadata"]["uid"])
    if uid is not None and uid != live_uid:
        raise Conflict(f"{ref} was replaced by another object since the plan was made")
    return Written(verb=Verb.SCALE, ref=ref, uid=live_uid, replicas_before=before, replicas=after)


async def _send_scale(sender: Sender, written: Written, version: str) -> None:
    ref, after = written.ref, written.replicas or 0
    numbers = {"before": written.replicas_before, "after": after}
    await sender.send(
        "scale",
        ref,
        lambda: sender.ports.writer.scale(ref, after, resource_version=version),
        trace=lambda answer: written,
        replicas=numbers,
        uid=written.uid,
    )


async def label(sender: Sender, ref: ObjectRef, model: str | None, *, uid: str | None) -> None:
    """Put our label on an object and, where it is a workload, on its running pods; None takes it off again.

    Only metadata is touched, never a template: no generation moves and no pod restarts.
    """
    writer = sender.ports.writer
    patch = with_uid({"metadata": {"labels": {LABEL_MODEL: model}}}, uid)

    def trace(answer: JsonObject | None) -> Written:
        return Written(verb=Verb.LABEL, ref=ref, uid=dig(answer, "metadata", "uid", default=uid))

    try:
        live = await sender.send("label", ref, lambda: writer.patch(ref, patch), trace=trace, label=model)
    except NotFound:
        if ref.kind == "Pod":
            return
        raise
    selector = selector_text(dig(live, "spec", "selector"))
    if ref.kind == "Pod" or selector is None:
        return
    for pod in (await writer.list(_PODS, ref.namespace, labels=selector)).items:
        if dig(pod, "metadata", "labels", LABEL_MODEL) != model:
            name, pod_uid = str(pod["metadata"]["name"]), str(pod["metadata"]["uid"])
            await label(sender, ObjectRef("v1", "Pod", ref.namespace, name), model, uid=pod_uid)


async def delete(sender: Sender, ref: ObjectRef, *, uid: str | None) -> None:
    """Delete the object with this uid; without one, the object that is there now."""
    writer = sender.ports.writer
    if uid is None:
        live = await writer.get(ref)
        if live is None:
            return
        uid = str(live["metadata"]["uid"])
    written = Written(verb=Verb.DELETE, ref=ref, uid=uid)
    precondition = uid
    await sender.send(
        "delete", ref, lambda: writer.delete(ref, uid=precondition), trace=lambda answer: written, uid=uid
    )


async def delete_as_read(sender: Sender, live: JsonObject) -> None:
    """Delete an object as it was read. Raises `Conflict` where somebody wrote to it since, and it stays."""
    ref, uid, version = ref_of(live), str(live["metadata"]["uid"]), str(live["metadata"]["resourceVersion"])
    written = Written(verb=Verb.DELETE, ref=ref, uid=uid)
    writer = sender.ports.writer
    await sender.send(
        "delete",
        ref,
        lambda: writer.delete(ref, uid=uid, resource_version=version),
        trace=lambda answer: written,
        uid=uid,
    )


def with_uid(manifest: JsonObject, uid: str | None) -> JsonObject:
    """The manifest or patch bound to the object that was looked at: the API server refuses it for any other."""
    return manifest if uid is None else {**manifest, "metadata": {**manifest.get("metadata", {}), "uid": uid}}


def selector_text(selector: object) -> str | None:
    """A LabelSelector as the API's query parameter; None when it selects nothing or is not understood."""
    if not isinstance(selector, dict) or not selector:
        return None
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, values = expression.get("key"), ",".join(expression.get("values") or [])
        match expression.get("operator"):
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(str(key))
            case "DoesNotExist":
                parts.append(f"!{key}")
            case _:
                return None
    return ",".join(parts) or None


def _is_ours_alone(answer: JsonObject) -> bool:
    """Whether our apply made the object: in the answer of a creation nobody else manages any field.

    Source: server-side apply keeps every manager's fields apart, and an object that was there has its creator's.
    """
    managers = {entry.get("manager") for entry in dig(answer, "metadata", "managedFields", default=[])}
    return managers == {FIELD_MANAGER}
