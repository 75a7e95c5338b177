"""Where a rollback leads: to what the cluster said before, and never to more than that."""

from __future__ import annotations

from typing import Any

from orchestrator.core.fleet import Cluster
from orchestrator.core.kind import Wanted
from orchestrator.core.objects import ANNOTATION_REVISION, ObjectRef, dig
from orchestrator.core.observation import Expectation
from orchestrator.core.plan import ItemPlan, Verb
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.verdict import Want
from orchestrator.execution.outcome import Written
from orchestrator.execution.target import subject_of, target_of
from tests.unit.execution.doubles import MODEL, WORKLOAD, item_of, manifest_of

SCALED = Written(verb=Verb.SCALE, ref=WORKLOAD, uid="u", replicas_before=2, replicas=3)


def item(previous: CatalogueEntry | None, **changed: Any) -> ItemPlan:
    return item_of(Cluster(name="a", region="r"), previous=previous, **{"absent_before": (), **changed})


def entry(want: Want, revision: str | None = "r0") -> CatalogueEntry:
    return CatalogueEntry(model=MODEL, want=want, revision=revision)


def test_an_enabled_model_returns_to_its_revision_and_its_replicas() -> None:
    target = target_of(item(entry(Want.ENABLED)), (SCALED,), (manifest_of("r0"),))
    subject = subject_of(item(entry(Want.ENABLED)), target, (Written(verb=Verb.APPLY, ref=WORKLOAD, generation=7),))
    assert (target.want, target.revision, target.replicas) == (Want.ENABLED, "r0", {WORKLOAD: 2})
    assert (subject.want, subject.revision) == (Want.ENABLED, "r0")
    assert [expected.wanted for expected in subject.expectations] == [Wanted(generation=7, replicas=2)]
    assert dig(subject.expectations[0].manifest, "metadata", "annotations", ANNOTATION_REVISION) == "r0"


def test_what_was_switched_off_stays_off_even_if_it_was_seen_running() -> None:
    target = target_of(item(entry(Want.DISABLED)), (SCALED,), (manifest_of("r0"),))
    subject = subject_of(item(entry(Want.DISABLED)), target, ())
    assert (target.want, target.replicas) == (Want.DISABLED, {WORKLOAD: 0})
    assert subject.want is Want.DISABLED
    assert all(expected.wanted.replicas == 0 for expected in subject.expectations)


def test_the_first_number_seen_counts_when_a_workload_was_scaled_twice() -> None:
    again = Written(verb=Verb.SCALE, ref=WORKLOAD, uid="u", replicas_before=3, replicas=5)
    assert target_of(item(entry(Want.ENABLED)), (SCALED, again), None).replicas == {WORKLOAD: 2}


def test_what_this_run_created_is_to_be_absent_again() -> None:
    created = Written(verb=Verb.CREATE, ref=WORKLOAD, uid="u", created=True)
    scaled = Written(verb=Verb.SCALE, ref=WORKLOAD, uid="u", replicas_before=1, replicas=3)
    target = target_of(item(None, absent_before=(WORKLOAD,)), (created, scaled), None)
    assert (target.want, target.replicas, target.words) == (Want.DISABLED, {}, "disabled")


def test_a_workload_that_ran_before_anybody_recorded_it_runs_again() -> None:
    """Adopted in this very run: no entry says that it was on, but its own number does."""
    adopted = item(None)
    target = target_of(adopted, (SCALED,), None)
    subject = subject_of(adopted, target, ())
    assert (target.want, target.revision) == (Want.ENABLED, None)
    assert subject.expectations == (Expectation(WORKLOAD, None, Wanted(replicas=2)),)


def test_at_the_same_revision_only_replicas_return() -> None:
    mended = item(entry(Want.ENABLED, "r1"))
    target = target_of(mended, (SCALED,), None)
    subject = subject_of(mended, target, ())
    assert (target.revision, target.manifests, target.replicas) == ("r1", {}, {WORKLOAD: 2})
    assert subject.expectations[0].manifest == manifest_of("r1")


def test_namespaces_of_both_revisions_are_watched() -> None:
    elsewhere = {**manifest_of("r0"), "metadata": {"name": "old", "namespace": "older"}}
    target = target_of(item(entry(Want.ENABLED)), (), (elsewhere,))
    subject = subject_of(item(entry(Want.ENABLED)), target, ())
    assert subject.namespaces == ("older", "serving")
    assert [expected.ref for expected in subject.expectations] == [ObjectRef("apps/v1", "Deployment", "older", "old")]
