"""What a takedown that is followed owes: what ledgers say, what returning clusters know, and from when it is late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.core.fleet import Cluster
from orchestrator.core.holds import Hold
from orchestrator.core.model import Match, Model, Probe
from orchestrator.core.observation import Subject
from orchestrator.core.order import About, Order
from orchestrator.core.plan import ClusterPlan, ItemPlan, Plan, WavePlan
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.result import ErrorDetail, ResultItem, RunResult, outcome_of
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason, State, Verdict, Want
from orchestrator.workflow.following import Aim, joined
from orchestrator.workflow.taking_down import TakedownOptions, received

NOW = datetime(2026, 6, 12, 17, 21, tzinfo=UTC)
FABLE, MINI = Model(name="fable-5"), Model(name="fable-5-mini")
DIGEST = "ab" * 32
AWAY = Reason(code="unreachable", message="no answer")


def planned(*models: Model, reached: tuple[str, ...] = ("us",), silent: tuple[str, ...] = ()) -> Plan:
    """A takedown of these models, with an item for each in the clusters that answered."""

    def item(model: Model, cluster: str) -> ItemPlan:
        subject = Subject(
            model=model, cluster=cluster, region=cluster, want=Want.DISABLED, expectations=(), namespaces=()
        )
        return ItemPlan(step="s", subject=subject, entry=CatalogueEntry(model=model.name, want=Want.DISABLED))

    parts = tuple(
        ClusterPlan(cluster=Cluster(name=name, region=name), items=tuple(item(model, name) for model in models))
        for name in reached
    )
    away = tuple((Cluster(name=name, region=name), AWAY) for name in silent)
    wave = WavePlan(step="s", want=Want.DISABLED, words=(), clusters=parts, unreachable=away)
    names = tuple(model.name for model in models)
    return Plan(action="takedown", name="directive", fleet="f", models=names, waves=(wave,))


def result(code: int = 0, error: ErrorDetail | None = None, **verdicts: Verdict) -> RunResult:
    """The result of a round over fable-5 in these clusters."""
    items = tuple(
        ResultItem(
            model="fable-5",
            cluster=cluster,
            region=cluster,
            country=None,
            want=Want.DISABLED,
            state=State.UNKNOWN,
            verdict=verdict,
        )
        for cluster, verdict in verdicts.items()
    )
    return RunResult(
        run="r", action="takedown", rehearsal=False, outcome=outcome_of(code), exit_code=code, seconds=1.0,
        error=error, items=items,
    )  # fmt: skip


def ledger(cluster: str, model: str = "fable-5", digest: str = DIGEST, **standings: str) -> ClusterSnapshot:
    """A cluster whose hold has this ledger."""
    hold = Hold(name="directive", model=model, digest=digest, about={"everyone": True}, ledger=standings)
    return ClusterSnapshot(cluster=Cluster(name=cluster, region=cluster), holds=(hold,))


class TestWhatIsNew:
    def test_a_model_that_only_a_returning_cluster_knows(self) -> None:
        """Its pods may run where the takedown was done already; so those clusters are searched again."""
        aim = Aim.of(planned(FABLE, silent=("ie",)))
        assert aim.is_outgrown_by(planned(FABLE, MINI, reached=("ie",)))

    def test_also_while_the_clusters_that_owe_are_still_away(self) -> None:
        """Somebody else may have told a cluster that was done."""
        aim = Aim.of(planned(FABLE, silent=("ie",)))
        assert aim.is_outgrown_by(planned(FABLE, MINI, reached=(), silent=("ie",)))

    @pytest.mark.parametrize(
        "more",
        [
            {"match": Match(images=("registry.example/fable",))},
            {"match": Match(weights=("s3://weights/fable-5",))},
            {"match": Match(labels={"app": "fable"})},
        ],
    )
    def test_marks_by_which_nobody_searched(self, more: dict[str, Any]) -> None:
        aim = Aim.of(planned(FABLE, silent=("ie",)))
        assert aim.is_outgrown_by(planned(replace(FABLE, **more), reached=("ie",)))

    def test_a_model_that_no_cluster_was_asked_for_yet(self) -> None:
        assert Aim.of(planned(FABLE, reached=(), silent=("us",))).is_outgrown_by(planned(FABLE))

    def test_nothing_is_new_when_all_is_as_before(self) -> None:
        """Probes differ from cluster to cluster and are no marks."""
        aim = Aim.of(planned(FABLE, MINI, silent=("ie",)))
        probed = replace(FABLE, probes=(Probe(url="https://ie.example"),))
        assert not aim.is_outgrown_by(planned(probed, MINI, reached=("ie",)))
        assert not aim.is_outgrown_by(planned(FABLE, reached=(), silent=("ie",)))


class TestDebts:
    AIM = Aim.of(planned(FABLE, reached=("us", "jp"), silent=("ie",)))

    def owed(self, *snapshots: ClusterSnapshot, latest: RunResult | None = None) -> frozenset[str]:
        return self.AIM.debts(DIGEST, snapshots, latest or result())

    def test_what_a_ledger_owes_is_owed_although_no_result_lists_it(self) -> None:
        """As when another responder found a residue where this run was done hours ago."""
        assert self.owed(ledger("us", us="verified", jp="verified"), ledger("jp", jp="guarded")) == {"jp"}

    def test_what_the_latest_round_has_proven_is_not_owed(self) -> None:
        """Its ledger may be one that cannot be written: nobody would ever come to an end."""
        assert self.owed(ledger("us", us="guarded"), latest=result(us=Verdict.VERIFIED)) == frozenset()
        assert self.owed(ledger("us", us="guarded"), latest=result(us=Verdict.RESIDUE)) == {"us"}

    def test_debts_to_others_or_out_of_scope_are_none_of_this_order(self) -> None:
        assert self.owed(ledger("us", digest="cd" * 32, us="owed")) == frozenset()
        assert self.owed(ledger("us", model="mythos-5", us="owed")) == frozenset()
        assert self.owed(ledger("us", elsewhere="owed")) == frozenset()


class TestJoining:
    def test_the_later_word_counts_and_new_items_are_added(self) -> None:
        both = joined(result(3, us=Verdict.VERIFIED, ie=Verdict.UNREACHABLE), result(0, ie=Verdict.VERIFIED))
        assert [(item.cluster, item.verdict) for item in both.items] == [("us", "verified"), ("ie", "verified")]
        assert (both.exit_code, both.outcome, both.seconds) == (0, "verified", 2.0)

    def test_a_cluster_that_fell_back_is_owed_again(self) -> None:
        both = joined(result(0, us=Verdict.VERIFIED), result(3, us=Verdict.RESIDUE))
        assert (both.exit_code, both.outcome) == (3, "unproven")

    def test_a_gap_in_the_evidence_of_either_round_is_never_proven(self) -> None:
        """Though every item is: the journal of that round could not be written."""
        gap = ErrorDetail(code="evidence-incomplete", message="disk full")
        whole, broken = result(0, us=Verdict.VERIFIED), result(3, gap, us=Verdict.VERIFIED)
        for both in (joined(broken, whole), joined(whole, broken), joined(joined(broken, whole), whole)):
            assert (both.exit_code, both.outcome, both.error) == (3, "unproven", gap)

    def test_late_stays_late(self) -> None:
        both = joined(result(3, ie=Verdict.UNREACHABLE), result(5, ie=Verdict.VERIFIED))
        assert (both.exit_code, both.outcome) == (5, "late")


class TestArrival:
    ORDER = Order(name="o", authority="a", reference="r", models=("fable-5",), about=About(everyone=True))

    def test_a_rehearsal_that_is_followed_keeps_its_deadline(self) -> None:
        """Counted anew in every round it would never be late."""
        later = NOW + timedelta(hours=1)
        assert received(self.ORDER, (), later, TakedownOptions(rehearse=True, began=NOW)) == NOW
        assert received(self.ORDER, (), later, TakedownOptions(rehearse=True)) == later

    def test_a_real_order_arrived_when_it_did(self) -> None:
        """Whatever run goes on with it."""
        snapshot = ledger("us", us="owed")
        early = NOW - timedelta(days=1)
        (hold,) = snapshot.holds
        snapshot = replace(snapshot, holds=(replace(hold, digest=self.ORDER.digest, received=early),))
        assert received(self.ORDER, (snapshot,), NOW, TakedownOptions(began=NOW)) == early
