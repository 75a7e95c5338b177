"""From documents to the manifests of one cluster."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.model import Adoption, Model, Override, Patch, PatchTarget, Profile
from orchestrator.core.objects import ANNOTATION_REVISION, LABEL_MODEL, JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.scope import Scope
from orchestrator.errors import UsageError
from orchestrator.planning import Rendering, render
from tests.unit.planning.samples import DEPLOYMENT, MANIFESTS, MODEL, NAMESPACE, ROUTE, SERVICE, wish

EVERYWHERE = Scope(all=True)


def manifest_of(rendering: Rendering, ref: ObjectRef) -> JsonObject:
    return next(manifest for manifest in rendering.manifests if ref_of(manifest) == ref)


def image_patch(image: str, **target: Any) -> Patch:
    containers = [{"name": "server", "image": image}]
    body = {"spec": {"template": {"spec": {"containers": containers}}}}
    return Patch(target=PatchTarget(**{"kind": "Deployment", **target}), patch=body)


def image_of(rendering: Rendering) -> Any:
    return dig(manifest_of(rendering, DEPLOYMENT), "spec", "template", "spec", "containers", 0, "image")


def test_objects_come_in_the_order_in_which_they_are_applied() -> None:
    assert render(wish()).refs == (NAMESPACE, SERVICE, DEPLOYMENT, ROUTE)


def test_our_label_is_on_objects_and_pod_templates_and_never_in_a_selector() -> None:
    deployment = manifest_of(render(wish()), DEPLOYMENT)
    assert deployment["metadata"]["labels"] == {LABEL_MODEL: "fable-5"}
    assert deployment["spec"]["template"]["metadata"]["labels"] == {"app": "fable", LABEL_MODEL: "fable-5"}
    assert deployment["spec"]["selector"] == {"matchLabels": {"app": "fable"}}


def test_the_template_of_a_cron_job_is_labelled_too() -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "warm", "namespace": "fable"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": {}}}}},
    }
    rendered = render(wish(manifests=[job])).manifests[0]
    assert dig(rendered, "spec", "jobTemplate", "spec", "template", "metadata", "labels") == {LABEL_MODEL: "fable-5"}


def test_the_revision_is_on_every_object_and_not_in_the_template() -> None:
    """A revision in the template would restart every pod for a change of an unrelated object."""
    rendering = render(wish())
    for manifest in rendering.own:
        assert manifest["metadata"]["annotations"][ANNOTATION_REVISION] == rendering.revision
    template = manifest_of(rendering, DEPLOYMENT)["spec"]["template"]
    assert "annotations" not in template["metadata"]


def test_a_namespace_stays_as_it_is_because_several_models_may_ship_it() -> None:
    rendering = render(wish())
    assert manifest_of(rendering, NAMESPACE)["metadata"] == {"name": "fable"}
    assert NAMESPACE not in [ref_of(manifest) for manifest in rendering.own]


def test_replicas_stand_apart_from_the_manifests() -> None:
    rendering = render(wish())
    assert "replicas" not in manifest_of(rendering, DEPLOYMENT)["spec"]
    assert rendering.replicas == {DEPLOYMENT: 3}


@pytest.mark.parametrize(
    ("of_model", "of_overrides", "expected"),
    [
        (None, [], 3),
        (4, [], 4),
        ({"server": 5}, [], 5),
        (4, [6], 6),
        (4, [6, {"server": 7}], 7),
        (4, [{"server": 7}, None], 7),
        (4, [0], 0),
    ],
)
def test_replicas_come_from_the_last_that_names_them(of_model: Any, of_overrides: list[Any], expected: int) -> None:
    overrides = tuple(Override(scope=EVERYWHERE, replicas=number) for number in of_overrides)
    assert render(wish(model=replace(MODEL, replicas=of_model), overrides=overrides)).replicas == {DEPLOYMENT: expected}


def test_a_manifest_without_replicas_wants_one() -> None:
    manifests = [{**MANIFESTS[1], "spec": {key: MANIFESTS[1]["spec"][key] for key in ("selector", "template")}}]
    assert render(wish(manifests=manifests)).replicas == {DEPLOYMENT: 1}


def test_replicas_for_a_workload_that_is_not_there_are_an_error_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="none of its workloads") as caught:
        render(wish(model=replace(MODEL, replicas={"sever": 2})))
    assert caught.value.hint == "did you mean server?"


def test_the_profile_is_patched_first_and_overrides_win() -> None:
    model = replace(MODEL, profiles={"small": Profile(patches=(image_patch("small"),))})
    profile_only = (Override(scope=EVERYWHERE, profile="small"),)
    assert image_of(render(wish(model=model, overrides=profile_only))) == "small"
    with_patch = (Override(scope=EVERYWHERE, patches=(image_patch("patched"),)), *profile_only)
    rendering = render(wish(model=model, overrides=with_patch))
    assert (image_of(rendering), rendering.profile) == ("patched", "small")


def test_the_last_profile_counts() -> None:
    model = replace(MODEL, profiles={name: Profile(patches=(image_patch(name),)) for name in ("a", "b")})
    overrides = tuple(Override(scope=EVERYWHERE, profile=name) for name in ("a", "b"))
    assert image_of(render(wish(model=model, overrides=overrides))) == "b"


def test_a_json_merge_patch_replaces_lists() -> None:
    patch = Patch(
        target=PatchTarget(kind="Service"), type="merge", patch={"spec": {"ports": [{"port": 81}], "selector": None}}
    )
    service = manifest_of(render(wish(overrides=(Override(scope=EVERYWHERE, patches=(patch,)),))), SERVICE)
    assert service["spec"] == {"ports": [{"port": 81}]}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((Override(scope=EVERYWHERE, patches=(image_patch("x", name="ghost"),)),), "Deployment ghost fits none"),
        ((Override(scope=EVERYWHERE, patches=(image_patch("x", kind="batch/Deployment"),)),), "fits none"),
        ((Override(scope=EVERYWHERE, profile="ghost"),), "has no profile ghost"),
        (
            (
                Override(
                    scope=EVERYWHERE,
                    patches=(Patch(target=PatchTarget(kind="Service"), patch={"metadata": {"name": "other"}}),),
                ),
            ),
            "into another object",
        ),
    ],
)
def test_a_patch_that_cannot_be_meant_is_an_error(overrides: tuple[Override, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        render(wish(overrides=overrides))


def test_a_kind_may_be_given_with_its_group() -> None:
    overrides = (Override(scope=EVERYWHERE, patches=(image_patch("x", kind="apps/Deployment"),)),)
    assert image_of(render(wish(overrides=overrides))) == "x"


def test_two_manifests_of_one_name_are_an_error_even_in_two_versions() -> None:
    older = {**MANIFESTS[1], "apiVersion": "apps/v1beta2"}
    with pytest.raises(UsageError, match="stands twice"):
        render(wish(manifests=[*MANIFESTS, older]))


def test_a_namespaced_object_without_namespace_lands_in_default() -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    assert render(wish(manifests=[config])).refs == (ObjectRef("v1", "ConfigMap", "default", "c"),)


def test_discovery_tells_whether_an_unknown_kind_has_a_namespace() -> None:
    thing = {"apiVersion": "serving.example/v1", "kind": "Thing", "metadata": {"name": "t"}}
    key = ("serving.example/v1", "Thing")
    assert render(wish(manifests=[thing]), {key: True}).refs[0].namespace == "default"
    assert render(wish(manifests=[thing]), {key: False}).refs[0].namespace == ""


def test_a_definition_among_the_manifests_tells_it_as_well() -> None:
    thing = {"apiVersion": "serving.example/v1", "kind": "Thing", "metadata": {"name": "t"}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.serving.example"},
        "spec": {
            "group": "serving.example",
            "scope": "Namespaced",
            "names": {"kind": "Thing"},
            "versions": [{"name": "v1"}],
        },
    }
    assert render(wish(manifests=[thing, definition])).refs[1].namespace == "default"


def test_a_namespace_on_a_kind_that_has_none_is_an_error() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}
    with pytest.raises(UsageError, match="its kind has none"):
        render(wish(manifests=[{**role, "metadata": {"name": "r", "namespace": "x"}}]))


def test_what_only_a_server_writes_is_left_out() -> None:
    exported = {
        **MANIFESTS[2],
        "metadata": {**MANIFESTS[2]["metadata"], "uid": "u", "resourceVersion": "1", "managedFields": []},
        "status": {"loadBalancer": {}},
    }
    rendered = manifest_of(render(wish(manifests=[exported])), SERVICE)
    assert "status" not in rendered
    assert set(rendered["metadata"]) == {"name", "namespace", "labels", "annotations"}


def test_string_data_becomes_data() -> None:
    """Under server-side apply nobody owns stringData, so a key that is removed there would stay for ever."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "fable"},
        "data": {"a": "QQ=="},
        "stringData": {"token": "hush"},
    }
    rendered = render(wish(manifests=[secret])).manifests[0]
    assert rendered["data"] == {"a": "QQ==", "token": base64.b64encode(b"hush").decode()}
    assert "stringData" not in rendered


def test_the_revision_depends_on_content_alone() -> None:
    shuffled = [*MANIFESTS[2:], *MANIFESTS[:2]]
    revision = render(wish()).revision
    assert render(wish(manifests=shuffled)).revision == revision
    assert render(wish(model=replace(MODEL, replicas=9))).revision == revision, "replicas are no part of it"
    assert render(wish(overrides=(Override(scope=EVERYWHERE, patches=(image_patch("2"),)),))).revision != revision


def test_rendering_leaves_the_documents_as_they_are() -> None:
    before = repr(MANIFESTS)
    render(wish(overrides=(Override(scope=EVERYWHERE, patches=(image_patch("2"),)),)))
    assert repr(MANIFESTS) == before


def test_an_adopted_model_has_no_manifests_and_no_revision() -> None:
    model = Model(name="fable-5", adopt=Adoption(selector={"app": "fable"}))
    rendering = render(wish(model=model))
    assert (rendering.manifests, rendering.revision) == ((), None)


def test_a_patch_for_an_adopted_model_is_an_error_because_its_templates_are_never_touched() -> None:
    model = Model(name="fable-5", adopt=Adoption(selector={"app": "fable"}))
    with pytest.raises(UsageError, match="fits none"):
        render(wish(model=model, overrides=(Override(scope=EVERYWHERE, patches=(image_patch("x"),)),)))


def test_a_model_with_nothing_to_switch_is_an_error() -> None:
    with pytest.raises(UsageError, match="neither manifests nor workloads"):
        render(wish(manifests=[]))
