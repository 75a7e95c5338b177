"""Fleet documents: what is accepted, and every way of being wrong, with its line."""

from __future__ import annotations

import pytest

from orchestrator.core.fleet import Cluster, Fleet, SafetyRule, Verifies
from orchestrator.core.result import Outcome
from orchestrator.documents.envelope import load
from orchestrator.errors import DocumentError
from tests.unit.documents.conftest import VOCABULARY, Refusal, Write

GOOD = """\
apiVersion: orchestrator/v1
kind: Fleet
metadata: {name: production}
spec:
  kubeconfig: ../kubeconfig
  clusters:
    - name: eu-west-1a
      region: eu-west
      country: NO
      serves: [EU, GB, Five Eyes]
      context: arn:aws:eks:eu-west-1:1:cluster/a
      uid: 0d1c2b3a-0000-4000-8000-000000000001
      labels: {tier: prod}
    - {name: lab-1, region: lab, capacity: elastic}
  verifies: {location: true}
  safety: [{rule: minEnabledClusters, models: [fable-5], value: 2}]
  inForce: [playbooks/orders/directive.yaml]
"""


def test_everything_that_a_fleet_may_say(write: Write) -> None:
    """`NO` is Norway; what is not said has its default."""
    fleet = load(Fleet, write("fleet.yaml", GOOD), VOCABULARY).value
    assert fleet == Fleet(
        name="production",
        kubeconfig="../kubeconfig",
        clusters=(
            Cluster(
                name="eu-west-1a",
                region="eu-west",
                country="NO",
                serves=("EU", "GB", "Five Eyes"),
                context="arn:aws:eks:eu-west-1:1:cluster/a",
                uid="0d1c2b3a-0000-4000-8000-000000000001",
                labels={"tier": "prod"},
            ),
            Cluster(name="lab-1", region="lab", capacity="elastic"),
        ),
        verifies=Verifies(location=True),
        safety=(SafetyRule(rule="minEnabledClusters", models=("fable-5",), value=2),),
        in_force=("playbooks/orders/directive.yaml",),
    )


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("region: eu-west\n", "regin: eu-west\n", "8: unknown field regin | did you mean region?"),
        ("region: eu-west\n", "colour: red\n", "8: unknown field colour | fields here: name, region, country"),
        ("  verifies:", "  verifys:", "15: unknown field verifys | did you mean verifies?"),
        ("metadata: {", "metdata: {}\nmetadata: {", "3: unknown field metdata | did you mean metadata?"),
        ("{name: production}", "{name: production, nmae: x}", "3: unknown field nmae | did you mean name?"),
        ("spec:\n", "spec:\n  name: x\n", "5: unknown field name | the name is in metadata"),
        ("      region: eu-west\n", "", "7: region is missing"),
        ("country: NO", "country: UK", '9: "UK" is no ISO 3166-1 alpha-2 country code | did you mean GB'),
        ("country: NO", "country: EU", '9: "EU" is no ISO 3166-1'),
        ("country: NO", "country: no", '9: "no" is no ISO 3166-1 alpha-2 country code | did you mean NO (Norway)?'),
        ("country: NO", "country: false", "9: clusters[0].country: expected a string, not false"),
        ("country: NO", "country: [NO]", "9: clusters[0].country: expected a string, not a list"),
        ("[EU, GB, Five Eyes]", "[EU, Mars]", "10: Mars is no ISO 3166-1 alpha-2 country code and no known group"),
        ("[EU, GB, Five Eyes]", "EU", '10: clusters[0].serves: expected a list, not "EU"'),
        ("[EU, GB, Five Eyes]", "[]", "10: serves: expected countries or groups, not an empty list"),
        (
            "{tier: prod}",
            "{tier: 1.10}",
            "13: clusters[0].labels.tier: expected a string, not the number 1.1 | write it",
        ),
        ("eu-west-1a\n", "EU_west\n", '7: "EU_west" cannot name a cluster | at most 63 lower-case'),
        ("eu-west-1a\n", "../etc\n", '7: "../etc" cannot name a cluster'),
        ("region: eu-west\n", "region: a b\n", '8: "a b" cannot name a region'),
        ("uid: 0d1c2b3a", "uid: x/0d1c2b3a", '12: "x/0d1c2b3a'),
        ("capacity: elastic", "capacity: big", '14: clusters[1].capacity: expected fixed or elastic, not "big"'),
        ("name: lab-1", "name: eu-west-1a", "14: there is already a cluster eu-west-1a"),
        (
            "capacity: elastic",
            "context: arn:aws:eks:eu-west-1:1:cluster/a",
            "14: there is already a cluster with context",
        ),
        ("capacity: elastic", "uid: 0d1c2b3a-0000-4000-8000-000000000001", "14: there is already a cluster with uid"),
        (
            "rule: minEnabledClusters",
            "rule: minEnabledCluster",
            '16: there is no safety rule "minEnabledCluster" | did',
        ),
        ("value: 2", "value: -1", "16: value: expected 0 or more, not -1"),
        ("value: 2", "value: true", "16: safety[0].value: expected a whole number, not true"),
        ("value: 2", 'value: "2"', '16: safety[0].value: expected a whole number, not "2"'),
        ("value: 2", "value: 2.0", "16: safety[0].value: expected a whole number, not the number 2.0"),
        ("[playbooks/orders", "[../orders", "17: ../orders/directive.yaml leaves the workspace"),
        ("[playbooks/orders", "[/orders", "17: /orders/directive.yaml leaves the workspace"),
        ("orchestrator/v1", "orchestrator/v2", '1: apiVersion: expected orchestrator/v1, not "orchestrator/v2"'),
        ("kind: Fleet", "kind: Model", '2: kind: expected Fleet, not "Model"'),
        ("{name: production}", "{}", "3: metadata.name: expected a name, not nothing"),
        ("{name: production}", "{name: 7}", "3: metadata.name: expected a name, not the number 7"),
        ("{name: production}", "{name: Production}", '3: "Production" is no name | at most 63'),
        ("{name: production}", "{name: a, labels: {x: 1}}", "3: metadata.labels: expected a mapping of strings"),
        ("{name: production}", "production", '3: metadata: expected a mapping with the name, not "production"'),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    write: Write, refusal: Refusal, before: str, after: str, message: str
) -> None:
    """And with what was expected."""
    assert before in GOOD
    path = write("fleet.yaml", GOOD.replace(before, after))
    assert f"fleet.yaml:{message}" in refusal(lambda: load(Fleet, path, VOCABULARY))


@pytest.mark.parametrize("text", ["just words", "[]", "~", "1"])
def test_what_is_no_document_at_all(write: Write, refusal: Refusal, text: str) -> None:
    """The four fields of the envelope are named."""
    path = write("fleet.yaml", text)
    assert "expected a mapping with apiVersion, kind, metadata, spec" in refusal(lambda: load(Fleet, path, VOCABULARY))


def test_a_spec_that_is_no_mapping(write: Write, refusal: Refusal) -> None:
    """Also where it is empty."""
    path = write("fleet.yaml", "apiVersion: orchestrator/v1\nkind: Fleet\nmetadata: {name: a}\nspec:\n")
    assert "fleet.yaml:4: spec: expected a mapping, not nothing" in refusal(lambda: load(Fleet, path, VOCABULARY))


def test_labels_and_annotations_of_metadata_are_for_others(write: Write) -> None:
    """They are allowed and not read."""
    text = GOOD.replace("{name: production}", "{name: production, labels: {a: b}, annotations: {c: d}}")
    assert load(Fleet, write("fleet.yaml", text), VOCABULARY).value.name == "production"


def test_one_attempt_shows_everything_that_is_wrong(write: Write, refusal: Refusal) -> None:
    """The first problem is the message; the others follow by line."""
    text = GOOD.replace("country: NO", "country: UK").replace("value: 2", "value: -1").replace("EU, GB", "Mars, GB")
    message = refusal(lambda: load(Fleet, write("fleet.yaml", text), VOCABULARY))
    assert message.startswith('fleet.yaml:9: "UK"')
    assert "also wrong: line 10: Mars is no" in message
    assert "line 16: value: expected 0 or more, not -1" in message


def test_a_fleet_may_have_no_cluster_yet(write: Write) -> None:
    """It is what `init` makes."""
    text = "apiVersion: orchestrator/v1\nkind: Fleet\nmetadata: {name: a}\nspec: {clusters: []}\n"
    assert load(Fleet, write("fleet.yaml", text), VOCABULARY).value.clusters == ()


NOTIFY = """\
  notify:
    - {name: desk, urlFrom: {env: DESK_URL}, actions: [takedown, verify], outcomes: [failed], begins: true}
    - {name: hook, url: "jsons://hooks.example/s3cret", timeout: 2s}
  metrics: {directory: metrics}
"""


def test_whom_a_fleet_notifies(write: Write) -> None:
    fleet = load(Fleet, write("fleet.yaml", GOOD + NOTIFY), VOCABULARY).value
    desk, hook = fleet.notify
    assert desk.url_from is not None and desk.url_from.env == "DESK_URL"
    assert (desk.actions, desk.outcomes, desk.begins) == (("takedown", "verify"), (Outcome.FAILED,), True)
    assert (hook.url, float(hook.timeout)) == ("jsons://hooks.example/s3cret", 2.0)
    assert fleet.metrics is not None and fleet.metrics.directory == "metrics"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("urlFrom: {env: DESK_URL}, ", "", "either url or urlFrom"),
        ("urlFrom: {env: DESK_URL}", "urlFrom: {}", "either env or file"),
        ("urlFrom: {env: DESK_URL}", "urlFrom: {env: A, file: b}", "either env or file"),
        ("name: hook", "name: desk", "already a notification desk"),
        ("jsons://hooks.example/s3cret", "hooks.example/s3cret", "an address with ://"),
        ("timeout: 2s", "timeout: 5m", "at most 30s"),
        ("actions: [takedown, verify]", "actions: [drill]", "takedown"),
        ("outcomes: [failed]", "outcomes: [bad]", "verified"),
    ],
)
def test_what_is_wrong_with_a_notification_is_told_without_its_address(
    write: Write, before: str, after: str, words: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        load(Fleet, write("fleet.yaml", GOOD + NOTIFY.replace(before, after)), VOCABULARY)
    said = f"{caught.value} {caught.value.hint}"
    assert words in said
    assert "s3cret" not in said
