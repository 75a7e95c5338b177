"""The faults: each thing that can go wrong between a command and a cluster, by name."""

from __future__ import annotations

import base64
import json
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.conftest import ControlPlanes, TestWorkspace, command_line
from tests.cluster.faults.chains import Fault
from tests.cluster.faults.stand import IMPATIENT, Stand
from tests.cluster.test_broken_clusters import dead_port
from tests.faults import failing
from tests.faults.behaviours import hang, reply, reset, status
from tests.faults.certificates import Authority
from tests.faults.proxy import ApiServer, Mutate, ProxyThread, Upstream, is_watch, is_write
from tests.faults.server import Behaviour, Seen

JsonObject = dict[str, Any]


@contextmanager
def standing(planes: ControlPlanes, proxies: ProxyThread, folder: Path) -> Iterator[Stand]:
    """A stand with a model of its own, which nothing has switched on yet; nothing of it stays behind."""
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    root = folder / "workspace"
    root.mkdir()
    fleet = yaml.safe_load(planes.fleet_file.read_text())
    fleet["spec"]["kubeconfig"] = str(planes.kubeconfig)
    (root / "fleet.yaml").write_text(yaml.safe_dump(fleet, sort_keys=False))
    authority = Authority()
    planes.everywhere("create", "namespace", namespace)
    with ExitStack() as stack:
        stack.callback(_clean_up, planes, namespace)
        document = yaml.safe_load(planes.kubeconfig.read_text())
        upstream = Upstream.of(*_parts(document, planes.clusters[-1]), folder)
        open_proxy = partial(proxies.proxy, upstream, folder=folder)
        proxy = stack.enter_context(open_proxy(authority.issue("127.0.0.1")))
        workspace = TestWorkspace(root, namespace)
        yield Stand(planes, workspace, command_line(planes, folder), proxy, authority, folder, open_proxy)


def _parts(document: JsonObject, context_name: str) -> tuple[JsonObject, JsonObject]:
    context = next(one["context"] for one in document["contexts"] if one["name"] == context_name)
    cluster = next(one["cluster"] for one in document["clusters"] if one["name"] == context["cluster"])
    user = next(one["user"] for one in document["users"] if one["name"] == context["user"])
    return cluster, user


def _clean_up(planes: ControlPlanes, namespace: str) -> None:
    planes.everywhere("delete", "namespace", namespace, "--wait=false", check=False)
    planes.clear_away([namespace])


def refused(stand: Stand, stack: ExitStack) -> JsonObject:
    """Nobody listens."""
    return {"server": f"https://127.0.0.1:{dead_port()}"}


def black_hole(stand: Stand, stack: ExitStack) -> JsonObject:
    """Connections are taken, and nothing ever comes of them."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    return {"server": f"https://127.0.0.1:{listener.getsockname()[1]}"}


def unknown_name(stand: Stand, stack: ExitStack) -> JsonObject:
    """The name does not resolve."""
    return {"server": "https://no-such-host.invalid:6443"}


def wrong_authority(stand: Stand, stack: ExitStack) -> JsonObject:
    """The kubeconfig trusts somebody else."""
    return {"certificate-authority-data": base64.b64encode(Authority("somebody else").pem).decode()}


def expired(stand: Stand, stack: ExitStack) -> JsonObject:
    """A certificate that ran out yesterday."""
    return {"server": stack.enter_context(stand.open_proxy(stand.authority.issue("127.0.0.1", days=-1))).url}


def plugin(*after_first: str) -> Any:
    """A user whose credential plugin prints token-1, token-2, …, or runs something else from the second time on."""

    def user(stand: Stand) -> JsonObject:
        version = "client.authentication.k8s.io/v1"
        answer = json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": {"token": "token-N"}})
        path, runs = stand.folder / "login", stand.folder / "runs"
        runs.unlink(missing_ok=True)
        path.write_text(
            f"#!/bin/sh\necho >> {runs}\nN=$(wc -l < {runs} | tr -d ' ')\n"
            + "".join(f'[ "$N" = 1 ] || {line}\n' for line in after_first)
            + f"echo '{answer}' | sed s/token-N/token-$N/\n"
        )
        path.chmod(0o755)
        return {"exec": {"apiVersion": version, "command": str(path), "interactiveMode": "Never"}}

    return user


@contextmanager
def stale(stand: Stand, command: str) -> Iterator[failing.Failing]:
    """A cache that remembers the model switched off, while its pods are slow to go: a finalizer keeps them."""
    cache = failing.StaleReads()
    if command not in _SWITCHING_OFF:
        stand.proxy.do(cache.remember(stand.proxy.api_server))
        stand.do("status", stand.kubeconfig())
        yield cache
        return
    stand.settle("disable").expect(0)
    stand.proxy.do(cache.remember(stand.proxy.api_server))
    words = ("verify", stand.model, "--expect", "disabled", "--kubeconfig", str(stand.kubeconfig()), "-o", "json")
    stand.run("-C", str(stand.workspace.root), *words).expect(0)
    stand.settle("enable").expect(0)
    _finalize_pods(stand, ["example.org/slow"])
    try:
        yield cache
    finally:
        _finalize_pods(stand, None)


def _finalize_pods(stand: Stand, finalizers: list[str] | None) -> None:
    patch = json.dumps({"metadata": {"finalizers": finalizers}})
    for pod in stand.planes.read(stand.ill, "pods", "-n", stand.model)["items"]:
        name = pod["metadata"]["name"]
        stand.planes.kubectl(stand.ill, "-n", stand.model, "patch", "pod", name, "--type=merge", "-p", patch)


@contextmanager
def silence_with_pods(stand: Stand, command: str) -> Iterator[failing.Failing]:
    """Once a command has begun to switch the model off, its pods start by themselves, and no watch tells of it."""
    begun, over = threading.Event(), threading.Event()
    thread = threading.Thread(target=_start_pods, args=(stand, begun, over), daemon=True)

    def silent(api: ApiServer) -> Mutate:
        watches = failing.silent_watches(api)

        def mutate(seen: Seen) -> Behaviour | None:
            if is_write(seen) and seen.path.endswith("/scale"):
                begun.set()
            return watches(seen)

        return mutate

    if command in _SWITCHING_OFF:
        thread.start()
    try:
        yield silent
    finally:
        over.set()
        if thread.ident is not None:
            thread.join()
            stand.planes.kubectl(stand.ill, "-n", stand.model, "delete", "pods", "-l", "stray", "--wait=false")


def _start_pods(stand: Stand, begun: threading.Event, over: threading.Event) -> None:
    """One after the other, each a second, once something was scaled; a guard may refuse them."""
    number = 0
    while not over.wait(0.5):
        if not begun.is_set():
            continue
        number += 1
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"stray-{number}",
                "namespace": stand.model,
                "labels": {"orchestrator.dev/model": stand.model, "stray": ""},
            },
            "spec": {"containers": [{"name": "server", "image": "registry.example/server:1"}]},
        }
        stand.planes.kubectl(stand.ill, "create", "-f", "-", stdin=json.dumps(pod), check=False)


@contextmanager
def dead_webhook(stand: Stand, command: str) -> Iterator[None]:
    """A real webhook on everything in the model's namespace, and nobody behind it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        rules = [
            {"apiGroups": ["apps"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"], "scope": "*"},
        ]
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        client = {"url": url, "caBundle": base64.b64encode(stand.authority.pem).decode()}
        webhook = {
            "name": "dead.example.org",
            "clientConfig": client,
            "rules": rules,
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": stand.model}},
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "timeoutSeconds": 2,
            "admissionReviewVersions": ["v1"],
        }
        body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": f"dead-{stand.model}"},
            "webhooks": [webhook],
        }
        stand.planes.kubectl(stand.ill, "create", "-f", "-", stdin=json.dumps(body))
        try:
            yield None
        finally:
            stand.planes.kubectl(stand.ill, "delete", "validatingwebhookconfiguration", f"dead-{stand.model}")


_SWITCHING_OFF = ("disable", "takedown", "disable --hold")
CONFLICT = status(409, "the object has been modified; please apply your changes to the latest version", "Conflict")
GONE = status(410, "too old resource version", "Expired")
LATER = status(429, "too many requests", "TooManyRequests", {"Retry-After": "1"})
BROKEN = status(500, "etcdserver: request timed out", "InternalError")
DOWN = status(503, "the server is currently unable to handle the request", "ServiceUnavailable")

FAULTS = {
    fault.name: fault
    for fault in (
        Fault("none"),
        Fault("refused", server=refused),
        Fault("black hole", server=black_hole, root=IMPATIENT),
        Fault("black hole from the first write on", failing.from_first_write(hang), root=IMPATIENT),
        Fault("reset from the first write on", failing.from_first_write(reset)),
        Fault("reset before each write", failing.once(is_write, lambda api: reset)),
        Fault("reset during each write", failing.once(is_write, failing.reset_during)),
        Fault("reset after each write", failing.once(is_write, failing.reset_after)),
        Fault("2 s latency", failing.slow(2)),
        Fault("1 byte/s", failing.byte_by_byte, root=IMPATIENT),
        Fault("truncated bodies", failing.truncated),
        Fault("no JSON", failing.always(reply(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}))),
        Fault("401, plugin refreshes", failing.Token(15), user=plugin()),
        Fault("401, plugin hangs", failing.Token(15), user=plugin("exec sleep 1000"), patience=30),
        *(
            Fault(f"403 to {verb}", failing.forbidden(verb))
            for verb in ("get", "list", "watch", "create", "update", "patch", "delete")
        ),
        Fault("404 on apps", failing.not_served("apps", listed=True)),
        Fault("404 on apps, not listed", failing.not_served("apps", listed=False)),
        Fault("404 on guards, not listed", failing.not_served("admissionregistration.k8s.io", listed=False)),
        Fault("409 to writes", failing.on_writes(CONFLICT)),
        Fault("410 once to each watch", failing.once(is_watch, lambda api: GONE)),
        Fault("410 once to each list", failing.once(failing.is_list, lambda api: GONE)),
        Fault("410 to each further page", failing.expiring_pages(GONE)),
        Fault("429 once to everything", failing.once(lambda seen: True, lambda api: LATER)),
        Fault("429 for ever", failing.always(LATER)),
        Fault("500 to writes", failing.on_writes(BROKEN)),
        Fault("500 once to each write", failing.once(is_write, lambda api: BROKEN)),
        Fault("503", failing.always(DOWN)),
        Fault("wrong CA", server=wrong_authority),
        Fault("expired certificate", server=expired),
        Fault("DNS failure", server=unknown_name),
        Fault("watches cut each second", failing.cut_watches(1)),
        Fault("silent watches", failing.silent_watches),
        Fault("silent watches while pods start", around=silence_with_pods),
        Fault("stale reads after a write", around=stale, more=("--soak", "0s")),
        Fault("a webhook that times out", around=dead_webhook),
    )
}
