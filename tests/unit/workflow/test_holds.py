"""Holds as a union: what covers which cluster and model, what a lift ends, and what nobody may forget."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.core.attestations import Attestation
from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.holds import Hold, Lift
from orchestrator.core.model import Model
from orchestrator.core.observation import Subject
from orchestrator.core.plan import ClusterPlan, ItemPlan, Plan, WavePlan
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.scope import Scope
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason, Want
from orchestrator.errors import DocumentError, UsageError
from orchestrator.workflow.holds import (
    check_debts,
    lifted_everywhere,
    order_from_holds,
    order_of_hold,
    unite_holds,
    with_lifts,
)
from orchestrator.workflow.ledgers import merge_ledgers
from orchestrator.workflow.session import Session, load_workspace
from tests.unit.verification.doubles import ManualClock

NAMES = ("us", "ie", "jp")
CLUSTERS = tuple(Cluster(name=name, region=name, country=name.upper(), serves=(name.upper(),)) for name in NAMES)
FLEET = Fleet(name="f", clusters=CLUSTERS)
DIGEST, OTHER = "ab" * 32, "cd" * 32
EVERYWHERE = Hold(name="directive", model="fable-5", digest=DIGEST, about={"everyone": True}, ledger={"us": "verified"})
LIFT = Lift(digest=DIGEST, order="directive", reference="withdrawn", actor="ann")
FABLE = Model(name="fable-5")
ORDER = """\
apiVersion: orchestrator/v1
kind: Order
metadata: {name: listed}
spec: {authority: A, reference: R, models: [fable-5], about: {everyone: true}}
"""


def snapshot(name: str, **content: Any) -> ClusterSnapshot:
    return ClusterSnapshot(cluster=FLEET.cluster(name), **content)


def session(root: Path, fleet: Fleet = FLEET) -> Session:
    connection = SimpleNamespace(writer=None)
    return Session(load_workspace(root), fleet, cast("Any", connection), ManualClock())


async def held(
    root: Path, snapshots: list[ClusterSnapshot], *, model: Model = FABLE, only: tuple[str, ...] = NAMES, **more: Any
) -> dict[str, tuple[str, ...]]:
    """By cluster of the plan, the names of the holds on the model."""
    by_name = {name: snapshot(name) for name in NAMES} | {one.cluster.name: one for one in snapshots}
    planned = {name: one for name, one in by_name.items() if name in only}
    others = {name: one for name, one in by_name.items() if name not in only}
    united = await unite_holds(session(root, **more), planned, others, {model.name: model})
    return {name: one.held_by(model.name) for name, one in united.items()}


class TestUnion:
    async def test_a_hold_covers_every_cluster_of_its_scope(self, tmp_path: Path) -> None:
        """Also one that was added since, or comes back, and has no record of its own."""
        assert await held(tmp_path, [snapshot("us", holds=(EVERYWHERE,))]) == dict.fromkeys(NAMES, ("directive",))

    async def test_it_need_not_lie_in_a_cluster_of_the_plan(self, tmp_path: Path) -> None:
        found = await held(tmp_path, [snapshot("us", holds=(EVERYWHERE,))], only=("jp",))
        assert found == {"jp": ("directive",)}

    async def test_the_scope_is_that_of_the_hold(self, tmp_path: Path) -> None:
        """An operator's hold covers the clusters of its choice and the one it lies in, and no other model."""
        hold = replace(EVERYWHERE, about={"clusters": {"regions": ["ie"]}}, kind="operator", ledger={})
        assert await held(tmp_path, [snapshot("us", holds=(hold,))]) == {
            "us": ("directive",),
            "ie": ("directive",),
            "jp": (),
        }
        other = Model(name="mythos-5")
        assert await held(tmp_path, [snapshot("us", holds=(hold,))], model=other) == dict.fromkeys(NAMES, ())

    async def test_what_it_once_covered_it_covers_still(self, tmp_path: Path) -> None:
        """The ledger names clusters that the scope, resolved today, would leave out."""
        hold = replace(EVERYWHERE, about={"clusters": {"regions": ["us"]}}, ledger={"us": "owed", "jp": "owed"})
        found = await held(tmp_path, [snapshot("us", holds=(hold,))])
        assert found == {"us": ("directive",), "ie": (), "jp": ("directive",)}

    @pytest.mark.parametrize("about", [{"planet": "Mars"}, {"everyone": "yes"}])
    async def test_a_scope_that_is_not_understood_is_every_cluster(self, about: Any, tmp_path: Path) -> None:
        found = await held(tmp_path, [snapshot("us", holds=(replace(EVERYWHERE, about=about),))])
        assert found == dict.fromkeys(NAMES, ("directive",))

    async def test_a_hold_that_is_not_understood_holds_everywhere(self, tmp_path: Path) -> None:
        newer = Hold(name="newer", model="fable-5")
        assert await held(tmp_path, [snapshot("jp", holds=(newer,))]) == dict.fromkeys(NAMES, ("newer",))

    async def test_the_same_hold_in_many_clusters_is_told_once(self, tmp_path: Path) -> None:
        snapshots = [snapshot(name, holds=(EVERYWHERE,)) for name in NAMES]
        assert await held(tmp_path, snapshots) == dict.fromkeys(NAMES, ("directive",))

    async def test_two_orders_hold_both(self, tmp_path: Path) -> None:
        second = replace(EVERYWHERE, name="second", digest=OTHER)
        found = await held(tmp_path, [snapshot("us", holds=(EVERYWHERE,)), snapshot("jp", holds=(second,))])
        assert {name: set(holds) for name, holds in found.items()} == {name: {"directive", "second"} for name in NAMES}

    async def test_a_cluster_that_does_not_answer_holds_nothing(self, tmp_path: Path) -> None:
        silent = snapshot("us", failure=Reason(code="unreachable", message="no answer"))
        assert await held(tmp_path, [silent], only=("ie",)) == {"ie": ()}


class TestDerivatives:
    MINI = Model(name="fable-5-mini", derived_from=("fable-5",))
    NANO = Model(name="fable-5-nano", derived_from=("fable-5-mini",))

    async def test_what_is_made_of_a_held_model_is_held(self, tmp_path: Path) -> None:
        """Also when it was added to the workspace only after the takedown."""
        found = await held(tmp_path, [snapshot("us", holds=(EVERYWHERE,))], model=self.MINI)
        assert found == dict.fromkeys(NAMES, ("directive",))

    async def test_through_a_model_of_the_workspace_that_is_not_planned(self, tmp_path: Path) -> None:
        folder = tmp_path / "manifests" / "fable-5-mini"
        folder.mkdir(parents=True)
        spec = "spec: {manifests: [.], derivedFrom: [fable-5]}\n"
        text = f"apiVersion: orchestrator/v1\nkind: Model\nmetadata: {{name: fable-5-mini}}\n{spec}"
        (folder / "model.yaml").write_text(text)
        found = await held(tmp_path, [snapshot("us", holds=(EVERYWHERE,))], model=self.NANO)
        assert found == dict.fromkeys(NAMES, ("directive",))

    async def test_unless_the_order_means_the_named_alone(self, tmp_path: Path) -> None:
        hold = replace(EVERYWHERE, derivatives=False)
        assert await held(tmp_path, [snapshot("us", holds=(hold,))], model=self.MINI) == dict.fromkeys(NAMES, ())


class TestLifts:
    @pytest.mark.parametrize("where", NAMES)
    async def test_one_lift_ends_the_hold_everywhere(self, where: str, tmp_path: Path) -> None:
        """A cluster that returns with a hold that was lifted elsewhere is not held."""
        snapshots = {name: snapshot(name, holds=(EVERYWHERE,)) for name in NAMES}
        snapshots[where] = replace(snapshots[where], lifts=(LIFT,))
        assert await held(tmp_path, list(snapshots.values())) == dict.fromkeys(NAMES, ())

    async def test_another_digest_is_not_lifted(self, tmp_path: Path) -> None:
        lift = replace(LIFT, digest=OTHER)
        found = await held(tmp_path, [snapshot("us", holds=(EVERYWHERE,)), snapshot("ie", lifts=(lift,))])
        assert found == dict.fromkeys(NAMES, ("directive",))
        assert lifted_everywhere([snapshot("ie", lifts=(lift,)), snapshot("us", lifts=(LIFT,))]) == {DIGEST, OTHER}

    def test_an_item_knows_the_lifts_that_its_cluster_was_away_for(self) -> None:
        """They are asked for again, just before the first write, by somebody who sees one cluster only."""
        subject = Subject(model=FABLE, cluster="us", region="us", want=Want.ENABLED, expectations=(), namespaces=())
        item = ItemPlan(step="s", subject=subject, entry=CatalogueEntry(model="fable-5", want=Want.ENABLED))
        parts = tuple(ClusterPlan(cluster=cluster, items=(item,)) for cluster in CLUSTERS)
        wave = WavePlan(step="s", want=Want.ENABLED, words=(), clusters=parts)
        plan = Plan(action="enable", name="-", fleet="f", models=("fable-5",), waves=(wave,))
        lifted = frozenset({DIGEST})
        snapshots = {
            "us": snapshot("us", holds=(EVERYWHERE,), lifted=lifted),
            "ie": snapshot("ie", holds=(EVERYWHERE,), lifts=(LIFT,), lifted=lifted),
            "jp": snapshot("jp", lifted=lifted),
        }
        told = {part.cluster.name: part.items[0].lifted for part in with_lifts(plan, snapshots).waves[0].clusters}
        assert told == {"us": (DIGEST,), "ie": (), "jp": ()}


class TestInForce:
    def workspace(self, root: Path, listed: str = "order.yaml") -> None:
        (root / "order.yaml").write_text(ORDER)
        spec = f"spec: {{clusters: [], inForce: [{listed}]}}\n"
        (root / "fleet.yaml").write_text(f"apiVersion: orchestrator/v1\nkind: Fleet\nmetadata: {{name: f}}\n{spec}")

    async def test_an_order_that_the_fleet_lists_holds(self, tmp_path: Path) -> None:
        """Although no cluster has any record of it."""
        self.workspace(tmp_path)
        assert await held(tmp_path, []) == dict.fromkeys(NAMES, ("listed",))

    async def test_a_lift_beats_it(self, tmp_path: Path) -> None:
        self.workspace(tmp_path)
        (order,) = load_workspace(tmp_path).in_force()
        lift = replace(LIFT, digest=order.value.digest)
        assert await held(tmp_path, [snapshot("jp", lifts=(lift,))]) == dict.fromkeys(NAMES, ())

    async def test_one_that_is_missing_stops_everything(self, tmp_path: Path) -> None:
        self.workspace(tmp_path, "other.yaml")
        with pytest.raises(DocumentError, match=r"fleet.yaml:4: there is no order other.yaml"):
            await held(tmp_path, [])


class TestLedgers:
    def owed(self, name: str, **standings: str) -> ClusterSnapshot:
        return snapshot(name, holds=(replace(EVERYWHERE, ledger=standings),))

    def test_what_a_cluster_says_of_itself_counts(self) -> None:
        """Also when another one believes that more was reached."""
        (ledger,) = merge_ledgers(
            [self.owed("us", us="guarded", ie="owed"), self.owed("ie", us="verified", ie="verified")]
        )
        assert ledger.standings == {"us": "guarded", "ie": "verified"}
        assert ledger.owing == ("us",)

    def test_of_one_that_does_not_answer_the_most_that_others_know(self) -> None:
        (ledger,) = merge_ledgers(
            [self.owed("us", jp="owed"), self.owed("ie", jp="verified"), self.owed("us", jp="owed")]
        )
        assert ledger.standings == {"jp": "verified"}

    def test_a_word_that_is_not_understood_proves_nothing(self) -> None:
        (ledger,) = merge_ledgers([self.owed("us", us="certified")])
        assert ledger.owing == ("us",)

    def test_whoever_owes_does_not_leave_the_fleet(self) -> None:
        there = [self.owed("us", us="verified", gone="guarded")]
        with pytest.raises(UsageError, match=r"gone still owes fable-5 to directive \(guarded\)") as caught:
            check_debts(FLEET, there, {"fable-5"})
        assert caught.value.code == "owing"
        assert "orders attest directive gone" in (caught.value.hint or "")

    def test_what_was_proven_lifted_or_attested_is_no_debt(self) -> None:
        said = Attestation(digest=DIGEST, order="directive", subject="gone", by="Ann", note="scrapped", actor="ann")
        check_debts(FLEET, [self.owed("us", gone="verified")], {"fable-5"})
        check_debts(FLEET, [self.owed("us", gone="owed"), snapshot("ie", lifts=(LIFT,))], {"fable-5"})
        check_debts(FLEET, [self.owed("us", gone="owed"), snapshot("ie", attestations=(said,))], {"fable-5"})
        check_debts(FLEET, [self.owed("us", gone="owed")], {"mythos-5"})
        check_debts(FLEET, [self.owed("us", jp="owed")], {"fable-5"})
        check_debts(FLEET, [self.owed("us", gone="owed")], {"fable-5"}, digest=OTHER)


class TestOperatorsHold:
    SCOPE = Scope(regions=("us",))

    def holds(self) -> list[Hold]:
        order = order_of_hold(["mythos-5", "fable-5"], self.SCOPE, "incident 17")
        return [
            Hold(
                name=order.name,
                model=model,
                digest=order.digest,
                kind="operator",
                reason="incident 17",
                about={"clusters": {"regions": ["us"]}},
                derivatives=False,
            )
            for model in order.models
        ]

    def test_it_is_an_order_of_the_operators_own(self) -> None:
        order = order_of_hold(["fable-5", "fable-5"], self.SCOPE, "incident 17")
        assert order.name.startswith("hold-")
        assert (order.authority, order.reference, order.models) == ("operator", "incident 17", ("fable-5",))
        assert order.about.clusters == self.SCOPE
        assert not order.derivatives

    def test_each_is_another_one_since_a_lift_is_for_good(self) -> None:
        one, two = (order_of_hold(["fable-5"], self.SCOPE, "incident 17") for _ in range(2))
        assert one.digest != two.digest

    def test_repeating_it_while_it_stands_means_the_same_one(self) -> None:
        standing = self.holds()
        again = order_of_hold(["fable-5", "mythos-5"], self.SCOPE, "incident 17", standing=standing)
        assert again.digest == standing[0].digest
        for models, scope, reason in (
            (["fable-5"], self.SCOPE, "incident 17"),
            (["fable-5", "mythos-5"], Scope(all=True), "incident 17"),
            (["fable-5", "mythos-5"], self.SCOPE, "incident 18"),
        ):
            assert order_of_hold(models, scope, reason, standing=standing).digest != standing[0].digest

    def test_it_comes_back_from_the_records_of_the_clusters(self) -> None:
        """In any order; when one is missing nothing is guessed."""
        holds = self.holds()
        assert order_from_holds(reversed(holds)).digest == holds[0].digest
        with pytest.raises(ValueError, match="incomplete"):
            order_from_holds(holds[:1])

    def test_it_comes_back_from_a_single_record_that_names_all_models(self) -> None:
        """As after a restore that was cut short."""
        (first, _) = self.holds()
        assert order_from_holds([replace(first, models=("fable-5", "mythos-5"))]).digest == first.digest
