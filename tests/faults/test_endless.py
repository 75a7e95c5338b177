"""A server that never comes to an end, or answers as deep as the parser permits, costs its own cluster and no more."""

from __future__ import annotations

import pytest

from orchestrator.delivery import reading
from orchestrator.errors import Unreachable
from tests.faults.behaviours import Script, pod_list, reply
from tests.faults.conftest import Serve
from tests.faults.fleets import Connect

PODS = "/api/v1/pods"


async def test_a_list_that_always_promises_another_page_is_given_up(
    serve: Serve, connect_to: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page is small and comes at once, so that no time-out and no size would ever end it."""
    monkeypatch.setattr(reading, "_MOST_PAGES", 20)
    script = Script()
    script.on("GET", PODS, reply(200, pod_list(7, ["a"], token="more")))
    async with serve(script) as server, connect_to(server.port) as connection:
        writer = connection.writer("c0")
        with pytest.raises(Unreachable) as caught:
            await writer.list(await writer.resource("v1", "Pod"))
        assert len(server.asked("GET", PODS)) == 20
    assert caught.value.code == "too-large"


@pytest.mark.parametrize("depth", [900, 2000])
async def test_objects_nested_without_end_are_read_or_refused(serve: Serve, connect_to: Connect, depth: int) -> None:
    """The parser refuses more than 1024 levels; up to there an object is one like any other."""
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    body = b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[{"spec":' + nested + b"}]}"
    script = Script()
    script.on("GET", PODS, reply(200, body))
    async with serve(script) as server, connect_to(server.port) as connection:
        writer = connection.writer("c0")
        pods = await writer.resource("v1", "Pod")
        if depth < 1024:
            assert len((await writer.list(pods)).items) == 1
        else:
            with pytest.raises(Unreachable, match="not JSON"):
                await writer.list(pods)
