"""The measures of scale in small: everything they time does what it should; nothing is judged by its speed."""

from __future__ import annotations

from pathlib import Path

from tests.bench.measures import transport
from tests.bench.measures.scale_silent import until_started, until_verified
from tests.bench.measures.scale_slow import CHAIN
from tests.bench.setting import Setting
from tests.bench.stub_fleet import stub_fleet
from tests.bench.stub_server import Spec

FEW = 10


async def test_a_takedown_of_stub_clusters_is_proven_and_so_counted(tmp_path: Path) -> None:
    """Guard, binding, route and scale are written in each of them; the floor, with the same bodies, writes as much."""
    setting = _setting(tmp_path)
    async with stub_fleet(setting, tmp_path / "ours", Spec(FEW)) as fleet:
        done = await fleet.take_down()
        seen = await fleet.seen()
    assert done.verdicts() == {"verified": FEW}, done.result
    assert {item["guard"] for item in done.result["items"]} == {"proven"}
    assert seen["written"] == FEW
    assert 0 < seen["requests"] / FEW < 150
    assert done.cpu > 0
    assert done.peak > 0
    assert until_verified(done) > until_started(done) > 0
    assert CHAIN > 0
    async with stub_fleet(setting, tmp_path / "floor", Spec(FEW)) as fleet:
        await fleet.floor(seen["bodies"])
        assert (await fleet.seen())["written"] == FEW


async def test_silent_stub_clusters_are_unreachable_and_the_others_verified(tmp_path: Path) -> None:
    async with stub_fleet(_setting(tmp_path), tmp_path / "some", Spec(FEW, silent=3)) as fleet:
        done = await fleet.take_down()
    assert done.verdicts() == {"verified": FEW - 3, "unreachable": 3}, done.result
    assert done.code == 3


async def test_our_way_and_the_bare_one_ask_the_same(tmp_path: Path) -> None:
    """Both read the model's Deployment, over and over; what one of them costs is a number."""
    (figure,) = await transport.measure(_setting(tmp_path))
    assert figure.value is not None
    assert figure.value > 0


def _setting(folder: Path) -> Setting:
    return Setting(folder=folder, say=lambda line: None, planes=_no_planes, rounds=1, clusters=1, samples=1, stubs=FEW)


async def _no_planes() -> None:  # type: ignore[return]
    raise AssertionError("stub clusters are all that is needed")
