"""Faults of answers: what cannot be trusted is `Unreachable` with a reason, and never an absence."""

from __future__ import annotations

import asyncio
import gzip
import time

import orjson
import pytest

from orchestrator.core.objects import ObjectRef, Resource
from orchestrator.core.ports import Access
from orchestrator.delivery import FleetConnection, Timeouts
from orchestrator.delivery.transport import ANSWER_LIMIT
from orchestrator.errors import (
    ClusterError,
    Forbidden,
    Gone,
    NotFound,
    Overloaded,
    Unauthenticated,
    Unreachable,
    WrongCluster,
)
from tests.faults.behaviours import (
    KUBE_SYSTEM,
    Script,
    hang,
    pod,
    pod_list,
    raw,
    reply,
    reset,
    status,
    trickle,
    truncated,
)
from tests.faults.conftest import Serve
from tests.faults.fleets import Connect
from tests.faults.server import Behaviour

POD = ObjectRef("v1", "Pod", "default", "one")
PATH = "/api/v1/namespaces/default/pods/one"
PODS = "/api/v1/pods"
GROUPS = {"kind": "APIGroupList", "groups": [{"versions": [{"groupVersion": "apps/v1"}]}]}


async def get(connection: FleetConnection) -> object:
    return await connection.writer("c0").get(POD)


UNTRUSTED: dict[str, tuple[Behaviour, str]] = {
    "reset instead of an answer": (reset, "connection-lost"),
    "end instead of an answer": (raw(b""), "connection-lost"),
    "truncated body": (truncated(pod("one", 1)), "truncated"),
    "no JSON": (reply(200, b"<html>Welcome</html>"), "not-json"),
    "JSON, but no object": (reply(200, b"[1, 2]"), "not-json"),
    "deeply nested JSON": (reply(200, b"[" * 100_000), "not-json"),
    "another object": (reply(200, pod("two", 1)), "not-json"),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), "not-http"),
    "broken compression": (reply(200, b"no gzip", {"Content-Encoding": "gzip"}), "truncated"),
    "cut compression": (
        reply(200, gzip.compress(orjson.dumps(pod("one", 1)))[:-9], {"Content-Encoding": "gzip"}),
        "truncated",
    ),
    "a redirect": (reply(302, b"", {"Location": "https://127.0.0.1:1/"}), "redirect"),
    "a proxy's 403": (reply(403, b"<html>blocked by policy</html>"), "not-json"),
    "a proxy's 404": (reply(404, b"<html>no such page</html>"), "not-json"),
    "a 404 as Go programs send it": (reply(404, b"404 page not found\n", {"Content-Type": "text/plain"}), "not-json"),
    "no answer": (hang, "timeout"),
    "1 byte a second": (trickle(pod("one", 1), 1.0), "timeout"),
}


@pytest.mark.parametrize("name", UNTRUSTED)
async def test_untrustworthy_answer(serve: Serve, connect_to: Connect, name: str) -> None:
    """It is unreachable with its own code, before any caller's deadline, and never None or an object."""
    behaviour, code = UNTRUSTED[name]
    script = Script()
    script.on("GET", PATH, behaviour)
    script.on("GET", "/apis", reply(200, GROUPS))
    began = time.monotonic()
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Unreachable) as caught:
            await get(connection)
    assert caught.value.code == code
    assert time.monotonic() - began < 9


async def test_too_large(serve: Serve, connect_to: Connect) -> None:
    """A body beyond the limit is not read to its end, and a small one that unpacks to more is not unpacked."""
    bomb = gzip.compress(b" " * (ANSWER_LIMIT + 1))
    script = Script()
    script.on("GET", PATH, reply(200, bomb, {"Content-Encoding": "gzip"}))
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Unreachable) as caught:
            await get(connection)
    assert caught.value.code == "too-large"


async def test_recovers_from_passing_faults(serve: Serve, connect_to: Connect) -> None:
    """A read is repeated after a reset, a cut body, 500 and 503, and then succeeds."""
    script = Script()
    script.on("GET", PATH, reset, truncated(pod("one", 1)), status(500), status(503), reply(200, pod("one", 1)))
    async with serve(script) as server, connect_to(server.port, timeouts=Timeouts()) as connection:
        assert await get(connection) == pod("one", 1)
        assert len(server.asked("GET", PATH)) == 5


async def test_retry_after_is_honoured(serve: Serve, connect_to: Connect) -> None:
    """429 with Retry-After is asked again, but not before that many seconds."""
    script = Script()
    script.on("GET", PATH, status(429, headers={"Retry-After": "1"}), reply(200, pod("one", 1)))
    async with serve(script) as server, connect_to(server.port) as connection:
        began = time.monotonic()
        assert await get(connection)
        assert 1.0 <= time.monotonic() - began < 2.9


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
async def test_overloaded_for_good(serve: Serve, connect_to: Connect, code: int) -> None:
    """A server that stays overloaded is `Overloaded` with its message, and was asked more than once."""
    script = Script()
    script.on("GET", PATH, status(code, "busy\x1b[31m"))
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Overloaded) as caught:
            await get(connection)
        assert 1 < len(server.asked("GET", PATH)) < 20
    assert caught.value.status == code
    assert "\x1b" not in caught.value.message


async def test_401_without_another_credential(serve: Serve, connect_to: Connect) -> None:
    """A token that is refused is not sent again."""
    script = Script()
    script.on("GET", PATH, status(401, "Unauthorized"))
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Unauthenticated):
            await get(connection)
        assert len(server.asked("GET", PATH)) == 1
        assert server.requests[0].headers["authorization"] == "Bearer t0ken"


async def test_403_names_the_permission(serve: Serve, connect_to: Connect) -> None:
    """A missing permission names verb, resource and place."""
    script = Script()
    script.on("GET", PATH, status(403, 'pods "one" is forbidden: User "u" cannot get resource "pods"', "Forbidden"))
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Forbidden) as caught:
            await get(connection)
    assert "get pods in default" in caught.value.message


async def test_absence_is_believed_from_the_server_itself(serve: Serve, connect_to: Connect) -> None:
    """None for an object whose 404 is a Status, and for an API that the server's own list does not have."""
    script = Script()
    script.on("GET", PATH, status(404, 'pods "one" not found', "NotFound"))
    script.on("GET", "/apis/unknown.example/v1", reply(404, b"404 page not found\n"))
    script.on("GET", "/apis", reply(200, GROUPS))
    async with serve(script) as server, connect_to(server.port) as connection:
        assert await get(connection) is None
        assert await connection.writer("c0").get(ObjectRef("unknown.example/v1", "Foo", "default", "x")) is None


@pytest.mark.parametrize("is_version_there", [False, True])
async def test_a_kind_in_another_version_is_not_absent(
    serve: Serve, connect_to: Connect, is_version_there: bool
) -> None:
    """An upgrade that stops serving a version deletes nothing: its objects only go by another name."""
    versions = [{"groupVersion": "serving.example/v1"}]
    script = Script()
    empty = {"kind": "APIResourceList", "resources": []}
    asked = reply(200, empty) if is_version_there else reply(404, b"404 page not found\n")
    script.on("GET", "/apis/serving.example/v1beta1", asked)
    things = [{"name": "things", "kind": "Thing", "namespaced": True}]
    script.on("GET", "/apis/serving.example/v1", reply(200, {"kind": "APIResourceList", "resources": things}))
    script.on("GET", "/apis", reply(200, {"kind": "APIGroupList", "groups": [{"versions": versions}]}))
    async with serve(script) as server, connect_to(server.port) as connection:
        writer = connection.writer("c0")
        with pytest.raises(ClusterError, match=r"serving\.example/v1:") as caught:
            await writer.get(ObjectRef("serving.example/v1beta1", "Thing", "default", "x"))
        assert (caught.value.code, isinstance(caught.value, NotFound)) == ("other-version", False)
        assert await writer.get(ObjectRef("serving.example/v1beta1", "Other", "default", "x")) is None


async def test_api_that_vanishes_behind_a_balancer_is_not_absent(serve: Serve, connect_to: Connect) -> None:
    """When even the list of APIs is answered 404, something else than an API server answers."""
    script = Script()
    for path in ("/apis/unknown.example/v1", "/apis"):
        script.on("GET", path, reply(404, b"404 page not found\n"))
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Unreachable):
            await connection.writer("c0").get(ObjectRef("unknown.example/v1", "Foo", "default", "x"))


async def test_wrong_cluster_gets_one_request(serve: Serve, connect_to: Connect) -> None:
    """Whatever is asked of a cluster other than the pinned one, only its identity was ever asked for."""
    async with serve(Script()) as server, connect_to(server.port, uid="another") as connection:
        writer = connection.writer("c0")
        for attempt in (writer.identify, writer.version, lambda: writer.get(POD), lambda: writer.apply(pod("one", 1))):
            with pytest.raises(WrongCluster) as caught:
                await attempt()
            assert caught.value.code == "wrong-cluster"
        with pytest.raises(WrongCluster):
            async for _ in writer.follow(await _pods(connection)):
                pass
        assert [seen.path for seen in server.requests] == [KUBE_SYSTEM]


async def _pods(connection: FleetConnection) -> Resource:
    return await connection.writer("c0").resource("v1", "Pod")


async def test_identity_is_asked_once(serve: Serve, connect_to: Connect) -> None:
    """Many calls at once, and many after, cost one request for the identity."""
    script = Script()
    script.on("GET", PATH, reply(200, pod("one", 1)))
    async with serve(script) as server, connect_to(server.port) as connection:
        await asyncio.gather(*(get(connection) for _ in range(10)))
        await get(connection)
        assert len(server.asked("GET", KUBE_SYSTEM)) == 1


async def test_pages_are_joined(serve: Serve, connect_to: Connect) -> None:
    """Pages become one list, and every item says what it is."""
    script = Script()
    script.on("GET", PODS, reply(200, pod_list(7, ["a", "b"], token="more")), reply(200, pod_list(7, ["c"])))
    async with serve(script) as server, connect_to(server.port) as connection:
        listing = await connection.writer("c0").list(await _pods(connection))
        first, second = server.asked("GET", PODS)
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b", "c"]
    assert {(item["apiVersion"], item["kind"]) for item in listing.items} == {("v1", "Pod")}
    assert (listing.resource_version, first.query["limit"], second.query["continue"]) == ("7", "100", "more")
    assert "resourceVersion" not in first.query


async def test_list_that_expires_while_paging(serve: Serve, connect_to: Connect) -> None:
    """A list is begun anew when its pages expire, the last time in one piece, and then given up."""
    expired = status(410, "too old", "Expired")
    page = reply(200, pod_list(7, ["a"], token="more"))
    script = Script()
    script.on("GET", PODS, page, expired, page, expired, reply(200, pod_list(9, ["a", "b"])))
    async with serve(script) as server, connect_to(server.port) as connection:
        listing = await connection.writer("c0").list(await _pods(connection))
        assert "limit" not in server.asked("GET", PODS)[-1].query
        script.on("GET", PODS, expired)
        with pytest.raises(Gone):
            await connection.writer("c0").list(await _pods(connection))
    assert len(listing.items) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "Pod"},
        {"kind": "PodList", "items": []},
        {"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": [1]},
    ],
)
async def test_what_is_no_list_is_no_empty_list(serve: Serve, connect_to: Connect, body: object) -> None:
    """An answer without the shape of a list never counts as "there are none"."""
    script = Script()
    script.on("GET", PODS, reply(200, body))
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Unreachable):
            await connection.writer("c0").list(await _pods(connection))


async def test_names_never_climb_out_of_their_path(serve: Serve, connect_to: Connect) -> None:
    """A hostile name is refused before anything is sent."""
    async with serve(Script()) as server, connect_to(server.port) as connection:
        for name in ("..", ".", "a/b", "a%2fb", "", "a\nb"):
            with pytest.raises(ClusterError):
                await connection.writer("c0").get(ObjectRef("v1", "Pod", "default", name))
        assert {seen.path for seen in server.requests} <= {KUBE_SYSTEM}


async def test_access_reviews(serve: Serve, connect_to: Connect) -> None:
    """A review asks for the subresource by itself, and only `true` is yes."""
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    script = Script()
    script.on("POST", path, reply(201, {"status": {"allowed": True}}), reply(201, {"status": {"allowed": "yes"}}))
    async with serve(script) as server, connect_to(server.port) as connection:
        access = Access("patch", "apps", "deployments/scale", "default")
        assert await connection.writer("c0").allows(access) is True
        assert await connection.writer("c0").allows(access) is False
        spec = server.asked("POST", path)[0].json["spec"]
    assert spec == {
        "resourceAttributes": {
            "verb": "patch",
            "group": "apps",
            "resource": "deployments",
            "subresource": "scale",
            "namespace": "default",
        }
    }


async def test_not_served_is_not_found_for_lists(serve: Serve, connect_to: Connect) -> None:
    """A list of an API that is not served raises `NotFound`."""
    script = Script()
    script.on("GET", "/apis/unknown.example/v1/foos", reply(404, b"404 page not found\n"))
    script.on("GET", "/apis", reply(200, GROUPS))
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(NotFound):
            await connection.writer("c0").list(Resource("unknown.example", "v1", "foos", "Foo"))
