"""Credentials: kept while they last, renewed once for all, and never replaced by nothing."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.limits import limited
from orchestrator.delivery.credentials import Credential, Credentials, PluginSource
from orchestrator.delivery.entries import ClientCertificate, ExecSpec, Server, User
from orchestrator.delivery.exec_plugin import ExecRunner
from orchestrator.errors import Unauthenticated
from tests.unit.delivery.clocks import ManualClock

SPEC = ExecSpec(command="/bin/login", api_version="client.authentication.k8s.io/v1")
SERVER = Server(url="https://one.example")


class Plugin:
    """Stands for the process: the next of these statuses, or errors, each time it is run."""

    def __init__(self, *statuses: dict[str, Any] | Unauthenticated) -> None:
        self.statuses = list(statuses)
        self.runs = 0

    async def __call__(self) -> dict[str, Any]:
        self.runs += 1
        await asyncio.sleep(0)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(status, Unauthenticated):
            raise status
        return {"status": status}


def source(clock: ManualClock, plugin: Plugin, user: User | None = None) -> PluginSource:
    return PluginSource(plugin, user or User(plugin=SPEC), SPEC, clock)


def expiring(clock: ManualClock, token: str, seconds: float) -> dict[str, Any]:
    return {"token": token, "expirationTimestamp": (clock.now() + timedelta(seconds=seconds)).isoformat()}


def sources(clock: ManualClock) -> Credentials:
    return Credentials(ExecRunner(1, {}), clock)


async def test_static_credentials() -> None:
    """A token is a bearer token, a user name is basic authentication, and 401 has no second answer."""
    given = sources(ManualClock())
    token = given.source(User(token="t"), SERVER)
    basic = given.source(User(username="u", password="p"), SERVER)
    assert (await token.current()).authorization == "Bearer t"
    assert (await basic.current()).authorization == "Basic dTpw"
    assert await token.renewed(await token.current()) is None


async def test_nothing_goes_over_plain_http() -> None:
    """As with kubectl, an http server is shown no credential."""
    plain = sources(ManualClock()).source(User(token="t"), Server(url="http://127.0.0.1:8001"))
    assert await plain.current() == Credential()


class TestTokenFile:
    async def test_is_read_again_after_a_minute(self, tmp_path: Path) -> None:
        clock, path = ManualClock(), tmp_path / "token"
        path.write_text("first\n")
        token = sources(clock).source(User(token="inline", token_file=path), SERVER)
        assert (await token.current()).authorization == "Bearer first"
        path.write_text("second\n")
        assert (await token.current()).authorization == "Bearer first"
        clock.seconds += 60
        assert (await token.current()).authorization == "Bearer second"

    async def test_is_read_again_when_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "token"
        path.write_text("first")
        token = sources(ManualClock()).source(User(token_file=path), SERVER)
        refused = await token.current()
        assert await token.renewed(refused) is None
        path.write_text("second")
        assert await token.renewed(refused) == Credential("Bearer second")

    async def test_last_token_stays_when_the_file_vanishes(self, tmp_path: Path) -> None:
        clock, path = ManualClock(), tmp_path / "token"
        path.write_text("first")
        token = sources(clock).source(User(token_file=path), SERVER)
        await token.current()
        path.unlink()
        clock.seconds += 600
        assert (await token.current()).authorization == "Bearer first"

    @pytest.mark.parametrize("content", [None, b"", b"  \n", b"\xff\xfe", b"a\x00b"])
    async def test_unusable_file_without_inline_token_is_an_error(self, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "token"
        if content is not None:
            path.write_bytes(content)
        given = sources(ManualClock())
        with pytest.raises(Unauthenticated):
            await given.source(User(token_file=path), SERVER).current()
        inline = given.source(User(token="inline", token_file=path), SERVER)
        assert (await inline.current()).authorization == "Bearer inline"

    async def test_a_silent_pipe_in_its_place_blocks_nobody(self, tmp_path: Path) -> None:
        """Opening it would wait for its other end, and every cluster with it."""
        os.mkfifo(tmp_path / "token")
        async with asyncio.timeout(5):
            with pytest.raises(Unauthenticated):
                await sources(ManualClock()).source(User(token_file=tmp_path / "token"), SERVER).current()


class TestPlugin:
    async def test_runs_once_for_all_and_is_kept(self) -> None:
        plugin = Plugin({"token": "t"})
        login = source(ManualClock(), plugin)
        answers = await asyncio.gather(*(login.current() for _ in range(50)))
        assert {answer.authorization for answer in answers} == {"Bearer t"}
        await login.current()
        assert plugin.runs == 1

    async def test_is_renewed_a_little_before_it_expires(self) -> None:
        clock = ManualClock()
        plugin = Plugin(expiring(clock, "a", 3600), expiring(clock, "b", 7200))
        login = source(clock, plugin)
        await login.current()
        clock.seconds += 3500
        assert (await login.current()).authorization == "Bearer a"
        clock.seconds += 50
        assert (await login.current()).authorization == "Bearer b"

    async def test_short_lived_token_is_not_asked_for_each_time(self) -> None:
        clock = ManualClock()
        plugin = Plugin(expiring(clock, "a", 30), expiring(clock, "b", 60))
        login = source(clock, plugin)
        await login.current()
        clock.seconds += 20
        assert (await login.current()).authorization == "Bearer a"
        assert plugin.runs == 1

    async def test_a_clock_that_is_an_hour_ahead_does_not_ask_before_every_request(self) -> None:
        """What has just been given and looks expired is used until an API server refuses it."""
        clock = ManualClock()
        plugin = Plugin(expiring(clock, "a", -3600), expiring(clock, "b", -3600))
        login = source(clock, plugin)
        used = [await login.current() for _ in range(20)]
        assert {credential.authorization for credential in used} == {"Bearer a"}
        assert plugin.runs == 1
        renewed = await login.renewed(used[0])
        assert renewed is not None and renewed.authorization == "Bearer b"
        assert plugin.runs == 2

    async def test_401_renews_once_for_all(self) -> None:
        plugin = Plugin({"token": "a"}, {"token": "b"})
        login = source(ManualClock(), plugin)
        refused = await login.current()
        renewed = await asyncio.gather(*(login.renewed(refused) for _ in range(20)))
        assert {credential.authorization for credential in renewed if credential} == {"Bearer b"}
        assert plugin.runs == 2

    async def test_401_with_the_same_token_again_is_final(self) -> None:
        login = source(ManualClock(), Plugin({"token": "a"}))
        assert await login.renewed(await login.current()) is None

    async def test_failure_is_everybody_s_and_is_not_repeated_at_once(self) -> None:
        clock = ManualClock()
        plugin = Plugin(Unauthenticated("broken"), {"token": "t"})
        login = source(clock, plugin)
        outcomes = await asyncio.gather(*(login.current() for _ in range(10)), return_exceptions=True)
        assert all(isinstance(outcome, Unauthenticated) for outcome in outcomes)
        with pytest.raises(Unauthenticated, match="broken"):
            await login.current()
        assert plugin.runs == 1
        clock.seconds += 11
        assert (await login.current()).authorization == "Bearer t"

    async def test_its_time_counts_for_no_limit_on_the_cluster(self) -> None:
        """It has a limit of its own; the clusters of all who wait for it are not to blame."""

        async def log_in() -> dict[str, Any]:
            await asyncio.sleep(0.3)
            return {"status": {"token": "t"}}

        shared = PluginSource(log_in, User(plugin=SPEC), SPEC, ManualClock())

        async def ask() -> Credential:
            async with limited(0.1):
                return await shared.current()

        assert {one.authorization for one in await asyncio.gather(ask(), ask(), ask())} == {"Bearer t"}

    async def test_client_certificate(self) -> None:
        login = source(ManualClock(), Plugin({"clientCertificateData": "CERT", "clientKeyData": "KEY"}))
        assert await login.current() == Credential(None, ClientCertificate(b"CERT", b"KEY"))

    async def test_token_keeps_the_kubeconfig_s_certificate(self) -> None:
        pair = ClientCertificate(b"C", b"K")
        login = source(ManualClock(), Plugin({"token": "t"}), User(plugin=SPEC, certificate=pair))
        assert await login.current() == Credential("Bearer t", pair)

    @pytest.mark.parametrize(
        "status",
        [
            {},
            {"token": ""},
            {"token": 7},
            {"token": "a\r\nX: y"},
            {"clientCertificateData": "CERT"},
            {"token": "t", "expirationTimestamp": "tomorrow"},
            {"token": "t", "expirationTimestamp": "2026-06-12T12:00:00"},
        ],
    )
    async def test_unusable_answer_is_an_error_and_never_anonymous(self, status: dict[str, Any]) -> None:
        with pytest.raises(Unauthenticated):
            await source(ManualClock(), Plugin(status)).current()

    async def test_cancelled_caller_does_not_cost_the_others(self) -> None:
        login = source(ManualClock(), Plugin({"token": "t"}))
        first, second = asyncio.create_task(login.current()), asyncio.create_task(login.current())
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).authorization == "Bearer t"

    async def test_secrets_are_in_no_representation(self) -> None:
        credential = Credential("Bearer s3cret", ClientCertificate(b"s3cret", b"s3cret"))
        assert "s3cret" not in repr(credential)

    async def test_same_plugin_is_shared_between_clusters(self) -> None:
        given = sources(ManualClock())
        other = Server(url="https://two.example", plugin_config={"a": [1]})
        shared, telling = (
            User(plugin=SPEC),
            User(plugin=ExecSpec(command="x", api_version="v", provide_cluster_info=True)),
        )
        assert given.source(shared, SERVER) is given.source(shared, other)
        assert given.source(telling, SERVER) is not given.source(telling, other)
