"""Which writes lead to an enabled model, and which are refused."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import yaml

from orchestrator.core.model import Model
from orchestrator.core.objects import ANNOTATION_REVISION, FIELD_MANAGER, LABEL_MODEL, JsonObject, ObjectRef, ref_of
from orchestrator.core.plan import FieldChange, Verb
from orchestrator.core.records import passed, proof_of
from orchestrator.core.snapshot import ClusterSnapshot, Preview
from orchestrator.core.verdict import Reason, Want
from orchestrator.planning import render
from tests.unit.planning.samples import (
    DEPLOYMENT,
    HPA,
    MANIFESTS,
    MODEL,
    NAMESPACE,
    ROUTE,
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

NO_NAMESPACE = [manifest for manifest in MANIFESTS if manifest["kind"] != "Namespace"]
WITH_HPA = [*MANIFESTS, HPA]


def on(one: Any = None, **changes: Any) -> ClusterSnapshot:
    """A cluster in which the model was enabled before."""
    one = one or wish()
    return snapshot(applied(one), entry=recorded(one), **changes)


def with_live(found: ClusterSnapshot, ref: ObjectRef, edit: Any) -> ClusterSnapshot:
    live = copy.deepcopy(found.live[ref])
    edit(live)
    return replace(found, live={**found.live, ref: live})


def test_in_an_empty_cluster_everything_is_created_in_order_and_scaled_right_after() -> None:
    item = planned(wish(), snapshot(namespaces=()))
    assert verbs(item) == [
        "create Namespace",
        "create Service",
        "create Deployment",
        "scale Deployment 3",
        "create HTTPRoute",
    ]
    assert item.absent_before == (NAMESPACE, SERVICE, DEPLOYMENT, ROUTE)
    assert not item.refusals


def test_no_manifest_that_is_sent_carries_replicas() -> None:
    """Measured: an apply that once owned replicas and later leaves them out resets them to 1."""
    created = next(change for change in planned(wish(), snapshot()).changes if change.ref == DEPLOYMENT)
    assert created.manifest is not None
    assert "replicas" not in created.manifest["spec"]


def test_a_wanted_replica_of_one_needs_no_scale_because_it_is_the_default() -> None:
    item = planned(wish(model=replace(MODEL, replicas=1)), snapshot())
    assert "scale Deployment 1" not in verbs(item)


def test_a_second_enable_changes_nothing() -> None:
    item = planned(wish(), on())
    assert (item.changes, item.entry_changes, item.is_change, item.notes) == ((), False, False, ())
    assert dry_runs(wish(), on()) == []


def test_replicas_changed_by_hand_are_drift() -> None:
    found = with_live(on(), DEPLOYMENT, lambda live: live["spec"].update(replicas=5))
    (change,) = planned(wish(), found).changes
    assert (change.verb, change.replicas, change.uid) == (Verb.SCALE, 3, "uid-server")
    assert change.fields == (FieldChange("spec.replicas", 5, 3),)


def test_a_changed_number_is_scaled_and_nothing_else_is_written_to_the_object() -> None:
    item = planned(wish(model=replace(MODEL, replicas=4)), on())
    assert verbs(item) == ["scale Deployment 4"]


def test_a_model_that_was_off_is_scaled_up_again() -> None:
    found = snapshot(applied(wish(), replicas=0), entry=recorded(wish(), want=Want.DISABLED))
    assert verbs(planned(wish(), found)) == ["scale Deployment 3"]


def test_a_changed_field_is_applied_and_named() -> None:
    found = with_live(on(), SERVICE, lambda live: live["spec"]["ports"][0].update(port=81))
    item = planned(wish(), found)
    assert verbs(item) == ["apply Service"]
    assert "spec.ports" in item.changes[0].fields[0].path
    assert dry_runs(wish(), found) == [SERVICE]


def test_a_new_revision_is_written_even_where_only_the_annotation_differs() -> None:
    found = with_live(on(), SERVICE, lambda live: live["metadata"]["annotations"].update({ANNOTATION_REVISION: "old"}))
    item = planned(wish(), found)
    assert [change.path for change in item.changes[0].fields] == [f"metadata.annotations[{ANNOTATION_REVISION}]"]


def previewed(found: ClusterSnapshot, ref: ObjectRef, preview: Preview) -> ClusterSnapshot:
    return found.with_previews({ref: preview})


def test_where_the_dry_run_changes_nothing_nothing_is_written() -> None:
    """A webhook may put back what the manifest says: then every apply would be one for nothing."""
    found = with_live(on(), SERVICE, lambda live: live["spec"]["ports"][0].update(port=81))
    found = previewed(found, SERVICE, Preview(after=copy.deepcopy(found.live[SERVICE])))
    assert planned(wish(), found).changes == ()


def test_the_fields_shown_are_those_that_the_dry_run_changes() -> None:
    found = with_live(on(), SERVICE, lambda live: live["spec"].pop("selector"))
    after = copy.deepcopy(found.live[SERVICE])
    after["spec"]["selector"] = {"app": "fable", "injected": "yes"}
    item = planned(wish(), previewed(found, SERVICE, Preview(after=after)))
    assert item.changes[0].fields == (FieldChange("spec.selector", None, {"app": "fable", "injected": "yes"}),)


def test_replicas_that_an_apply_would_reset_are_scaled_back() -> None:
    """Where our manager owned spec.replicas once, leaving it out gives 1: the scale that follows starts from there."""
    found = with_live(on(), DEPLOYMENT, lambda live: live["spec"].update(paused=True))
    after = copy.deepcopy(found.live[DEPLOYMENT])
    after["spec"] |= {"paused": False, "replicas": 1}
    found = with_live(found, DEPLOYMENT, lambda live: live["spec"]["template"]["spec"].update(containers=[]))
    item = planned(wish(), previewed(found, DEPLOYMENT, Preview(after=after)))
    assert verbs(item) == ["apply Deployment", "scale Deployment 3"]
    assert "spec.replicas" not in [change.path for change in item.changes[0].fields]


def test_a_field_of_somebody_else_is_refused_by_name() -> None:
    found = with_live(on(), SERVICE, lambda live: live["spec"]["ports"][0].update(port=81))
    after = as_live(next(manifest for manifest in render(wish()).manifests if ref_of(manifest) == SERVICE))
    found = previewed(found, SERVICE, Preview(after=after, conflicts=((".spec.ports", "kubectl-edit"),)))
    (reason,) = planned(wish(), found).refusals
    assert (reason.code, reason.field, reason.object) == ("conflict", ".spec.ports", "Service fable/fable")
    assert "kubectl-edit" in reason.message
    assert planned(wish(), found).changes[0].forces == ()
    forced = planned(wish(), found, force_conflicts=True)
    assert not forced.refusals
    assert forced.changes[0].forces == ((".spec.ports", "kubectl-edit"),)


def test_a_field_that_our_own_restore_put_back_is_ours_to_apply() -> None:
    """The API server tells an update of ours from an apply of ours, and calls the two in conflict."""
    found = with_live(on(), SERVICE, lambda live: live["spec"]["ports"][0].update(port=81))
    found = previewed(found, SERVICE, Preview(conflicts=((".spec.ports", FIELD_MANAGER),)))
    item = planned(wish(), found)
    assert not item.refusals
    assert item.changes[0].forces == ((".spec.ports", FIELD_MANAGER),)
    others = previewed(found, SERVICE, Preview(conflicts=((".spec.ports", FIELD_MANAGER), (".spec.type", "kubectl"))))
    item = planned(wish(), others)
    assert [reason.field for reason in item.refusals] == [".spec.type"]
    assert item.changes[0].forces == ()


def test_nothing_is_forced_where_nothing_conflicts() -> None:
    found = with_live(on(), SERVICE, lambda live: live["spec"]["ports"][0].update(port=81))
    assert planned(wish(), found, force_conflicts=True).changes[0].forces == ()


def test_what_admission_refuses_is_refused_before_anything_is_sent() -> None:
    error = Reason(code="invalid", message="denied by policy", object=str(SERVICE))
    item = planned(wish(), snapshot().with_previews({SERVICE: Preview(error=error)}))
    assert item.refusals == (error,)


def test_new_objects_are_tried_only_where_their_namespace_is() -> None:
    assert dry_runs(wish(), snapshot(namespaces=())) == [NAMESPACE]
    assert dry_runs(wish(), snapshot()) == [NAMESPACE, SERVICE, DEPLOYMENT, ROUTE]


def test_a_namespace_that_is_nowhere_is_refused() -> None:
    (reason,) = planned(wish(manifests=NO_NAMESPACE), snapshot(namespaces=())).refusals
    assert (reason.code, reason.object) == ("namespace-missing", "Namespace fable")
    assert not planned(wish(manifests=NO_NAMESPACE), snapshot()).refusals


def test_an_api_that_the_cluster_does_not_serve_is_refused() -> None:
    unserved = frozenset({("gateway.networking.k8s.io/v1", "HTTPRoute")})
    found = snapshot(unserved=unserved)
    assert codes(planned(wish(), found).refusals) == ["kind-not-served"]
    assert ROUTE not in dry_runs(wish(), found)


def test_an_api_that_the_manifests_bring_along_is_not_refused_and_not_tried() -> None:
    thing, definition = yaml.safe_load_all(
        """
apiVersion: serving.example/v1
kind: Thing
metadata: {name: t, namespace: fable}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.serving.example}
spec: {group: serving.example, scope: Namespaced, names: {kind: Thing}, versions: [{name: v1}]}
"""
    )
    one = wish(manifests=[thing, definition])
    found = snapshot(unserved=frozenset({("serving.example/v1", "Thing")}))
    assert not planned(one, found).refusals
    assert [ref.kind for ref in dry_runs(one, found)] == ["CustomResourceDefinition"]


def test_an_object_on_its_way_out_is_refused() -> None:
    found = with_live(on(), SERVICE, lambda live: live["metadata"].update(deletionTimestamp="2026-11-23T00:00:00Z"))
    assert codes(planned(wish(), found).refusals) == ["being-deleted"]


def test_another_models_object_is_refused_unless_taken_over() -> None:
    found = with_live(on(), SERVICE, lambda live: live["metadata"]["labels"].update({LABEL_MODEL: "mythos-5"}))
    (reason,) = planned(wish(), found).refusals
    assert (reason.code, "mythos-5" in reason.message) == ("other-model", True)
    assert not planned(wish(), found, take_over=True).refusals


def test_what_may_not_be_read_is_not_written() -> None:
    """Blind writes could take what is somebody else's; the item's verification then says what it could not see."""
    reason = Reason(code="forbidden", message="may not get services", object=str(SERVICE))
    item = planned(wish(), snapshot(unread={SERVICE: reason}), soak=5.0)
    assert (item.changes, item.entry_changes, item.soak_due) == ((), False, False)
    assert reason in item.notes
    assert item.doubts == (reason,)
    assert SERVICE not in dry_runs(wish(), snapshot(unread={SERVICE: reason}))


class TestAutoscaled:
    """Replicas that an autoscaler owns are left to it."""

    def live(self, replicas: int, **hpa: Any) -> ClusterSnapshot:
        one = wish(manifests=WITH_HPA)
        live = applied(one, replicas=replicas)
        scaler = as_live(HPA) | hpa
        return snapshot({**live, ref_of(HPA): scaler | {"metadata": live[ref_of(HPA)]["metadata"]}}, scalers=(scaler,))

    def test_our_number_is_only_the_start(self) -> None:
        assert verbs(planned(wish(manifests=WITH_HPA), snapshot()))[-4:] == [
            "create Deployment",
            "scale Deployment 3",
            "create HorizontalPodAutoscaler",
            "create HTTPRoute",
        ]

    def test_its_number_is_kept(self) -> None:
        assert planned(wish(manifests=WITH_HPA), self.live(7)).changes == ()

    def test_the_expectation_names_no_number(self) -> None:
        item = planned(wish(manifests=WITH_HPA), self.live(7))
        wanted = {one.ref: one.wanted.replicas for one in item.subject.expectations}
        assert wanted[DEPLOYMENT] is None

    def test_an_autoscaler_that_somebody_else_made_owns_the_number_as_well(self) -> None:
        found = replace(on(), scalers=(as_live(HPA),))
        found = with_live(found, DEPLOYMENT, lambda live: live["spec"].update(replicas=7))
        assert planned(wish(), found).changes == ()

    def test_an_autoscaler_of_another_workload_owns_nothing_here(self) -> None:
        other = as_live(HPA)
        other["spec"]["scaleTargetRef"]["name"] = "other"
        found = with_live(on(), DEPLOYMENT, lambda live: live["spec"].update(replicas=7))
        assert verbs(planned(wish(), replace(found, scalers=(other,)))) == ["scale Deployment 3"]

    def test_from_a_zero_that_it_leaves_alone_we_start_it(self) -> None:
        """An HPA does not act on a zero that was set by hand."""
        assert verbs(planned(wish(manifests=WITH_HPA), self.live(0))) == ["scale Deployment 3"]

    def test_a_zero_of_its_own_is_left_to_it(self) -> None:
        status = {"conditions": [{"type": "ScaledToZero", "status": "True"}]}
        assert planned(wish(manifests=WITH_HPA), self.live(0, status=status)).changes == ()

    def test_one_that_is_pruned_owns_nothing_any_more(self) -> None:
        before = wish(manifests=WITH_HPA)
        found = snapshot(applied(before, replicas=7), entry=recorded(before), scalers=(as_live(HPA),))
        item = planned(wish(), found, prune=True)
        assert "scale Deployment 3" in verbs(item)
        assert verbs(item)[-1] == "delete HorizontalPodAutoscaler"


class TestLeftovers:
    """What was applied earlier and is in no manifest any more."""

    without_service = tuple(manifest for manifest in MANIFESTS if manifest["kind"] != "Service")

    def test_it_is_shown_and_stays_in_the_catalogue(self) -> None:
        item = planned(wish(manifests=self.without_service), on())
        assert codes(item.notes) == ["not-pruned"]
        assert (SERVICE.api_version, SERVICE.kind, SERVICE.namespace, SERVICE.name) in item.entry.objects
        assert Verb.DELETE not in [change.verb for change in item.changes]

    def test_it_is_deleted_on_request_by_uid_and_last(self) -> None:
        item = planned(wish(manifests=self.without_service), on(), prune=True)
        last = item.changes[-1]
        assert (last.verb, last.ref, last.uid) == (Verb.DELETE, SERVICE, "uid-fable")
        assert SERVICE.kind not in [parts[1] for parts in item.entry.objects]

    def test_what_lost_our_label_is_somebody_elses(self) -> None:
        found = with_live(on(), SERVICE, lambda live: live["metadata"]["labels"].clear())
        item = planned(wish(manifests=self.without_service), found, prune=True)
        assert Verb.DELETE not in [change.verb for change in item.changes]
        assert codes(item.notes) == ["not-pruned"]

    @pytest.mark.parametrize("kind", ["PersistentVolumeClaim"])
    def test_what_holds_data_is_never_deleted(self, kind: str) -> None:
        claim: JsonObject = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "w", "namespace": "fable"}}
        before = wish(manifests=[*MANIFESTS, claim])
        found = snapshot(applied(before), entry=recorded(before))
        item = planned(wish(), found, prune=True)
        assert Verb.DELETE not in [change.verb for change in item.changes]
        assert "never deleted" in item.notes[0].message

    def test_deletions_go_the_other_way(self) -> None:
        item = planned(wish(manifests=[MANIFESTS[1], MANIFESTS[3]]), on(), prune=True)
        assert verbs(item)[-2:] == ["delete HTTPRoute", "delete Service"]

    def test_what_is_gone_already_is_forgotten(self) -> None:
        found = on()
        found = replace(found, live={ref: obj for ref, obj in found.live.items() if ref != SERVICE})
        item = planned(wish(manifests=self.without_service), found)
        assert not item.notes
        assert SERVICE.kind not in [parts[1] for parts in item.entry.objects]


class TestCatalogue:
    """What the cluster is told."""

    def test_the_entry_names_what_was_applied(self) -> None:
        entry = planned(wish(), snapshot()).entry
        assert entry.revision == render(wish()).revision
        assert entry.replicas == {"apps/Deployment fable/server": 3}
        assert [parts[1] for parts in entry.objects] == ["Deployment", "HTTPRoute", "Service"]
        assert entry.playbook == "rollout"

    def test_the_definition_leaves_out_patches_because_they_may_hold_secrets(self) -> None:
        from orchestrator.core.model import Match, Override
        from orchestrator.core.scope import Scope

        override = Override(scope=Scope(all=True), replicas=2)
        model = replace(MODEL, overrides=(override,), match=Match(weights=("s3://w/fable",)))
        definition = planned(wish(model=model), snapshot()).entry.definition
        assert definition["match"] == {"weights": ["s3://w/fable"]}
        assert "overrides" not in definition

    def test_an_entry_survives_its_config_map(self) -> None:
        entry = planned(wish(), snapshot()).entry
        assert type(entry).from_config_map(entry.to_config_map()) == entry

    def test_a_damaged_entry_stops_an_enable_until_it_is_taken_over(self) -> None:
        reason = Reason(code="damaged-entry", message="of another version")
        found = snapshot(damaged={"fable-5": reason})
        assert codes(planned(wish(), found).refusals) == ["damaged-entry"]
        assert not planned(wish(), found, take_over=True).refusals

    def test_another_playbooks_state_is_refused_unless_taken_over(self) -> None:
        other = wish(playbook="other")
        found = snapshot(applied(other), entry=recorded(other))
        (reason,) = planned(wish(), found).refusals
        assert (reason.code, "other" in reason.message) == ("other-playbook", True)
        taken = planned(wish(), found, take_over=True)
        assert (taken.refusals, taken.entry.playbook) == ((), "rollout")

    def test_a_single_command_is_not_refused_and_leaves_the_owner(self) -> None:
        item = planned(wish(playbook=None), on())
        assert (item.refusals, item.entry.playbook) == ((), "rollout")


class TestSoak:
    """A step's soak counts only when the cluster has the record."""

    def test_it_is_due_the_first_time_and_after_an_unfinished_run(self) -> None:
        assert planned(wish(), snapshot(), soak=5).soak_due
        item = planned(wish(), on(), soak=5)
        assert (item.is_change, item.soak_due) == (False, True)

    def test_it_is_not_due_once_recorded(self) -> None:
        entry = recorded(wish())
        soaked = replace(entry, soaked={"rollout/all": passed(str(entry.revision), proof_of(5, ()))})
        item = planned(wish(), snapshot(applied(wish()), entry=soaked), soak=5)
        assert (item.is_change, item.soak_due) == (False, False)

    @pytest.mark.parametrize(
        "demands",
        [{"soak": 6}, {"soak": 5, "checks": ({"http": {"url": "http://fable.example"}},)}],
        ids=["longer", "check"],
    )
    def test_what_a_step_demands_besides_is_due_at_an_unchanged_revision(self, demands: dict[str, Any]) -> None:
        entry = recorded(wish())
        soaked = replace(entry, soaked={"rollout/all": passed(str(entry.revision), proof_of(5, ()))})
        item = planned(wish(), snapshot(applied(wish()), entry=soaked), **demands)
        assert (item.is_change, item.soak_due) == (False, True)

    def test_a_record_that_does_not_say_what_was_demanded_counts_for_nothing(self) -> None:
        entry = recorded(wish())
        soaked = replace(entry, soaked={"rollout/all": str(entry.revision)})
        assert planned(wish(), snapshot(applied(wish()), entry=soaked), soak=5).soak_due

    def test_a_step_without_soak_and_checks_owes_nothing(self) -> None:
        assert not planned(wish(), snapshot()).soak_due

    def test_a_new_revision_soaks_anew(self) -> None:
        soaked = replace(recorded(wish()), soaked={"rollout/all": passed("0123456789abcdef", proof_of(5, ()))})
        item = planned(wish(), snapshot(applied(wish()), entry=soaked), soak=5)
        assert (item.entry.soaked, item.soak_due) == ({}, True)

    def test_a_model_that_was_off_in_between_soaks_anew(self) -> None:
        entry = replace(
            recorded(wish()), soaked={"rollout/all": passed(str(recorded(wish()).revision), proof_of(5, ()))}
        )
        stopped = planned(wish(Want.DISABLED), snapshot(applied(wish()), entry=entry)).entry
        back = planned(wish(), snapshot(applied(wish(), replicas=0), entry=stopped), soak=5)
        assert back.soak_due

    def test_a_command_finds_its_own_record_again(self) -> None:
        """Otherwise every repetition would lock and soak, also where a playbook set the state before."""
        command = wish(Want.DISABLED, playbook=None, step="disable")
        item = planned(command, on(), soak=3)
        entry = replace(item.entry, soaked={"-/disable": passed(item.entry.soak_mark, proof_of(3, ()))})
        again = planned(command, snapshot(applied(wish(), replicas=0), entry=entry), soak=3)
        assert (again.is_change, again.soak_due) == (False, False)

    def test_a_commands_soak_is_no_playbooks(self) -> None:
        """A step of the same name may demand a longer soak, and checks."""
        step = wish(Want.DISABLED, step="disable")
        entry = replace(planned(step, on()).entry, soaked={"-/disable": passed("disabled", proof_of(600, ()))})
        assert planned(step, snapshot(applied(wish(), replicas=0), entry=entry), soak=600).soak_due


def test_a_hold_keeps_everything_from_being_written() -> None:
    item = planned(wish(), snapshot(holds=("directive-1",)), soak=5)
    assert (item.held_by, item.changes, item.entry_changes, item.is_change) == (("directive-1",), (), False, False)
    assert dry_runs(wish(), snapshot(holds=("directive-1",))) == []


def test_a_hold_on_another_model_keeps_nothing() -> None:
    assert planned(wish(model=Model(name="mythos-5", manifests=(".",))), snapshot(holds=("d",))).is_change


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (
            {
                "labels": {"app.kubernetes.io/managed-by": "Helm"},
                "annotations": {"meta.helm.sh/release-name": "fable", "meta.helm.sh/release-namespace": "apps"},
            },
            "Helm release apps/fable manages this object, and undoes this when it next acts",
        ),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "fable:apps/Deployment:fable/server"}},
            "Argo CD application fable manages this object, and undoes this on its own",
        ),
        (
            {
                "labels": {
                    "kustomize.toolkit.fluxcd.io/name": "fable",
                    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
                }
            },
            "Flux ",
        ),
    ],
)
def test_who_would_undo_a_change_is_said(metadata: JsonObject, words: str) -> None:
    def mark(live: JsonObject) -> None:
        live["spec"]["replicas"] = 5
        for group, entries in metadata.items():
            live["metadata"][group] |= entries

    notes = planned(wish(), with_live(on(), DEPLOYMENT, mark)).notes
    assert [note.object for note in notes] == ["apps/Deployment fable/server"]
    assert notes[0].code == "reverter"
    assert notes[0].message.startswith(words)


def test_the_subject_expects_every_object_as_applied_and_nothing_shared() -> None:
    subject = planned(wish(), snapshot()).subject
    wanted = {one.ref: (one.manifest is not None, one.wanted.replicas) for one in subject.expectations}
    assert wanted == {SERVICE: (True, None), DEPLOYMENT: (True, 3), ROUTE: (True, None)}
    assert subject.namespaces == ("fable",)
    assert subject.revision == render(wish()).revision


def test_what_is_kept_for_a_rollback_is_what_is_applied() -> None:
    item = planned(wish(), snapshot())
    assert item.manifests == render(wish()).own
