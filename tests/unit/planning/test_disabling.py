"""Which writes lead to a model that is off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.core.kind import Wanted
from orchestrator.core.objects import LABEL_MODEL, JsonObject, ObjectRef
from orchestrator.core.plan import FieldChange, Verb
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.verdict import Reason, Want
from tests.unit.planning.samples import (
    DEPLOYMENT,
    HPA,
    MANIFESTS,
    SERVICE,
    applied,
    as_live,
    codes,
    dry_runs,
    planned,
    recorded,
    snapshot,
    verbs,
    wish,
)

OFF = wish(Want.DISABLED)
OLD = ObjectRef("apps/v1", "StatefulSet", "old", "shard")


def old_shard(replicas: int) -> JsonObject:
    manifest = {
        "apiVersion": OLD.api_version,
        "kind": OLD.kind,
        "metadata": {"name": OLD.name, "namespace": OLD.namespace},
        "spec": {},
    }
    return as_live(manifest, replicas=replicas)


def on(**changes: Any) -> Any:
    return snapshot(applied(wish()), entry=recorded(wish()), **changes)


def test_every_workload_goes_to_zero_and_nothing_is_deleted() -> None:
    (change,) = planned(OFF, on()).changes
    assert (change.verb, change.ref, change.replicas, change.uid) == (Verb.SCALE, DEPLOYMENT, 0, "uid-server")
    assert change.fields == (FieldChange("spec.replicas", 3, 0),)


def test_what_was_applied_earlier_and_is_in_no_manifest_any_more_is_stopped_too() -> None:
    entry = recorded(wish())
    entry = replace(entry, objects=(*entry.objects, (OLD.api_version, OLD.kind, OLD.namespace, OLD.name)))
    found = snapshot({**applied(wish()), OLD: old_shard(2)}, entry=entry)
    item = planned(OFF, found)
    assert sorted(verbs(item)) == ["scale Deployment 0", "scale StatefulSet 0"]
    assert item.subject.namespaces == ("fable", "old")


def test_a_workload_that_nobody_recorded_is_stopped_where_the_manifests_name_it() -> None:
    assert verbs(planned(OFF, snapshot(applied(wish())))) == ["scale Deployment 0"]


def test_a_model_that_is_off_already_needs_no_write() -> None:
    entry = planned(OFF, on()).entry
    found = snapshot(applied(wish(), replicas=0), entry=entry)
    item = planned(OFF, found)
    assert (item.changes, item.entry_changes, item.is_change) == ((), False, False)


def test_a_model_of_which_nothing_exists_is_only_verified() -> None:
    """No record is made of what never was, and no soak can be recorded for it."""
    item = planned(OFF, snapshot(namespaces=()), soak=3.0)
    assert (item.changes, item.entry_changes, item.soak_due, item.is_change) == ((), False, False, False)
    assert codes(item.notes) == ["nothing-there"]
    assert {one.ref for one in item.subject.expectations} >= {DEPLOYMENT, SERVICE}, "its absence has to be looked at"
    assert not item.refusals, "a namespace that is missing is no obstacle to being off"


def test_the_catalogue_is_told_even_where_everything_is_at_zero() -> None:
    found = snapshot(applied(wish(), replicas=0), entry=recorded(wish()))
    item = planned(OFF, found)
    assert (item.changes, item.entry_changes, item.entry.want) == ((), True, Want.DISABLED)


def test_the_entry_keeps_revision_and_remembers_what_ran() -> None:
    entry = planned(OFF, snapshot(applied(wish(), replicas=5), entry=recorded(wish()))).entry
    assert entry.revision == recorded(wish()).revision
    assert entry.replicas == {"apps/Deployment fable/server": 5}


def test_a_second_stop_keeps_the_number_of_the_first() -> None:
    first = planned(OFF, snapshot(applied(wish(), replicas=5), entry=recorded(wish()))).entry
    second = planned(OFF, snapshot(applied(wish(), replicas=0), entry=first)).entry
    assert second.replicas == {"apps/Deployment fable/server": 5}


def test_everything_is_expected_at_zero() -> None:
    subject = planned(OFF, on()).subject
    wanted = {one.ref: one.wanted for one in subject.expectations}
    assert wanted[DEPLOYMENT] == Wanted(replicas=0)
    assert subject.revision is None


def test_no_dry_run_is_asked_for_a_stop() -> None:
    assert dry_runs(OFF, snapshot()) == []


def test_a_stop_is_carried_out_under_a_hold() -> None:
    item = planned(OFF, on(holds=("directive-1",)))
    assert (item.held_by, verbs(item)) == ((), ["scale Deployment 0"])


def test_an_autoscaler_that_could_wake_it_is_named() -> None:
    scaler = as_live(HPA) | {"status": {"conditions": [{"type": "ScaledToZero", "status": "True"}]}}
    notes = planned(OFF, on(scalers=(scaler,))).notes
    assert [(note.code, note.object) for note in notes] == [
        ("can-wake", "autoscaling/HorizontalPodAutoscaler fable/server")
    ]


def test_a_kind_without_replicas_that_runs_pods_is_named() -> None:
    job: JsonObject = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "load", "namespace": "fable"},
        "spec": {"template": {"spec": {}}},
    }
    with_job = wish(Want.DISABLED, manifests=[*MANIFESTS, job])
    found = snapshot(applied(wish(manifests=[*MANIFESTS, job])))
    assert codes(planned(with_job, found).notes) == ["not-switched"]


def test_a_workload_that_may_not_be_read_does_not_keep_the_others_running() -> None:
    reason = Reason(code="forbidden", message="may not get statefulsets", object=str(OLD))
    entry = recorded(wish())
    entry = replace(entry, objects=(*entry.objects, (OLD.api_version, OLD.kind, OLD.namespace, OLD.name)))
    item = planned(OFF, snapshot(applied(wish()), entry=entry, unread={OLD: reason}))
    assert verbs(item) == ["scale Deployment 0"]
    assert reason in item.notes
    assert item.doubts == (reason,)
    assert OLD in [ObjectRef(*parts) for parts in item.entry.objects], "it is not forgotten"
    assert OLD in [one.ref for one in item.subject.expectations], "and verification will say what it cannot see"


def test_a_damaged_entry_does_not_keep_a_model_running() -> None:
    reason = Reason(code="damaged-entry", message="of another version")
    item = planned(OFF, snapshot(applied(wish()), damaged={"fable-5": reason}))
    assert (verbs(item), item.refusals, codes(item.notes)) == (["scale Deployment 0"], (), ["damaged-entry"])


def test_behind_a_damaged_entry_more_may_run_so_it_is_kept_and_nothing_is_proven() -> None:
    """A later version may have written it, and named objects that no document here does."""
    reason = Reason(code="damaged-entry", message="of another version")
    found = snapshot(applied(wish()), damaged={"fable-5": reason})
    item = planned(OFF, found, soak=3.0)
    assert (item.entry_changes, item.soak_due, codes(item.doubts)) == (False, False, ["damaged-entry"])
    assert planned(OFF, found, take_over=True).entry_changes


def test_another_playbook_may_not_switch_it_off_either() -> None:
    other = wish(playbook="other")
    found = snapshot(applied(other), entry=recorded(other))
    assert codes(planned(OFF, found).refusals) == ["other-playbook"]
    assert not planned(wish(Want.DISABLED, playbook=None), found).refusals, "a command is an operator's own will"


def test_there_and_back_again_leads_to_the_same_numbers() -> None:
    """Disable, then enable: what the documents want, and the second enable finds nothing to do."""
    off = planned(OFF, on()).entry
    back = planned(wish(), snapshot(applied(wish(), replicas=0), entry=off))
    assert verbs(back) == ["scale Deployment 3"]
    assert planned(wish(), snapshot(applied(wish()), entry=back.entry)).is_change is False


def _taken_by_another() -> dict[ObjectRef, JsonObject]:
    live = applied(wish())
    live[DEPLOYMENT]["metadata"]["labels"][LABEL_MODEL] = "mythos-5"
    return live


def test_a_workload_that_carries_another_models_label_is_not_stopped_and_nothing_is_called_off() -> None:
    item = planned(OFF, snapshot(_taken_by_another(), entry=recorded(wish())))
    assert item.changes == ()
    assert [(doubt.code, doubt.object) for doubt in item.doubts] == [("other-model", str(DEPLOYMENT))]
    assert DEPLOYMENT not in {one.ref for one in item.subject.expectations}, "its pods are the other model's"
    assert (DEPLOYMENT.api_version, DEPLOYMENT.kind, DEPLOYMENT.namespace, DEPLOYMENT.name) in item.entry.objects


def test_another_models_workload_is_stopped_where_that_is_asked_for() -> None:
    item = planned(OFF, snapshot(_taken_by_another(), entry=recorded(wish())), take_over=True)
    assert (verbs(item), item.doubts) == (["scale Deployment 0"], ())


def test_an_entry_of_disabled_has_the_disabled_mark() -> None:
    entry = planned(OFF, on()).entry
    assert entry.soak_mark == "disabled"
    assert isinstance(entry, CatalogueEntry)
