"""Model documents: what is accepted, and every way of being wrong, with its line."""

from __future__ import annotations

import pytest

from orchestrator.core.model import Model
from orchestrator.core.scope import Scope
from orchestrator.documents.envelope import load
from tests.unit.documents.conftest import VOCABULARY, Refusal, Write

GOOD = """\
apiVersion: orchestrator/v1
kind: Model
metadata: {name: fable-5}
spec:
  serves: [fable-5, fable-5-latest]
  manifests: [., ../shared/rbac.yaml]
  replicas: 3
  overrides:
    - {scope: {in: [EU], except: {clusters: [a]}}, replicas: {fable: 5}, profile: restricted}
  profiles:
    restricted:
      patches:
        - {target: {kind: apps/Deployment, name: fable}, patch: {spec: {paused: false}}}
        - {target: {kind: Service}, type: merge, patch: {spec: {type: ClusterIP}}}
  match: {labels: {app.example/model: fable}, weights: ["s3://w.example/fable"], images: ["r.example:5000/fable"]}
  sharedIn: [{selector: {app: router}, namespaces: [shared]}]
  routes: [{kind: HTTPRoute, namespace: fable, name: fable.v1}]
  probes: [{url: "https://fable.{region}.example", from: workstation, scope: {all: true}}]
  health: [{kind: serving.example/Thing, ready: {condition: Ready}}, {kind: a.example/B, inert: true}]
  channels: [{name: partner, owner: desk, contact: desk@a.example, probe: {http: {url: "https://p.example"}}}]
"""


def test_everything_that_a_model_may_say(write: Write) -> None:
    """Fields of Python keywords, unions and nested scopes included."""
    model = load(Model, write("model.yaml", GOOD), VOCABULARY).value
    assert model.served_names == ("fable-5", "fable-5-latest")
    assert model.replicas == 3
    assert model.overrides[0].scope == Scope(in_=("EU",), except_=Scope(clusters=("a",)))
    assert model.overrides[0].replicas == {"fable": 5}
    assert model.profiles["restricted"].patches[1].type == "merge"
    assert model.probes[0].from_ == "workstation"
    assert model.health[1].inert
    assert model.channels[0].probe is not None


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("  manifests: [., ../shared/rbac.yaml]\n", "", "4: expected either manifests or adopt"),
        ("  replicas: 3\n", "  adopt: {selector: {a: b}}\n", "4: expected either manifests or adopt"),
        ("[., ", "[/etc, ", '6: "/etc": expected a path relative to this file'),
        ("replicas: 3", "replicas: -1", "7: replicas: expected 0 or more, not -1"),
        ("replicas: 3", "replicas: true", "7: replicas: expected a whole number or a mapping, not true"),
        ("replicas: 3", 'replicas: "3"', '7: replicas: expected a whole number or a mapping, not "3"'),
        ("{fable: 5}", "{fable: -5}", "9: replicas: expected 0 or more, not -5"),
        ("{fable: 5}", "{fable: x}", '9: overrides[0].replicas.fable: expected a whole number, not "x"'),
        ("profile: restricted", "profile: restrictd", '9: there is no profile "restrictd" | did you mean restricted?'),
        ("in: [EU]", "in: [UK]", "9: UK is no ISO 3166-1 alpha-2 country code and no known group | did you mean GB"),
        (
            "{in: [EU], except: {clusters: [a]}}",
            "{}",
            "9: the scope names no cluster | for every cluster say `all: true`",
        ),
        ("except: {clusters: [a]}", "except: {}", "9: the scope names no cluster"),
        ("except: {clusters: [a]}", "except: {all: true, except: {all: true}}", "9: an `except` has no `except`"),
        ("    restricted:\n", "    restricted: {patches: []}\n    Odd!:\n", '12: "Odd!" cannot name a profile'),
        ("kind: apps/Deployment", "kind: apps/v1/Deployment", '13: "apps/v1/Deployment" is no kind'),
        ("patch: {spec: {paused: false}}", "patch: {}", "13: the patch is empty"),
        ("patch: {spec: {paused: false}}", "patch: {kind: Job}", "13: a patch never changes kind"),
        ("patch: {spec: {paused: false}}", "patch: {metadata: {name: x}}", "13: a patch never changes metadata.name"),
        (
            "type: merge",
            "type: json",
            '14: profiles.restricted.patches[1].type: expected strategic or merge, not "json"',
        ),
        ('["s3://w.example/fable"]', '[""]', "15: empty weights would match every pod"),
        (
            "r.example:5000/fable",
            "r.example:5000/fable:1.0",
            "15: r.example:5000/fable:1.0: expected an image without tag",
        ),
        (
            "r.example:5000/fable",
            "r.example/fable@sha256:00",
            "15: r.example/fable@sha256:00: expected an image without",
        ),
        ("app.example/model: fable", "app.example/model: a b", '15: "a b" cannot be the value of a label'),
        ("app.example/model: fable", "a/b/c: fable", '15: "a/b/c" cannot be the key of a label'),
        ("selector: {app: router}", "selector: {}", "16: an empty selector would select everything"),
        ("namespaces: [shared]", "namespaces: [a.b]", '16: "a.b" cannot name a namespace'),
        ("name: fable.v1", "name: a/b", '17: "a/b" cannot name an object'),
        ("https://fable.{region}", "fable.{region}", '18: "fable.{region}.example": expected a URL'),
        ("{region}", "{zone}", "18: {zone} stands for nothing | {cluster} and {region} are replaced"),
        ("from: workstation", "from: moon", '18: probes[0].from: expected workstation, not "moon"'),
        ("ready: {condition: Ready}", "inert: false", "19: expected either ready, or inert: true"),
        (
            "ready: {condition: Ready}",
            "inert: true, ready: {condition: A}",
            "19: expected either ready, or inert: true",
        ),
        ("{condition: Ready}", "{conditon: Ready}", "19: unknown field conditon | did you mean condition?"),
        ('{url: "https://p.example"}', "{}", "20: url is missing"),
        (
            '{url: "https://p.example"}',
            "{url: a, code: 1}",
            "20: unknown field code | fields here: url, status, timeout",
        ),
        ("fable-5-latest]", "fable-5]", "5: fable-5 is there already"),
        ("fable-5-latest]", "' x']", '5: " x" cannot be a served name'),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    write: Write, refusal: Refusal, before: str, after: str, message: str
) -> None:
    """And with what was expected."""
    assert before in GOOD
    path = write("model.yaml", GOOD.replace(before, after, 1))
    assert f"model.yaml:{message}" in refusal(lambda: load(Model, path, VOCABULARY))


ADOPTING = """\
apiVersion: orchestrator/v1
kind: Model
metadata: {name: fable-5}
spec:
  adopt: {selector: {app: fable}, namespaces: [a]}
  replicas: 2
  profiles: {}
  overrides:
    - {scope: {all: true}, replicas: 1}
"""


def test_adopted_workloads_have_replicas_and_no_patches(write: Write, refusal: Refusal) -> None:
    """Their templates are never changed."""
    assert load(Model, write("a.yaml", ADOPTING), VOCABULARY).value.adopt is not None
    patched = ADOPTING.replace("profiles: {}", "profiles: {p: {patches: []}}").replace(
        "replicas: 1", "profile: p, patches: [{target: {kind: Service}, patch: {a: 1}}]"
    )
    message = refusal(lambda: load(Model, write("b.yaml", patched), VOCABULARY))
    assert "b.yaml:7: adopted workloads are never patched" in message
    assert "line 9: adopted workloads are never patched" in message


def test_a_channels_probe_needs_the_http_check(write: Write, refusal: Refusal) -> None:
    """Where nothing knows that check, its parameters cannot be judged, and are refused."""
    from orchestrator.documents.vocabulary import Vocabulary

    bare = Vocabulary(jurisdictions=VOCABULARY.jurisdictions)
    assert 'there is no check "http"' in refusal(lambda: load(Model, write("model.yaml", GOOD), bare))


@pytest.mark.parametrize(
    "entry",
    [
        "probes: [{url: 'https://user:hush@models.example', from: workstation}]",
        "probes: [{url: 'https://models.example/?token=hush', from: workstation}]",
        "channels: [{name: c, owner: o, contact: c, probe: {http: {url: 'https://hush@models.example'}}}]",
    ],
)
def test_an_address_with_a_password_is_refused_without_quoting_it(write: Write, refusal: Refusal, entry: str) -> None:
    """It would go into every cluster's catalogue."""
    text = f"apiVersion: orchestrator/v1\nkind: Model\nmetadata: {{name: m}}\nspec:\n  manifests: [.]\n  {entry}\n"
    path = write("model.yaml", text)
    words = refusal(lambda: load(Model, path, VOCABULARY))
    assert "password" in words
    assert "hush" not in words
