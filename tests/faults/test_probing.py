"""The prober asks endpoints as a user would, and hands out what they say or that they say nothing."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest

from orchestrator.core.ports import HttpRequest
from orchestrator.delivery import HttpProber
from orchestrator.delivery.probing import BODY_LIMIT
from orchestrator.errors import Unreachable
from tests.faults.behaviours import hang, raw, reply, reset, truncated
from tests.faults.certificates import Authority
from tests.faults.conftest import Serve
from tests.faults.server import Behaviour, Connection, Seen, serving
from tests.faults.test_connecting import closed_port


@pytest.fixture
async def prober(authority: Authority) -> AsyncIterator[HttpProber]:
    context = ssl.create_default_context(cadata=authority.pem.decode())
    async with HttpProber({}, tls=context) as prober:
        yield prober


async def test_answer_is_handed_out(serve: Serve, prober: HttpProber) -> None:
    """Status, headers in lower case, and body; our headers arrive, credentials of clusters do not."""
    async with serve(reply(200, {"data": []}, {"X-Model": "fable-5"})) as server:
        url = f"https://127.0.0.1:{server.port}/v1/models?limit=1"
        answer = await prober.ask(HttpRequest(url=url, headers={"X-Probe": "yes"}))
        seen = server.requests[0]
    assert (answer.status, answer.headers["x-model"], answer.body) == (200, "fable-5", b'{"data":[]}')
    assert (seen.target, seen.headers["x-probe"]) == ("/v1/models?limit=1", "yes")
    assert "authorization" not in seen.headers


async def test_redirects_are_answers(serve: Serve, prober: HttpProber) -> None:
    """A redirect is told, not followed."""
    async with serve(reply(307, b"", {"Location": "https://127.0.0.1:1/"})) as server:
        answer = await prober.ask(HttpRequest(url=f"https://127.0.0.1:{server.port}/"))
    assert answer.status == 307


async def test_plain_http(prober: HttpProber) -> None:
    """An endpoint without TLS can be asked."""
    async with serving(reply(404, b"no"), None) as server:
        answer = await prober.ask(HttpRequest(url=f"http://127.0.0.1:{server.port}/", method="POST"))
        assert server.requests[0].method == "POST"
    assert (answer.status, answer.body) == (404, b"no")


async def test_endless_body_is_cut(serve: Serve, prober: HttpProber) -> None:
    """At most 1 MiB is read, however much comes, and the connection is left."""

    async def endless(seen: Seen, connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await connection.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    async with serve(endless) as server:
        answer = await prober.ask(HttpRequest(url=f"https://127.0.0.1:{server.port}/"))
        async with asyncio.timeout(3):
            while server.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert len(answer.body) == BODY_LIMIT


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (reset, "connection-lost"),
        (raw(b"nonsense\r\n\r\n"), "not-http"),
        (truncated({"a": "b"}), "truncated"),
        (hang, "timeout"),
    ],
    ids=["reset", "no HTTP", "truncated", "no answer"],
)
async def test_no_answer_is_unreachable(serve: Serve, prober: HttpProber, behaviour: Behaviour, code: str) -> None:
    """What is no complete answer is `Unreachable` with its reason, within the request's own time-out."""
    async with serve(behaviour) as server:
        with pytest.raises(Unreachable) as caught:
            await prober.ask(HttpRequest(url=f"https://127.0.0.1:{server.port}/", timeout=0.4))
    assert caught.value.code == code


async def test_certificates_are_verified(serve: Serve) -> None:
    """The system does not trust the test's authority, so nothing is sent."""
    async with serve(reply(200, b"")) as server, HttpProber({}) as prober:
        with pytest.raises(Unreachable) as caught:
            await prober.ask(HttpRequest(url=f"https://127.0.0.1:{server.port}/"))
        assert server.requests == []
    assert caught.value.code == "certificate"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://localhost/", "https://", "http://[::1", "nonsense"])
async def test_what_cannot_be_asked(prober: HttpProber, url: str) -> None:
    """Only http and https addresses are asked; anything else is an error, never a crash."""
    with pytest.raises(Unreachable):
        await prober.ask(HttpRequest(url=url))


async def test_header_that_cannot_be_sent(serve: Serve, prober: HttpProber) -> None:
    """A header with a line break is refused before anything is sent."""
    async with serve(reply(200, b"")) as server:
        with pytest.raises(Unreachable) as caught:
            await prober.ask(HttpRequest(url=f"https://127.0.0.1:{server.port}/", headers={"X": "a\r\nY: b"}))
        assert server.requests == []
    assert caught.value.code == "address"


async def test_refused(prober: HttpProber) -> None:
    """Nobody listens: `connection-refused`, which for a model that is off is good news."""
    with pytest.raises(Unreachable) as caught:
        await prober.ask(HttpRequest(url=f"http://127.0.0.1:{closed_port()}/"))
    assert caught.value.code == "connection-refused"


async def test_proxy_of_the_environment() -> None:
    """HTTP_PROXY is honoured, except for the machine itself."""
    async with serving(reply(200, b"from the proxy"), None) as proxy:
        environ = {"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}"}
        async with HttpProber(environ) as prober:
            answer = await prober.ask(HttpRequest(url="http://model.example/v1/models"))
            assert proxy.requests[0].target == "http://model.example/v1/models"
    assert answer.body == b"from the proxy"
