"""What a guard refuses that is deleted already is tried again; what a guard refuses that stands is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.core.objects import JsonObject, ObjectRef
from orchestrator.errors import Forbidden, Invalid
from orchestrator.execution.putting_back import once_admitted
from orchestrator.execution.sending import Sender

NAME = "orchestrator.guard.7b5e31d1d5138572.fable-5"
REFUSED = (
    f"deployments.apps \"d\" is forbidden: ValidatingAdmissionPolicy '{NAME}' with binding '{NAME}' denied request"
)


class Clock:
    now = 0.0

    def elapsed(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class Server:
    """Refuses twice; `stands` is whether the policy that refuses is still there."""

    def __init__(self, message: str, *, stands: bool) -> None:
        self.message, self.stands, self.writes = message, stands, 0

    async def get(self, ref: ObjectRef) -> JsonObject | None:
        assert (ref.kind, ref.name) == ("ValidatingAdmissionPolicy", NAME)
        return {"metadata": {"name": NAME}} if self.stands else None

    async def write(self) -> str:
        self.writes += 1
        if self.writes < 3:
            raise Invalid(self.message)
        return "written"


def _sender(server: Server) -> Sender:
    ports: Any = SimpleNamespace(clock=Clock(), writer=server)
    return cast(Sender, SimpleNamespace(ports=ports))


async def test_the_guard_of_another_order_that_was_lifted_a_moment_ago_is_waited_out() -> None:
    server = Server(REFUSED, stands=False)
    assert await once_admitted(_sender(server), (), server.write) == "written"


@pytest.mark.parametrize(("message", "stands"), [(REFUSED, True), ("spec.replicas: Invalid value", False)])
async def test_what_stands_and_what_is_none_of_ours_is_refused_at_once(message: str, stands: bool) -> None:
    server = Server(message, stands=stands)
    with pytest.raises(Invalid):
        await once_admitted(_sender(server), (), server.write)
    assert server.writes == 1


async def test_what_was_refused_is_told_where_nobody_may_look_at_guards() -> None:
    class Closed(Server):
        async def get(self, ref: ObjectRef) -> JsonObject | None:
            raise Forbidden("may not get policies")

    server = Closed(REFUSED, stands=False)
    with pytest.raises(Invalid):
        await once_admitted(_sender(server), (), server.write)
