"""Writing back what a restore record says: fields by JSON patch, replicas by `/scale`, deleted objects anew.

Each write is bound to the object that was just read. What the takedown's guard still refuses, because an API server
has not yet heard that it is gone, is tried again for a while.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from orchestrator import plugins
from orchestrator.core.comparison import differences
from orchestrator.core.holds import RestoreRecord
from orchestrator.core.objects import JsonObject, ObjectRef, dig
from orchestrator.errors import ClusterError, Conflict
from orchestrator.execution import changes
from orchestrator.execution.observing import observe
from orchestrator.execution.sending import Sender

T = TypeVar("T")

REPLICAS: Final = "/spec/replicas"
_OWN_TO_THE_SERVER: Final = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
_GUARD_LINGERS: Final = 15.0
"""Seconds after its deletion in which an API server may still enforce a policy; they load them asynchronously."""
_PAUSE: Final = 0.25
_GUARD: Final = re.compile(r"ValidatingAdmissionPolicy '(orchestrator\.guard\.[^']+)'")


def wakes(record: RestoreRecord) -> bool:
    """Whether putting this back makes pods run or lets somebody do so; anything else leads traffic to them."""
    kind = plugins.kinds().get(record.ref.group_kind)
    is_known = kind is not None and (kind.workload is not None or kind.scaler is not None or kind.deploys)
    return REPLICAS in record.before or record.whole is not None or is_known


def field_patch(live: JsonObject, fields: Mapping[str, Any]) -> list[JsonObject]:
    """The JSON patch after which each pointer has its value, and one whose value is None is not there.

    Empty where all of it is so already. Source: RFC 6902, RFC 6901.
    """
    after = copy.deepcopy(live)
    found: list[JsonObject] = []
    for pointer, value in fields.items():
        operation = _operation(after, _tokens(pointer), value)
        if operation is not None:
            found.append(operation)
    return found


def values_of(live: JsonObject, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What the pointers have now; None for one that is not there."""
    return {pointer: _look_up(live, _tokens(pointer)) for pointer in fields}


async def put_fields(sender: Sender, record: RestoreRecord, fields: Mapping[str, Any]) -> bool:
    """Patch fields of an object to these values; False where the object is gone, True also where nothing was due."""
    writer, ref = sender.ports.writer, record.ref
    live = await writer.get(ref)
    if live is None:
        return False
    operations = field_patch(live, fields)
    if operations:
        uid = str(live["metadata"]["uid"])
        patch = [{"op": "test", "path": "/metadata/uid", "value": uid}, *operations]
        observe(sender, live, "before")
        written = await sender.send(
            "patch", ref, lambda: writer.patch(ref, patch, type_="json"), fields=sorted(fields), uid=uid
        )
        observe(sender, written, "after")
    return True


async def put_replicas(sender: Sender, record: RestoreRecord, replicas: int) -> bool:
    """Write `/scale` where it differs; False where the object is gone."""
    live = await sender.ports.writer.get(record.ref)
    if live is None:
        return False
    if dig(live, "spec", "replicas", default=1) != replicas:
        observe(sender, live, "before")
        await changes.scale(sender, record.ref, replicas, uid=str(live["metadata"]["uid"]))
    return True


async def start_one(sender: Sender, record: RestoreRecord) -> None:
    """Give a stopped workload its first replica; one that runs already, or is gone, is left as it is."""
    live = await sender.ports.writer.get(record.ref)
    if live is not None and dig(live, "spec", "replicas", default=1) == 0:
        observe(sender, live, "before")
        await changes.scale(sender, record.ref, 1, uid=str(live["metadata"]["uid"]))


async def make_again(sender: Sender, record: RestoreRecord) -> bool:
    """Make an object that had to be deleted; whether it is there as it was, and no other one that somebody made.

    One that is there already may be ours: of a restore that was cut off.
    """
    writer = sender.ports.writer
    whole = record.whole or {}
    metadata = {key: value for key, value in whole.get("metadata", {}).items() if key not in _OWN_TO_THE_SERVER}
    obj = {**{key: value for key, value in whole.items() if key != "status"}, "metadata": metadata}
    live = await writer.get(record.ref)
    if live is None:
        try:
            made = await sender.send("create", record.ref, lambda: writer.create(obj))
        except Conflict:
            live = await writer.get(record.ref)
        else:
            observe(sender, made, "after")
            return True
    return live is not None and not differences(obj, live)


async def once_admitted(sender: Sender, digests: Iterable[str], write: Callable[[], Awaitable[T]]) -> T:
    """The result of a write, tried again while a guard that is deleted still refuses it: of these digests, or any."""
    clock = sender.ports.clock
    ends = clock.elapsed() + _GUARD_LINGERS
    while True:
        try:
            return await write()
        except ClusterError as error:
            if clock.elapsed() >= ends or not await _lingers(sender, error, digests):
                raise
        await clock.sleep(_PAUSE)


async def _lingers(sender: Sender, error: ClusterError, digests: Iterable[str]) -> bool:
    """Whether a guard refuses that is gone already: an API server names the policy, ours has the digest in its name.

    Another order over the model may have been lifted a moment ago: of its guard only the API server tells.
    """
    if any(digest[:16] in error.message for digest in digests):
        return True
    named = _GUARD.search(error.message)
    if named is None:
        return False
    policy = ObjectRef("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "", named[1])
    try:
        return await sender.ports.writer.get(policy) is None
    except ClusterError:  # what was refused is told, not what could not be found out about it
        return False


def _tokens(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _pointer(tokens: list[str]) -> str:
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)


def _look_up(obj: Any, tokens: list[str]) -> Any:
    for token in tokens:
        obj = dig(obj, _step(obj, token))
    return obj


def _step(obj: Any, token: str) -> str | int:
    return int(token) if isinstance(obj, list) and token.isdigit() else token


def _operation(after: JsonObject, tokens: list[str], value: Any) -> JsonObject | None:
    """The operation for one pointer, done to `after` as well: several may lead into one object that is missing."""
    current = _look_up(after, tokens)
    if current == value:
        return None
    parent = _look_up(after, tokens[:-1])
    if current is not None:
        last = _step(parent, tokens[-1])
        if value is None:
            del parent[last]
            return {"op": "remove", "path": _pointer(tokens)}
        parent[last] = value
        return {"op": "replace", "path": _pointer(tokens), "value": copy.deepcopy(value)}
    depth = len(tokens) - 1
    while depth and not isinstance(_look_up(after, tokens[:depth]), dict | list):
        depth -= 1
    for token in reversed(tokens[depth + 1 :]):
        value = {token: value}
    place = _look_up(after, tokens[:depth])
    if isinstance(place, list):
        place.append(value)
        return {"op": "add", "path": _pointer([*tokens[:depth], "-"]), "value": copy.deepcopy(value)}
    place[tokens[depth]] = value
    return {"op": "add", "path": _pointer(tokens[: depth + 1]), "value": copy.deepcopy(value)}
