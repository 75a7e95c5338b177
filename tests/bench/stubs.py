"""One stub of an API server: a few kinds in memory, which answer as a real server was recorded to answer.

It stands for a cluster in the measures of scale, where only our own side is counted and timed. It knows lists, watches,
server-side apply, `/scale`, preconditions, dry runs, the refusals of a bound guard, and pods that end or become ready
after a set time. Nothing about truth rests on it.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

JsonObject = dict[str, Any]
Key = tuple[str, str]
"""(group/version, plural)."""
Place = tuple[str, str]
"""(namespace, name)."""
DEPLOYMENTS: Key = ("apps/v1", "deployments")
PODS: Key = ("v1", "pods")
SLICES: Key = ("discovery.k8s.io/v1", "endpointslices")
BINDINGS: Key = ("admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings")
_LABEL = "orchestrator.dev/model"
_CLUSTER_WIDE = ("nodes", "namespaces", "gatewayclasses", "validatingadmissionpolicies", BINDINGS[1])
FIRST_WRITES = ("scale", "httproutes", BINDINGS[1], "validatingadmissionpolicies")
ACTIVE_AFTER = 0.3
"""Seconds from a binding to the first refusal: 0.3 to 0.5 on a real server."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, its path taken apart."""

    method: str
    key: Key
    namespace: str
    name: str
    subresource: str
    query: dict[str, str]
    type: str
    body: Any

    @property
    def is_dry(self) -> bool:
        return "dryRun" in self.query


@dataclass(slots=True)
class Watch:
    """Somebody who wants to hear of changes."""

    key: Key
    namespace: str
    labels: str
    send: Callable[[JsonObject], None]


@dataclass(slots=True)
class Recorded:
    """What a real server said: objects by the path of their list, and a sample of each kind of answer."""

    objects: dict[str, JsonObject]
    kinds: dict[str, JsonObject]
    served: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def read(cls, content: bytes) -> Recorded:
        found = orjson.loads(content)
        groups = found["objects"]["/apis"]["body"]["groups"]
        served = {version["groupVersion"] for group in groups for version in group["versions"]}
        return cls(found["objects"], found["kinds"], frozenset({"v1", *served}))


class StubCluster:
    """One cluster in memory."""

    def __init__(self, recorded: Recorded, uid: str, *, is_enabled: bool, seconds: float) -> None:
        self._recorded, self._seconds, self.uid = recorded, seconds, uid
        self.requests = 0
        self.writes = 0
        self.began: float | None = None
        """When it was first asked anything, on the loop's clock."""
        self.first_writes: dict[str, tuple[float, Any]] = {}
        """When the guard, its binding, the route and the scale were first written, and what was sent."""
        self._version = 100_000
        self._store: dict[Key, dict[Place, JsonObject]] = {}
        self._history: list[tuple[int, Key, JsonObject]] = []
        self._watches: list[Watch] = []
        self._guards: dict[str, float] = {}
        self._template: JsonObject = {}
        for path, answer in recorded.objects.items():
            self._seed(path, answer["body"], is_enabled=is_enabled)
        self._store["v1", "namespaces"]["", "kube-system"]["metadata"]["uid"] = uid

    def _seed(self, path: str, body: JsonObject, *, is_enabled: bool) -> None:
        asked = parse("GET", path, b"", "")
        if "items" not in body and body.get("kind") != "Namespace":
            return
        items = body.get("items", [body])
        api_version, kind = body["apiVersion"], body["kind"].removesuffix("List")
        place = self._store.setdefault(asked.key, {})
        for item in items or ():
            obj = {"apiVersion": api_version, "kind": kind, **copy.deepcopy(item)}
            if asked.key == PODS:
                self._template = obj
            metadata = obj["metadata"]
            is_kept = asked.key[1] in ("nodes", "namespaces", "httproutes") or is_enabled
            if is_kept and "kube-root" not in metadata["name"]:
                place[metadata.get("namespace", ""), metadata["name"]] = obj

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """Status and body; text is no JSON."""
        self.requests += 1
        self.began = self.began or asyncio.get_running_loop().time()
        if not asked.key[1]:
            return 200, self._recorded.objects[asked.key[0]]["body"]
        if asked.key[0] not in self._recorded.served:
            return 404, self._recorded.kinds["not served"]["body"]
        if asked.method == "GET":
            return self._read(asked)
        if asked.key[1].startswith("selfsubject"):
            return 201, self._recorded.kinds["actor"]["body"]
        if not asked.is_dry:
            self.writes += 1
        return self._write(asked)

    def _read(self, asked: Asked) -> tuple[int, Any]:
        found = self._store.get(asked.key, {})
        if asked.name:
            obj = found.get((asked.namespace, asked.name))
            return (200, obj) if obj is not None else self._missing(asked)
        labels = asked.query.get("labelSelector", "")
        items = [obj for place, obj in found.items() if fits(obj, asked.namespace, labels)]
        kind = next((obj["kind"] for obj in items), asked.key[1].title())
        metadata = {"resourceVersion": str(self._version)}
        return 200, {"kind": f"{kind}List", "apiVersion": asked.key[0], "metadata": metadata, "items": items}

    def _write(self, asked: Asked) -> tuple[int, Any]:  # noqa: PLR0911 - an answer for each case
        body = asked.body or {}
        name = asked.name or body.get("metadata", {}).get("name", "")
        namespace = asked.namespace
        old = self._store.setdefault(asked.key, {}).get((namespace, name))
        if asked.method == "POST" and old is not None and not asked.is_dry:
            return 409, self._recorded.kinds["exists"]["body"]
        if asked.method in ("PUT", "DELETE") and old is None:
            return self._missing(asked)
        if asked.method == "DELETE":
            self._drop(asked.key, (namespace, name))
            return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        if asked.method == "PATCH" and old is None and "apply" not in asked.type:
            return self._missing(asked)
        version = body.get("metadata", {}).get("resourceVersion") if isinstance(body, dict) else None
        if old is not None and version not in (None, old["metadata"]["resourceVersion"]):
            return 409, self._recorded.kinds["conflict"]["body"]
        try:
            new = changed(asked, old)
        except ValueError:
            return 422, {**self._recorded.kinds["conflict"]["body"], "code": 422, "reason": "Invalid"}
        if denial := self._denial(asked, old, new):
            return int(denial["code"]), denial
        return self._keep(asked, (namespace, name), old, new)

    def _keep(self, asked: Asked, place: Place, old: JsonObject | None, new: JsonObject) -> tuple[int, Any]:
        metadata = {**new.get("metadata", {}), "name": place[1]}
        metadata.setdefault("uid", f"{place[1]}-{self._version}")
        if place[0]:
            metadata["namespace"] = place[0]
        is_new = old is None or old.get("spec") != new.get("spec")
        metadata["generation"] = metadata.get("generation", 0) + int(is_new)
        new = {**new, "metadata": metadata}
        if not asked.is_dry:
            self._put(asked.key, place, new)
            what = asked.subresource or asked.key[1]
            if what in FIRST_WRITES:
                self.first_writes.setdefault(what, (asyncio.get_running_loop().time(), asked.body))
            if asked.key == BINDINGS:
                self._guards[new["spec"]["policyName"]] = asyncio.get_running_loop().time() + ACTIVE_AFTER
            if asked.key == DEPLOYMENTS and is_new:
                self._roll(place)
        else:
            metadata.setdefault("resourceVersion", str(self._version))
        if asked.subresource == "scale":
            scale = copy.deepcopy(self._recorded.kinds["scale"]["body"])
            scale["metadata"]["resourceVersion"] = metadata["resourceVersion"]
            scale["spec"]["replicas"] = new["spec"]["replicas"]
            return 200, scale
        return (201 if old is None else 200), new

    def _put(self, key: Key, place: Place, obj: JsonObject) -> None:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        is_known = place in self._store.setdefault(key, {})
        self._store[key][place] = obj
        self._tell(key, "MODIFIED" if is_known else "ADDED", obj)

    def _drop(self, key: Key, place: Place) -> None:
        self._version += 1
        obj = self._store[key].pop(place)
        self._tell(key, "DELETED", {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._version)}})

    def _tell(self, key: Key, type_: str, obj: JsonObject) -> None:
        event = {"type": type_, "object": obj}
        self._history.append((self._version, key, event))
        del self._history[:-50]
        for watch in self._watches:
            if watch.key == key and fits(obj, watch.namespace, watch.labels):
                watch.send(event)

    def watch(self, asked: Asked, send: Callable[[JsonObject], None]) -> Watch:
        """Send what happened since the version that was asked for, and whatever happens from now on."""
        watch = Watch(asked.key, asked.namespace, asked.query.get("labelSelector", ""), send)
        since = int(asked.query.get("resourceVersion") or 0)
        for version, key, event in self._history:
            if version > since and key == watch.key and fits(event["object"], watch.namespace, watch.labels):
                send(event)
        self._watches.append(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Send nothing more."""
        self._watches.remove(watch)

    def _roll(self, place: Place) -> None:
        """What controllers do: mark pods that have to go and end them later, make pods and let them be ready later."""
        live = self._store[DEPLOYMENTS][place]
        wanted = live["spec"].setdefault("replicas", 1)
        pods = [one for one, pod in self._store.get(PODS, {}).items() if one[0] == place[0]]
        for one in pods[wanted:]:
            pod = self._store[PODS][one]
            if "deletionTimestamp" not in pod["metadata"]:
                metadata = {**pod["metadata"], "deletionTimestamp": "2026-11-23T20:45:01Z"}
                self._put(PODS, one, {**pod, "metadata": metadata})
        for number in range(len(pods), wanted):
            pod = copy.deepcopy(self._template)
            name = f"{place[1]}-{self._version}-{number}"
            pod["metadata"] |= {"name": name, "namespace": place[0], "uid": name}
            self._put(PODS, (place[0], name), pod)
        asyncio.get_running_loop().call_later(self._seconds, self._settle, place)

    def _settle(self, place: Place) -> None:
        live = self._store[DEPLOYMENTS][place]
        wanted = live["spec"]["replicas"]
        for one, pod in list(self._store.get(PODS, {}).items()):
            if one[0] == place[0] and "deletionTimestamp" in pod["metadata"]:
                self._drop(PODS, one)
        if not wanted:
            for one, found in list(self._store.get(SLICES, {}).items()):
                self._put(SLICES, one, {**found, "endpoints": []})
        counts = dict.fromkeys(("replicas", "readyReplicas", "availableReplicas", "updatedReplicas"), wanted)
        conditions = self._recorded_status().get("conditions", [])
        seen = {"observedGeneration": live["metadata"]["generation"], "conditions": conditions}
        self._put(DEPLOYMENTS, place, {**live, "status": {**seen, **(counts if wanted else {})}})

    def _recorded_status(self) -> JsonObject:
        path = next(path for path in self._recorded.objects if path.endswith("/deployments"))
        status: JsonObject = self._recorded.objects[path]["body"]["items"][0]["status"]
        return status

    def _missing(self, asked: Asked) -> tuple[int, Any]:
        return 404, self._recorded.kinds["missing"]["body"]

    def _denial(self, asked: Asked, old: JsonObject | None, new: JsonObject) -> JsonObject | None:
        """A bound guard's refusal in its own words, as recorded."""
        now = asyncio.get_running_loop().time()
        guard = next((name for name, since in self._guards.items() if since <= now), None)
        if guard is None or not is_refused(asked, old, new):
            return None
        sample = self._recorded.kinds["denied"]["body"]
        digest, _, model = guard.removeprefix("orchestrator.guard.").partition(".")
        message = sample["message"]
        recorded = message.split("ValidatingAdmissionPolicy '")[1].split("'")[0]
        old_digest, _, old_model = recorded.removeprefix("orchestrator.guard.").partition(".")
        message = message.replace(recorded, guard).replace(f"{old_digest}/{old_model}", f"{digest}/{model}")
        return {**sample, "message": message}


def is_refused(asked: Asked, old: JsonObject | None, new: JsonObject) -> bool:
    """Whether a guard refuses a change: new pods of the model, more replicas, marks that go, a route that reopens."""

    def mark(obj: JsonObject) -> Any:
        return (obj.get("metadata", {}).get("labels") or {}).get(_LABEL)

    if asked.key == PODS:
        return mark(new) is not None if old is None else mark(old) != mark(new)
    if old is None:
        return False
    if asked.key == DEPLOYMENTS:
        templates = [obj["spec"]["template"] for obj in (old, new)]
        is_more = new["spec"].get("replicas", 1) > old["spec"].get("replicas", 1)
        return is_more or mark(old) != mark(new) or mark(templates[0]) != mark(templates[1])
    return asked.key[1] == "httproutes" and asked.is_dry and old["spec"] != new["spec"]


def changed(asked: Asked, old: JsonObject | None) -> JsonObject:
    """The object as a write makes it. Raises ValueError where a test of a JSON patch fails."""
    if asked.method in ("POST", "PUT"):
        return dict(asked.body)
    if isinstance(asked.body, list):
        new = copy.deepcopy(old or {})
        for step in asked.body:
            _step(new, step)
        return new
    return merged(old or {}, asked.body)


def merged(old: Any, patch: Any) -> Any:
    """As a merge patch (RFC 7386) makes it; lists are replaced."""
    if not isinstance(patch, dict):
        return patch
    new = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            new.pop(name, None)
        else:
            new[name] = merged(new.get(name), value)
    return new


def _step(obj: Any, step: JsonObject) -> None:
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
    for part in way:
        obj = obj[int(part)] if isinstance(obj, list) else obj.setdefault(part, {})
    where: Any = int(last) if isinstance(obj, list) and last.isdigit() else last
    match step["op"]:
        case "test":
            found = obj[where] if isinstance(obj, list) else obj.get(where)
            if found != step.get("value"):
                raise ValueError(step["path"])
        case "remove":
            del obj[where]
        case "add" if isinstance(obj, list):
            obj.insert(len(obj) if where == "-" else where, step["value"])
        case _:
            obj[where] = step["value"]


def fits(obj: JsonObject, namespace: str, selector: str) -> bool:
    """Whether an object is in a namespace, any when empty, and has labels: `key=value` or `key`, with commas."""
    metadata = obj["metadata"]
    if namespace and metadata.get("namespace") != namespace:
        return False
    labels = metadata.get("labels") or {}
    wanted: Iterable[tuple[str, str, str]] = (part.partition("=") for part in selector.split(",") if part)
    return all(key in labels and (not sign or labels[key] == value) for key, sign, value in wanted)


def parse(method: str, target: str, body: bytes, type_: str) -> Asked:
    """A request; what is no collection or object of a kind has its whole path in the place of its group."""
    parts = urlsplit(target)
    segments = [unquote(one) for one in parts.path.split("/")[1:]]
    if len(segments) < 3 or (segments[0] == "apis" and len(segments) < 4):
        key, rest = (parts.path, ""), []
    elif segments[0] == "api":
        key, rest = ("v1", ""), segments[2:]
    else:
        key, rest = (f"{segments[1]}/{segments[2]}", ""), segments[3:]
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest, "", "", "")[:3]
    if plural in _CLUSTER_WIDE:
        namespace = ""
    content = orjson.loads(body) if body else None
    query = dict(parse_qsl(parts.query)) if parts.query else {}
    return Asked(method, (key[0], plural), namespace, name, subresource, query, type_, content)
