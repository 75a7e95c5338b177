"""Writes whose answer is lost: never repeated harmfully, never reported as failed when they took effect."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.errors import ClusterError, Conflict, Invalid, Overloaded, Unreachable
from tests.faults.behaviours import Script, reply, reset, status
from tests.faults.conftest import Serve
from tests.faults.fleets import Connect
from tests.faults.server import Behaviour, Connection, Seen

REF = ObjectRef("v1", "ConfigMap", "default", "one")
PATH = "/api/v1/namespaces/default/configmaps"
DEPLOYMENT = ObjectRef("apps/v1", "Deployment", "default", "one")
SCALE = "/apis/apps/v1/namespaces/default/deployments/one/scale"


def config_map(value: str, **metadata: str) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "one", "namespace": "default", **metadata},
        "data": {"key": value},
    }


class Store:
    """One object, which the server keeps even when its answer never arrives."""

    def __init__(self, obj: JsonObject | None = None) -> None:
        self.obj = obj
        self.writes = 0

    async def get(self, seen: Seen, connection: Connection) -> None:
        behaviour = status(404, "not found", "NotFound") if self.obj is None else reply(200, self.obj)
        await behaviour(seen, connection)

    def takes(self, answer: Behaviour) -> Behaviour:
        """Store what is sent, then answer like this."""

        async def behave(seen: Seen, connection: Connection) -> None:
            self.writes += 1
            self.obj = dict(seen.json)
            await answer(seen, connection)

        return behave


EXISTS = status(409, 'configmaps "one" already exists', "AlreadyExists")
MODIFIED = status(409, "the object has been modified", "Conflict")


async def test_create_that_took_effect_is_no_error(serve: Serve, connect_to: Connect) -> None:
    """The repetition meets our own object: what is there is what was created."""
    store, script = Store(), Script()
    script.on("POST", PATH, store.takes(reset), EXISTS)
    script.on("GET", f"{PATH}/one", store.get)
    async with serve(script) as server, connect_to(server.port) as connection:
        created = await connection.writer("c0").create(config_map("mine"))
    assert created["data"] == {"key": "mine"}


async def test_create_that_meets_another_is_a_conflict(serve: Serve, connect_to: Connect) -> None:
    """When somebody else's object is there, the first writer won, and it was not us."""
    store, script = Store(config_map("theirs")), Script()
    script.on("POST", PATH, reset, EXISTS)
    script.on("GET", f"{PATH}/one", store.get)
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Conflict):
            await connection.writer("c0").create(config_map("mine"))


async def test_create_that_never_arrived_is_repeated(serve: Serve, connect_to: Connect) -> None:
    """A create lost before the server took it is simply made."""
    store, script = Store(), Script()
    script.on("POST", PATH, reset, store.takes(reply(201, config_map("mine"))))
    async with serve(script) as server, connect_to(server.port) as connection:
        await connection.writer("c0").create(config_map("mine"))
    assert store.writes == 1


async def test_conflict_at_once_is_not_looked_into(serve: Serve, connect_to: Connect) -> None:
    """Without a lost answer an object of the same content is still somebody's: `Conflict`, and nothing is read."""
    script = Script()
    script.on("POST", PATH, EXISTS)
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Conflict):
            await connection.writer("c0").create(config_map("mine"))
        assert server.asked("GET", f"{PATH}/one") == []


async def test_generated_names_are_never_created_twice(serve: Serve, connect_to: Connect) -> None:
    """An object whose name the server makes up is sent once, and a lost answer is an error that says so."""
    script = Script()
    script.on("POST", PATH, reset)
    obj = config_map("mine")
    obj["metadata"] = {"generateName": "one-", "namespace": "default"}
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Unreachable):
            await connection.writer("c0").create(obj)
        assert len(server.asked("POST", PATH)) == 1


async def test_replace_that_took_effect_is_no_error(serve: Serve, connect_to: Connect) -> None:
    """The repetition of a replace meets the version it made itself."""
    store, script = Store(), Script()
    script.on("PUT", f"{PATH}/one", store.takes(reset), MODIFIED)
    script.on("GET", f"{PATH}/one", store.get)
    async with serve(script) as server, connect_to(server.port) as connection:
        assert await connection.writer("c0").replace(config_map("mine", resourceVersion="5"))


async def test_replace_that_somebody_else_preceded(serve: Serve, connect_to: Connect) -> None:
    """A conflict over other content stays a conflict."""
    store, script = Store(config_map("theirs")), Script()
    script.on("PUT", f"{PATH}/one", reset, MODIFIED)
    script.on("GET", f"{PATH}/one", store.get)
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Conflict):
            await connection.writer("c0").replace(config_map("mine", resourceVersion="5"))


async def test_replace_needs_a_version(serve: Serve, connect_to: Connect) -> None:
    """A replace without resourceVersion would overwrite whatever is there: it is not sent."""
    async with serve(Script()) as server, connect_to(server.port) as connection:
        with pytest.raises(Invalid):
            await connection.writer("c0").replace(config_map("mine"))
        assert server.asked("PUT", f"{PATH}/one") == []


async def test_apply_is_repeated(serve: Serve, connect_to: Connect) -> None:
    """Server-side apply says what should be, so a lost answer is asked for again."""
    store, script = Store(), Script()
    script.on("PATCH", f"{PATH}/one", store.takes(reset), store.takes(reply(200, config_map("mine"))))
    async with serve(script) as server, connect_to(server.port) as connection:
        await connection.writer("c0").apply(config_map("mine"), force=True)
        sent = server.asked("PATCH", f"{PATH}/one")[0]
    assert store.writes == 2
    assert sent.headers["content-type"] == "application/apply-patch+yaml"
    assert sent.query == {"fieldManager": "orchestrator", "fieldValidation": "Strict", "force": "true"}


async def test_apply_whose_answers_never_come_is_unknown(serve: Serve, connect_to: Connect) -> None:
    """When nobody can look either, the error says that the effect is not known."""
    script = Script()
    script.on("PATCH", f"{PATH}/one", reset)
    script.on("GET", f"{PATH}/one", reset)
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Unreachable, match="not known"):
            await connection.writer("c0").apply(config_map("mine"))


async def test_scale_without_version_is_sent_once(serve: Serve, connect_to: Connect) -> None:
    """A repetition could undo a takedown that came in between; so it is looked into, not repeated."""
    script = Script()
    script.on("PATCH", SCALE, reset)
    script.on("GET", SCALE, reply(200, {"kind": "Scale", "spec": {"replicas": 0}}))
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Unreachable, match="not known"):
            await connection.writer("c0").scale(DEPLOYMENT, 3)
        assert len(server.asked("PATCH", SCALE)) == 1


async def test_scale_that_took_effect_is_no_error(serve: Serve, connect_to: Connect) -> None:
    """When `/scale` says what was written, it was."""
    script = Script()
    script.on("PATCH", SCALE, reset)
    script.on("GET", SCALE, reply(200, {"kind": "Scale", "spec": {"replicas": 3}}))
    async with serve(script) as server, connect_to(server.port) as connection:
        scale = await connection.writer("c0").scale(DEPLOYMENT, 3)
    assert scale["spec"] == {"replicas": 3}


async def test_scale_with_version_is_repeated(serve: Serve, connect_to: Connect) -> None:
    """With a version it cannot undo anybody's write: the repetition that meets its own success is one."""
    script = Script()
    script.on("PATCH", SCALE, reset, MODIFIED)
    script.on("GET", SCALE, reply(200, {"kind": "Scale", "spec": {"replicas": 3}}))
    async with serve(script) as server, connect_to(server.port) as connection:
        assert await connection.writer("c0").scale(DEPLOYMENT, 3, resource_version="5")
        assert len(server.asked("PATCH", SCALE)) == 2
        assert orjson.loads(server.asked("PATCH", SCALE)[0].body)["metadata"] == {"resourceVersion": "5"}


@pytest.mark.parametrize(
    ("patch", "sent"), [({"metadata": {"uid": "u", "labels": {"a": "b"}}}, 2), ({"data": {"key": "x"}}, 1)]
)
async def test_patches_are_repeated_only_with_a_precondition(
    serve: Serve, connect_to: Connect, patch: dict[str, Any], sent: int
) -> None:
    """A uid or version in the patch lets it be repeated; without it, it goes out once."""
    script = Script()
    script.on("PATCH", f"{PATH}/one", reset, reply(200, config_map("x")))
    script.on("GET", f"{PATH}/one", reply(200, config_map("other")))
    async with serve(script) as server, connect_to(server.port) as connection:
        try:
            await connection.writer("c0").patch(REF, patch)
        except Unreachable:
            assert sent == 1
        assert len(server.asked("PATCH", f"{PATH}/one")) == sent


async def test_500_to_a_write_without_precondition(serve: Serve, connect_to: Connect) -> None:
    """A server error may hide a success: not repeated, and told as unknown."""
    script = Script()
    script.on("PATCH", SCALE, status(500, "etcd: request timed out"))
    script.on("GET", SCALE, reply(200, {"kind": "Scale", "spec": {"replicas": 0}}))
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Overloaded, match="not known"):
            await connection.writer("c0").scale(DEPLOYMENT, 3)
        assert len(server.asked("PATCH", SCALE)) == 1


@pytest.mark.parametrize("code", [429, 503])
async def test_writes_turned_away_are_always_repeated(serve: Serve, connect_to: Connect, code: int) -> None:
    """The server did nothing and says when to come back: even a write without precondition does."""
    script = Script()
    script.on("PATCH", SCALE, status(code, headers={"Retry-After": "0"}), reply(200, {"kind": "Scale"}))
    async with serve(script) as server, connect_to(server.port) as connection:
        await connection.writer("c0").scale(DEPLOYMENT, 3)
        assert len(server.asked("PATCH", SCALE)) == 2


async def test_delete_is_repeated_and_gone_is_done(serve: Serve, connect_to: Connect) -> None:
    """Deleting by uid may be repeated: 404 then means that it is done."""
    script = Script()
    gone = status(404, "not found", "NotFound")
    script.on("DELETE", f"{PATH}/one", reset, gone)
    script.on("GET", f"{PATH}/one", gone)
    async with serve(script) as server, connect_to(server.port) as connection:
        await connection.writer("c0").delete(REF, uid="u", grace_seconds=0)
        sent = server.asked("DELETE", f"{PATH}/one")[0].json
    assert (sent["preconditions"], sent["gracePeriodSeconds"]) == ({"uid": "u"}, 0)
    assert sent["propagationPolicy"] == "Background"


async def test_delete_leaves_a_successor_alone(serve: Serve, connect_to: Connect) -> None:
    """An object of the same name with another uid means that ours is gone: nothing more happens."""
    script = Script()
    script.on("DELETE", f"{PATH}/one", status(409, "Precondition failed: UID", "Conflict"))
    script.on("GET", f"{PATH}/one", reply(200, config_map("x", uid="successor")))
    async with serve(script) as server, connect_to(server.port) as connection:
        await connection.writer("c0").delete(REF, uid="u")


async def test_delete_that_is_refused_is_a_conflict(serve: Serve, connect_to: Connect) -> None:
    """When our object is still there, the refusal is told."""
    script = Script()
    script.on("DELETE", f"{PATH}/one", status(409, "not now", "Conflict"))
    script.on("GET", f"{PATH}/one", reply(200, config_map("x", uid="u")))
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(Conflict):
            await connection.writer("c0").delete(REF, uid="u")


async def test_garbage_after_a_write_is_a_lost_answer(serve: Serve, connect_to: Connect) -> None:
    """A 200 that is no object does not count as success until the object itself says so."""
    store, script = Store(), Script()
    script.on("POST", PATH, store.takes(reply(200, b"<html>")), EXISTS)
    script.on("GET", f"{PATH}/one", store.get)
    async with serve(script) as server, connect_to(server.port) as connection:
        assert (await connection.writer("c0").create(config_map("mine")))["data"] == {"key": "mine"}


async def test_dry_runs_are_never_looked_into(serve: Serve, connect_to: Connect) -> None:
    """A dry-run changes nothing, so nothing that is there proves it."""
    script = Script()
    script.on("POST", PATH, reset)
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(ClusterError):
            await connection.writer("c0").create(config_map("mine"), dry_run=True)
        assert server.asked("GET", f"{PATH}/one") == []
        assert server.asked("POST", PATH)[0].query["dryRun"] == "All"


async def test_cancelling_a_write_leaves_nothing_behind(serve: Serve, connect_to: Connect) -> None:
    """A caller that gives up ends the request and its connection."""

    async def never(seen: Seen, connection: Connection) -> None:
        await asyncio.Event().wait()

    script = Script()
    script.on("POST", PATH, never)
    async with serve(script) as server, connect_to(server.port) as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await connection.writer("c0").create(config_map("mine"))
        async with asyncio.timeout(2):
            while server.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
