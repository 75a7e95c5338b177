"""The check `http`: against a real server on loopback, and by its pure rule."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from orchestrator.checks.http import Answer, Params, address_of, gather, judge
from orchestrator.core.check import CheckContext
from orchestrator.core.schema import Seconds
from orchestrator.core.verdict import Readiness
from orchestrator.delivery import HttpProber, SystemClock


def _context() -> CheckContext:
    return CheckContext(cluster="eu-west-1", region="eu-west", model="fable-5", clock=SystemClock())


class Endpoint:
    """Answers in turn; the last answer stays."""

    def __init__(self, *answers: web.Response | int) -> None:
        self._answers = list(answers)
        self.paths: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return web.Response(status=answer, text="fable-5 is here") if isinstance(answer, int) else answer


Serve = Callable[[Endpoint], Awaitable[str]]


@pytest.fixture
async def prober() -> AsyncIterator[HttpProber]:
    async with HttpProber({}) as opened:
        yield opened


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    runners: list[web.AppRunner] = []

    async def start(endpoint: Endpoint) -> str:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", endpoint.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        return f"http://127.0.0.1:{port}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_it_passes_once_the_endpoint_answers_as_expected(serve: Serve, prober: HttpProber) -> None:
    """A 503 while the first pod starts is asked again."""
    endpoint = Endpoint(503, 503, 200)
    params = Params(url=await serve(endpoint), path="/v1/{model}", within=Seconds(20))
    answer = await gather(params, _context(), prober)
    assert judge(params, answer).readiness is Readiness.DONE
    assert endpoint.paths == ["/v1/fable-5"] * 3


async def test_it_fails_when_the_time_is_over(serve: Serve, prober: HttpProber) -> None:
    """The last answer counts, and is named."""
    params = Params(url=await serve(Endpoint(500)), within=Seconds(1))
    assessment = judge(params, await gather(params, _context(), prober))
    assert assessment.readiness is Readiness.FAILED
    assert "answers 500 instead of 200" in assessment.reasons[0].message


async def test_nobody_there_is_unknown(prober: HttpProber) -> None:
    """Silence neither passes nor proves a failure of the model."""
    params = Params(url="http://127.0.0.1:1", within=Seconds(0.5))
    assessment = judge(params, await gather(params, _context(), prober))
    assert assessment.readiness is Readiness.UNKNOWN
    assert assessment.reasons[0].code == "no-answer"


async def test_a_redirect_is_an_answer(serve: Serve, prober: HttpProber) -> None:
    """Where an endpoint sends its users is part of what it answers: it is not followed."""
    params = Params(url=await serve(Endpoint(302)), expect_status=302, within=Seconds(1))
    assert judge(params, await gather(params, _context(), prober)).readiness is Readiness.DONE


async def test_the_text_is_looked_for(serve: Serve, prober: HttpProber) -> None:
    """Only an answer with the expected text passes."""
    url = await serve(Endpoint(200))
    found = Params(url=url, contains="fable-5", within=Seconds(1))
    missing = Params(url=url, contains="mythos-5", within=Seconds(1))
    assert judge(found, await gather(found, _context(), prober)).readiness is Readiness.DONE
    assert judge(missing, await gather(missing, _context(), prober)).readiness is Readiness.FAILED


@pytest.mark.parametrize(
    ("url", "path", "address"),
    [
        ("https://{cluster}.example", None, "https://eu-west-1.example"),
        ("https://{region}.example/", "/{model}/health", "https://eu-west.example/fable-5/health"),
        ("https://a.example/base", "x?y={model}", "https://a.example/base/x?y=fable-5"),
    ],
)
def test_names_are_filled_in(url: str, path: str | None, address: str) -> None:
    """Cluster, region and model, in the URL and in the path."""
    assert address_of(Params(url=url, path=path), _context()) == address


def test_a_name_stays_one_segment() -> None:
    """Names come from documents; none becomes a path."""
    context = CheckContext(cluster="../admin", region="r", model="m", clock=SystemClock())
    assert address_of(Params(url="https://a.example/{cluster}"), context) == "https://a.example/..%2Fadmin"


def test_judging_is_pure() -> None:
    """The same answer gives the same verdict, whenever it was seen."""
    params = Params(url="http://a", contains="x")
    assert judge(params, Answer(url="http://a", status=200, contains=True)).readiness is Readiness.DONE
    assert judge(params, Answer(url="http://a", status=200)).readiness is Readiness.FAILED
