"""A takedown that begins without clusters that keep silent: what they know still counts, and none of them is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from orchestrator.core.fleet import Cluster, Fleet, Verifies
from orchestrator.core.model import Match
from orchestrator.core.objects import JsonObject, ObjectRef, Resource
from orchestrator.core.order import About, Location, Order
from orchestrator.core.plan import Plan
from orchestrator.core.ports import Identity, Listing
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.verdict import Want
from orchestrator.delivery import FleetConnection, SystemClock
from orchestrator.errors import Unreachable
from orchestrator.workflow import arrivals, opening
from orchestrator.workflow.applying import clusters_of, items_of
from orchestrator.workflow.opening import Latecomers, Opening, open_takedown
from orchestrator.workflow.session import Session, load_workspace
from orchestrator.workflow.taking_down import TakedownOptions, plan_takedown

MODEL = "fable-5"
EVERYONE = About(everyone=True)
US = About(location=Location(in_=("US",)))


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "QUIET_SECONDS", 0.05)


@dataclass
class Answering:
    """A cluster in memory that says nothing until it is told to."""

    cluster: Cluster
    records: tuple[JsonObject, ...] = ()
    nodes: tuple[str, ...] = ()
    """Countries of its nodes."""
    sandbox: bool = False
    speaks: asyncio.Event = field(default_factory=asyncio.Event)
    fails: bool = False

    async def identify(self) -> Identity:
        await self.speaks.wait()
        if self.fails:
            raise Unreachable("no connection within 5 s", code="timeout")
        return Identity(uid=f"uid-of-{self.cluster.name}", sandbox=self.sandbox)

    async def resource(self, api_version: str, kind: str) -> Resource:
        await self.identify()
        group, _, version = api_version.rpartition("/")
        return Resource(group, version, f"{kind.lower()}s", kind)

    async def get(self, ref: ObjectRef) -> JsonObject | None:
        await self.identify()
        return None

    async def list(self, resource: Resource, namespace: str = "", **how: Any) -> Listing:
        await self.identify()
        if resource.kind == "Node":
            labels = ({"metadata": {"labels": {"orchestrator.dev/country": one}}} for one in self.nodes)
            return Listing(tuple(labels), "1")
        return Listing(self.records if resource.kind == "ConfigMap" else (), "1")


@dataclass
class Connection:
    clusters: dict[str, Answering]

    def writer(self, name: str) -> Answering:
        return self.clusters[name]

    def contexts_outside_fleet(self) -> tuple[str, ...]:
        return ()


def knows(model: str, **definition: Any) -> JsonObject:
    """A catalogue entry: the cluster has, or had, something of the model."""
    return CatalogueEntry(model=model, want=Want.ENABLED, definition=definition).to_config_map()


def cluster(name: str, country: str | None = None, **known: Any) -> Answering:
    known = {"records": (knows(MODEL),), "nodes": (country,) if country else (), **known}
    return Answering(Cluster(name=name, region=name, country=country), **known)


def order(about: About = EVERYONE, **said: Any) -> Order:
    return Order(
        name="directive",
        authority="Bureau of Examples",
        reference="EX-1",
        models=(MODEL,),
        about=about,
        match={MODEL: Match(images=("registry.example/fable-5",))},
        **said,
    )


def session(root: Path, *clusters: Answering) -> Session:
    fleet = Fleet(name="f", clusters=tuple(one.cluster for one in clusters), verifies=Verifies(location=True))
    connection = cast(FleetConnection, Connection({one.cluster.name: one for one in clusters}))
    return Session(load_workspace(root), fleet, connection, SystemClock())


@asynccontextmanager
async def opened(
    root: Path, *clusters: Answering, about: About = EVERYONE, named: tuple[str, ...] | None = (MODEL,), **options: Any
) -> AsyncIterator[Opening]:
    """The takedown as it opens; those that do not speak by then are late."""
    async with open_takedown(session(root, *clusters), order(about), TakedownOptions(**options), named) as found:
        yield found


def late_of(found: Opening) -> Latecomers:
    assert found.latecomers is not None
    return found.latecomers


def speak(*clusters: Answering) -> None:
    for one in clusters:
        one.speaks.set()


def doubts(plan: Plan) -> set[str]:
    return {doubt.code for item in items_of(plan) for doubt in item.doubts}


async def test_it_opens_with_those_that_answered_and_the_others_join(tmp_path: Path) -> None:
    us, ie = cluster("us"), cluster("ie")
    speak(us)
    async with opened(tmp_path, us, ie) as found:
        assert (clusters_of(found.plan), found.plan.awaited) == (("us",), ("ie",))
        speak(ie)
        joined = await late_of(found).join()
        assert (clusters_of(joined.plan), joined.unsearched) == (("ie",), None)
        assert late_of(found).unsearched is None
        whole = late_of(found).with_them(found.plan)
        assert (clusters_of(whole), whole.awaited) == (("us", "ie"), ())
        received = {item.darkening.hold.received for item in items_of(whole) if item.darkening}
        assert len(received) == 1, "the order arrived once"


async def test_one_that_gives_no_answer_is_out_of_reach_for_its_own_reason(tmp_path: Path) -> None:
    us, ie = cluster("us"), cluster("ie", fails=True)
    speak(us)
    async with opened(tmp_path, us, ie) as found:
        speak(ie)
        joined = await late_of(found).join()
        away = [(one.name, reason.code) for wave in joined.plan.waves for one, reason in wave.unreachable]
        assert away == [("ie", "timeout")]


async def test_a_cluster_whose_nodes_stand_where_the_order_reaches_joins_when_that_is_known(tmp_path: Path) -> None:
    """It is declared elsewhere, so nobody awaited it; and the holds of the others do not name it yet."""
    us, de = cluster("us", "US"), cluster("de", "DE", nodes=("US",))
    speak(us)
    async with opened(tmp_path, us, de, about=US) as found:
        assert found.plan.awaited == ()
        assert late_of(found).clusters == ("de",)
        speak(de)
        joined = await late_of(found).join()
        assert clusters_of(joined.plan) == ("de",)
        assert joined.unsearched is not None
        assert "de" in joined.unsearched
        again = await late_of(found).plan_everywhere(session(tmp_path, us, de))
        assert set(clusters_of(again)) == {"us", "de"}


async def test_a_derivative_that_only_a_late_one_knows_is_not_forgotten_when_it_falls_silent_again(
    tmp_path: Path,
) -> None:
    """It is not even in scope itself: nothing else would say that the others were not searched for it."""
    child = knows("child", derivedFrom=[MODEL], match={"images": ["registry.example/child"]})
    us, de = cluster("us", "US"), cluster("de", "DE", records=(child,))
    speak(us)
    async with opened(tmp_path, us, de, about=US) as found:
        speak(de)
        joined = await late_of(found).join()
        assert clusters_of(joined.plan) == ()
        assert joined.unsearched is not None
        assert "child" in joined.unsearched
        de.fails = True
        again = await late_of(found).plan_everywhere(session(tmp_path, us, de))
        assert {(item.subject.model.name, item.subject.cluster) for item in items_of(again)} == {
            (MODEL, "us"),
            ("child", "us"),
        }


async def test_where_nothing_of_a_model_was_seen_everybody_is_waited_for(tmp_path: Path) -> None:
    """A wrong name must not pass for proven because nobody had answered who could have said so."""
    us, de = cluster("us", "US", records=()), cluster("de", "DE", records=())
    speak(de)
    asyncio.get_running_loop().call_later(0.3, speak, us)
    async with opened(tmp_path, us, de, about=US) as found:
        assert found.latecomers is None
        assert clusters_of(found.plan) == ("us",)
        assert "found-nowhere" in doubts(found.plan)


async def test_what_is_known_without_the_late_ones_refuses_nothing(tmp_path: Path) -> None:
    """By those that answered the order concerns no cluster at all."""
    fr, de = cluster("fr", "FR"), cluster("de", "DE", nodes=("US",))
    speak(fr)
    asyncio.get_running_loop().call_later(0.3, speak, de)
    async with opened(tmp_path, fr, de, about=US) as found:
        assert clusters_of(found.plan) == ("de",)


@pytest.mark.parametrize("named", [None, ("fable-5", "child")])
async def test_whoever_confirms_the_whole_plan_waits_for_it(tmp_path: Path, named: tuple[str, ...] | None) -> None:
    """Somebody who reads it first, and somebody who named a model that the early plan is not about."""
    us, ie = cluster("us"), cluster("ie")
    speak(us)
    asyncio.get_running_loop().call_later(0.3, speak, ie)
    async with opened(tmp_path, us, ie, named=named) as found:
        assert found.latecomers is None
        assert clusters_of(found.plan) == ("us", "ie")


async def test_a_long_planning_costs_no_late_one_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time ran out while nobody listened; it is asked once more, for everything, whatever was asked before."""
    monkeypatch.setattr(opening, "_LONG_SECONDS", -1.0)
    objects = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x", "namespace": "ns"},
        "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}},
    }
    model = {"apiVersion": "orchestrator/v1", "kind": "Model", "metadata": {"name": MODEL}}
    folder = tmp_path / "manifests" / MODEL
    folder.mkdir(parents=True)
    (folder / "objects.yaml").write_text(yaml.safe_dump(objects))
    (folder / "model.yaml").write_text(yaml.safe_dump({**model, "spec": {"manifests": ["objects.yaml"]}}))
    us, ie = cluster("us"), cluster("ie", fails=True)
    speak(us)
    async with opened(tmp_path, us, ie) as found:
        speak(ie)
        await asyncio.sleep(0.05)
        ie.fails = False
        joined = await late_of(found).join()
        assert clusters_of(joined.plan) == ("ie",)


async def test_a_rehearsal_stays_one(tmp_path: Path) -> None:
    """And its deadline counts from the first plan, also when everything is searched again."""
    us, ie = cluster("us", sandbox=True), cluster("ie", sandbox=True)
    speak(us)
    async with opened(tmp_path, us, ie, rehearse=True) as found:
        speak(ie)
        await late_of(found).join()
        again = await late_of(found).plan_everywhere(session(tmp_path, us, ie))
        assert again.rehearsal
        assert late_of(found).with_them(found.plan).rehearsal
        came = [
            item.darkening.hold.received for plan in (found.plan, again) for item in items_of(plan) if item.darkening
        ]
        assert len(set(came)) == 1


async def test_the_joined_plan_is_the_one_that_would_have_been_made_of_everybodys_answers(tmp_path: Path) -> None:
    us, ie = cluster("us"), cluster("ie")
    speak(us)
    options = TakedownOptions(began=SystemClock().now())
    async with open_takedown(session(tmp_path, us, ie), order(), options, (MODEL,)) as found:
        speak(ie)
        await late_of(found).join()
        joined = late_of(found).with_them(found.plan)
    whole = await plan_takedown(session(tmp_path, us, ie), order(), options)
    assert joined == replace(whole, waves=joined.waves)
    assert joined.waves[0].clusters == whole.waves[0].clusters
    assert joined.waves[0].unreachable == whole.waves[0].unreachable == ()
