"""The small parts: breaker, single flight, paths and discovery, clock."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.core.objects import Resource
from orchestrator.delivery.breaker import CircuitBreaker
from orchestrator.delivery.clock import SystemClock
from orchestrator.delivery.faults import NotSent
from orchestrator.delivery.resources import BUILT_IN, discovered, group_path, resource_path
from orchestrator.delivery.sharing import SingleFlight
from orchestrator.errors import Invalid, Unreachable
from tests.unit.delivery.clocks import ManualClock

CAUSE = Unreachable("gone", code="timeout")
PODS, NODES = BUILT_IN["v1", "Pod"], BUILT_IN["v1", "Node"]


class TestBreaker:
    def test_opens_after_two_failures_with_their_cause(self) -> None:
        breaker = CircuitBreaker(ManualClock(), 5)
        breaker.failed(CAUSE)
        breaker.admit()
        breaker.failed(CAUSE)
        with pytest.raises(NotSent) as caught:
            breaker.admit()
        assert (caught.value.code, "gone" in caught.value.message) == ("timeout", True)

    def test_admits_one_trial_after_its_rest(self) -> None:
        clock = ManualClock()
        breaker = CircuitBreaker(clock, 5)
        breaker.failed(CAUSE)
        breaker.failed(CAUSE)
        clock.seconds += 5
        breaker.admit()
        with pytest.raises(NotSent):
            breaker.admit()

    def test_any_answer_closes_it(self) -> None:
        breaker = CircuitBreaker(ManualClock(), 5)
        breaker.failed(CAUSE)
        breaker.failed(CAUSE)
        breaker.answered()
        breaker.admit()
        breaker.failed(CAUSE)
        breaker.admit()


class TestSingleFlight:
    async def test_all_share_one_errand_and_its_failure(self) -> None:
        runs = 0

        async def errand() -> int:
            nonlocal runs
            runs += 1
            await asyncio.sleep(0)
            if runs == 1:
                raise CAUSE
            return runs

        flight = SingleFlight(errand)
        outcomes = await asyncio.gather(*(flight() for _ in range(5)), return_exceptions=True)
        assert outcomes == [CAUSE] * 5
        assert await flight() == 2

    async def test_errand_ends_with_the_last_who_waits(self) -> None:
        ended = asyncio.Event()

        async def errand() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        flight = SingleFlight(errand)
        waiting = [asyncio.create_task(flight()) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0.01)
        assert not ended.is_set()
        waiting[1].cancel()
        await asyncio.wait_for(ended.wait(), 1)


class TestPaths:
    def test_paths(self) -> None:
        scale = resource_path(BUILT_IN["apps/v1", "Deployment"], "default", "fable", "scale")
        assert scale == "/apis/apps/v1/namespaces/default/deployments/fable/scale"
        assert resource_path(PODS) == "/api/v1/pods"
        assert resource_path(NODES, "ignored", "n1") == "/api/v1/nodes/n1"
        assert resource_path(NODES, "", "system:x") == "/api/v1/nodes/system%3Ax"
        assert group_path("v1") == "/api/v1"

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2Fb", "a\nb", "a\x00"])
    def test_hostile_names(self, name: str) -> None:
        with pytest.raises(Invalid):
            resource_path(NODES, "", name)

    def test_object_without_namespace(self) -> None:
        with pytest.raises(Invalid, match="namespace"):
            resource_path(PODS, "", "one")

    @pytest.mark.parametrize("api_version", ["../v1", "a/../v1", "a/b/c"])
    def test_hostile_groups(self, api_version: str) -> None:
        with pytest.raises(Invalid):
            group_path(api_version)

    def test_discovery_leaves_out_subresources_and_nonsense(self) -> None:
        answer = {
            "resources": [
                {"name": "things", "kind": "Thing", "namespaced": True},
                {"name": "things/scale", "kind": "Scale", "namespaced": True},
                {"name": 7, "kind": "Seven"},
                "text",
            ]
        }
        assert discovered("x.example/v1", answer) == {"Thing": Resource("x.example", "v1", "things", "Thing")}
        assert discovered("x.example/v1", {"resources": "none"}) == {}


async def test_system_clock() -> None:
    """Wall time has a zone; elapsed time goes on while asleep."""
    clock = SystemClock()
    before = clock.elapsed()
    await clock.sleep(0.01)
    assert clock.elapsed() - before >= 0.009
    assert clock.now().tzinfo is not None
