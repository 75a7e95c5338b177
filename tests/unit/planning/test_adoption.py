"""Workloads that somebody else deployed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from orchestrator.core.kind import Wanted
from orchestrator.core.model import Adoption, Model
from orchestrator.core.objects import LABEL_MODEL, JsonObject
from orchestrator.core.plan import Verb
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Reason, Want
from tests.unit.planning.samples import DEPLOYMENT, HPA, as_live, codes, planned, snapshot, verbs, wish

ADOPTED = Model(name="fable-5", adopt=Adoption(selector={"app": "fable"}))
ON, OFF = wish(model=ADOPTED), wish(Want.DISABLED, model=ADOPTED)
PRINTED = "apps/Deployment fable/server"


def workload(replicas: int = 4, *, label: str | None = None) -> JsonObject:
    manifest: JsonObject = yaml.safe_load(
        """
apiVersion: apps/v1
kind: Deployment
metadata: {name: server, namespace: fable, labels: {app: fable}}
spec: {selector: {matchLabels: {app: fable}}, template: {metadata: {labels: {app: fable}}}}
"""
    )
    if label:
        manifest["metadata"]["labels"][LABEL_MODEL] = label
    return as_live(manifest, replicas=replicas)


def with_workload(replicas: int = 4, *, label: str | None = "fable-5", **more: Any) -> ClusterSnapshot:
    return snapshot(adopted={"fable-5": (workload(replicas, label=label),)}, **more)


def test_adopting_puts_our_label_on_and_changes_nothing_else() -> None:
    item = planned(ON, with_workload(label=None))
    (change,) = item.changes
    assert (change.verb, change.ref, change.manifest, change.uid) == (Verb.LABEL, DEPLOYMENT, None, "uid-server")
    assert item.manifests == ()
    assert item.entry.replicas == {PRINTED: 4}
    assert item.entry.objects == (("apps/v1", "Deployment", "fable", "server"),)


def test_a_second_apply_finds_nothing_to_do() -> None:
    entry = planned(ON, with_workload(label=None)).entry
    item = planned(ON, with_workload(entry=entry))
    assert (item.changes, item.entry_changes) == ((), False)


def test_its_template_is_nobody_elses_expectation() -> None:
    (expectation,) = planned(ON, with_workload()).subject.expectations
    assert (expectation.ref, expectation.manifest, expectation.wanted) == (DEPLOYMENT, None, Wanted(replicas=4))


def test_the_documents_number_counts_first() -> None:
    model = replace(ADOPTED, replicas={"server": 6})
    assert verbs(planned(wish(model=model), with_workload())) == ["scale Deployment 6"]


def test_without_a_number_its_owner_may_scale_it() -> None:
    """No document says how many there should be, so another number is no drift."""
    entry = planned(ON, with_workload(4)).entry
    item = planned(ON, with_workload(9, entry=entry))
    assert (item.changes, item.entry.replicas) == ((), {PRINTED: 9})


def test_disabling_records_what_ran_and_enabling_returns_to_it() -> None:
    off = planned(OFF, with_workload(4))
    assert verbs(off) == ["scale Deployment 0"]
    assert off.entry.replicas == {PRINTED: 4}
    again = planned(OFF, with_workload(0, entry=off.entry))
    assert (again.is_change, again.entry.replicas) == (False, {PRINTED: 4})
    back = planned(ON, with_workload(0, entry=again.entry))
    assert verbs(back) == ["scale Deployment 4"]


def test_what_somebody_half_restored_is_brought_back_in_full() -> None:
    off = planned(OFF, with_workload(4)).entry
    assert verbs(planned(ON, with_workload(1, entry=off))) == ["scale Deployment 4"]


def test_a_zero_of_unknown_origin_is_refused() -> None:
    (reason,) = planned(ON, with_workload(0)).refusals
    assert (reason.code, reason.object) == ("replicas-unknown", PRINTED)


def test_finding_nothing_is_refused_for_an_enable_and_never_called_off() -> None:
    assert codes(planned(ON, snapshot()).refusals) == ["nothing-to-adopt"]
    off = planned(OFF, snapshot(), soak=3.0)
    assert codes(off.notes) == ["found-nowhere"]
    assert off.subject.expectations == (), "verification cannot call that verified"
    assert (off.is_change, off.soak_due) == (False, False)


def test_what_was_adopted_before_is_looked_for_where_it_was() -> None:
    entry = planned(ON, with_workload()).entry
    off = planned(OFF, snapshot({DEPLOYMENT: workload(4)}, entry=entry))
    assert verbs(off) == ["scale Deployment 0"]


class TestNoLongerSelected:
    """The selector, or the labels that it asks for, changed: what was adopted runs on, and must be found again."""

    old = replace(DEPLOYMENT, name="old")

    def found(self, label: str | None) -> ClusterSnapshot:
        before = workload(2, label=label)
        before["metadata"]["name"] = "old"
        entry = CatalogueEntry(
            model="fable-5",
            want=Want.ENABLED,
            objects=tuple(("apps/v1", "Deployment", "fable", name) for name in ("old", "server")),
            replicas={"apps/Deployment fable/old": 2, PRINTED: 4},
        )
        return snapshot({self.old: before}, adopted={"fable-5": (workload(label="fable-5"),)}, entry=entry)

    def test_it_stays_on_record_so_that_a_stop_finds_it(self) -> None:
        found = self.found("fable-5")
        item = planned(ON, found)
        again = planned(ON, replace(found, entries={"fable-5": item.entry}))
        assert (item.changes, again.is_change) == ((), False)
        assert ("apps/v1", "Deployment", "fable", "old") in item.entry.objects
        assert item.entry.replicas["apps/Deployment fable/old"] == 2
        assert [(note.code, note.object) for note in item.notes] == [("not-selected", "apps/Deployment fable/old")]
        assert sorted(verbs(planned(OFF, self.found("fable-5")))) == ["scale Deployment 0", "scale Deployment 0"]

    def test_it_stays_on_record_where_it_cannot_be_read(self) -> None:
        found = self.found("fable-5")
        unread = {self.old: Reason(code="forbidden", message="may not get")}
        live = {ref: obj for ref, obj in found.live.items() if ref != self.old}
        item = planned(ON, replace(found, live=live, unread=unread))
        assert ("apps/v1", "Deployment", "fable", "old") in item.entry.objects

    def test_without_our_label_it_is_its_owners_again(self) -> None:
        item = planned(ON, self.found(None))
        assert item.entry.objects == (("apps/v1", "Deployment", "fable", "server"),)


def test_another_models_workload_is_refused() -> None:
    assert codes(planned(ON, with_workload(label="mythos-5")).refusals) == ["other-model"]


class TestAutoscaled:
    def test_its_number_is_left_alone_and_ours_stays_recorded(self) -> None:
        entry = planned(ON, with_workload(4)).entry
        item = planned(ON, with_workload(9, entry=entry, scalers=(as_live(HPA),)))
        assert (item.is_change, item.subject.expectations[0].wanted) == (False, Wanted())

    def test_it_starts_from_zero_with_what_was_recorded(self) -> None:
        off = planned(OFF, with_workload(4, scalers=(as_live(HPA),))).entry
        assert verbs(planned(ON, with_workload(0, entry=off, scalers=(as_live(HPA),)))) == ["scale Deployment 4"]


@pytest.mark.parametrize("one", [ON, OFF])
def test_a_manual_edit_of_our_records_cannot_lead_to_a_template_change(one: Any) -> None:
    entry = CatalogueEntry(model="fable-5", want=Want.ENABLED, revision="0123456789abcdef", replicas={PRINTED: 2})
    item = planned(one, with_workload(entry=entry))
    assert {change.verb for change in item.changes} <= {Verb.SCALE, Verb.LABEL}
