"""Manifests: objects as written, expanded and with their lines; what cannot be applied is refused."""

from __future__ import annotations

from textwrap import dedent

import pytest

from orchestrator.core.model import Model, PatchTarget
from orchestrator.core.objects import ObjectRef
from orchestrator.documents._parsing import parse_documents
from orchestrator.documents.envelope import read
from orchestrator.documents.manifests import Manifest, check_against_manifests, is_target, read_manifests
from tests.unit.documents.conftest import VOCABULARY, Refusal


def manifests_of(text: str) -> tuple[Manifest, ...]:
    return read_manifests(list(parse_documents(dedent(text), "m.yaml", allow_control=True)))


DEPLOYMENT = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: n}}"


def test_documents_and_lists_become_objects_with_lines() -> None:
    """Lists within lists too; empty documents are left out."""
    manifests = manifests_of("""\
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: a}
        data: {NO: "no", script: "a\\e[0m"}
        ---
        # nothing
        ---
        apiVersion: v1
        kind: List
        items:
          - {apiVersion: v1, kind: Secret, metadata: {name: b}}
          - apiVersion: v1
            kind: ServiceList
            items:
              - {apiVersion: v1, kind: Service, metadata: {name: c}}
        """)
    assert [(manifest.object["kind"], manifest.line) for manifest in manifests] == [
        ("ConfigMap", 2),
        ("Secret", 12),
        ("Service", 16),
    ]
    assert manifests[0].object["data"] == {"NO": "no", "script": "a\x1b[0m"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "1: expected a Kubernetes object, not a list"),
        ("kind: Service\nmetadata: {name: a}", "1: apiVersion: expected a string, not nothing"),
        ("apiVersion: v1\nmetadata: {name: a}", "1: kind: expected a string, not nothing"),
        ("apiVersion: v1\nkind: 7\nmetadata: {name: a}", "2: kind: expected a string, not the number 7"),
        ("apiVersion: v1\nkind: Service", "1: Service: metadata.name is missing"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: a}", "3: Pod: metadata.name is missing"),
        ("apiVersion: k.example/v1\nkind: Kustomization", "1: Kustomization: metadata.name is missing | Kustomization"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: ../a}", '3: "../a" cannot name an object'),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: A}", '3: "A" cannot name a namespace'),
        ("apiVersion: orchestrator/v1\nkind: Model\nmetadata: {name: a}", "2: a Model of this tool is no manifest"),
        (
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  uid: b",
            "5: metadata.uid is set by the API server | this manifest was exported from a cluster",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  labels: {x: 1}",
            "5: metadata.labels: expected strings, not the number 1 | write it in quotes",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  labels: {orchestrator.dev/model: b}",
            "5: orchestrator.dev/model is written by this tool alone",
        ),
        (
            f"{DEPLOYMENT}\n---\n{DEPLOYMENT}",
            "3: apps/Deployment n/a is there already, in m.yaml:1",
        ),
        (
            f"{DEPLOYMENT}\n---\n{DEPLOYMENT.replace('apps/v1', 'apps/v1beta1')}",
            "3: apps/Deployment n/a is there already, in m.yaml:1",
        ),
        ("apiVersion: v1\nkind: List\nitems:\n  - {apiVersion: v1, kind: Pod}", "4: Pod: metadata.name is missing"),
        ("apiVersion: v1\nkind: List\nitems:\n  - null", "4: expected a Kubernetes object, not nothing"),
    ],
)
def test_what_cannot_be_applied_is_refused(refusal: Refusal, text: str, message: str) -> None:
    """At its line."""
    assert f"m.yaml:{message}" in refusal(lambda: manifests_of(text))


def test_a_creation_timestamp_of_null_is_customary() -> None:
    """`kubectl create --dry-run -o yaml` writes it."""
    assert manifests_of("{apiVersion: v1, kind: Service, metadata: {name: a, creationTimestamp: null}}")


@pytest.mark.parametrize(
    ("target", "is_meant"),
    [
        (PatchTarget(kind="Deployment"), True),
        (PatchTarget(kind="apps/Deployment"), True),
        (PatchTarget(kind="apps/Deployment", name="a"), True),
        (PatchTarget(kind="extensions/Deployment"), False),
        (PatchTarget(kind="Deployment", name="b"), False),
        (PatchTarget(kind="StatefulSet"), False),
    ],
)
def test_what_a_patch_targets(target: PatchTarget, is_meant: bool) -> None:
    """Kind, group where given, name where given."""
    assert is_target(target, ObjectRef("apps/v1", "Deployment", "n", "a")) is is_meant


MODEL = """\
apiVersion: orchestrator/v1
kind: Model
metadata: {name: fable-5}
spec:
  manifests: [.]
  replicas: {a: 1}
  profiles: {p: {patches: [{target: {kind: Deployment}, patch: {x: 1}}]}}
  overrides:
    - {scope: {all: true}, replicas: {a: 1}, patches: [{target: {kind: Deployment, name: a}, patch: {x: 1}}]}
"""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("", "", ""),
        ("  replicas: {a: 1}", "  replicas: {aa: 1}", "model.yaml:6: no manifest is called aa"),
        ("replicas: {a: 1}, p", "replicas: {b: 1}, p", "model.yaml:9: no manifest is called b"),
        (
            "kind: Deployment}",
            "kind: Job}",
            "model.yaml:7: no manifest is a Job | the manifests hold apps/Deployment a",
        ),
        ("name: a}", "name: b}", "model.yaml:9: no manifest is a Deployment b"),
    ],
)
def test_models_speak_of_objects_that_exist(refusal: Refusal, before: str, after: str, message: str) -> None:
    """A patch or a number for nothing is a mistake."""
    (source,) = parse_documents(MODEL.replace(before, after, 1), "model.yaml")
    model = read(Model, source, VOCABULARY).value
    manifests = manifests_of(DEPLOYMENT)
    if message:
        assert message in refusal(lambda: check_against_manifests(model, source, manifests))
    else:
        check_against_manifests(model, source, manifests)
