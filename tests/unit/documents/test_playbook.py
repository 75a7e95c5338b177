"""Playbook documents: what is accepted, and every way of being wrong, with its line."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.model import Model
from orchestrator.core.playbook import OnFailure, Playbook, Strategy
from orchestrator.core.schema import Seconds
from orchestrator.core.scope import Scope
from orchestrator.documents.envelope import Document, load, load_any
from orchestrator.documents.placement import place_steps
from orchestrator.geo.scopes import resolve
from tests.unit.documents.conftest import VOCABULARY, Refusal, Write

GOOD = """\
apiVersion: orchestrator/v1
kind: Playbook
metadata: {name: rollout}
spec:
  models: [fable-5, mythos-5]
  steps:
    - name: canary
      enable: {scope: {regions: [us-east]}}
      checks: [{http: {url: "https://a.example", timeout: 3s}}]
      soak: 10m
    - name: europe
      enable: {scope: {in: [EU]}}
      strategy: {maxConcurrent: 2, maxFailures: 1, maxUnreachable: 0, progressDeadline: 15m}
    - name: elsewhere off
      disable: {scope: {all: true, except: {in: [EU], regions: [us-east]}}}
  onFailure: rollback-run
"""
FLEET = Fleet(
    name="f",
    clusters=(
        Cluster(name="us-1", region="us-east", country="US", serves=("US",)),
        Cluster(name="ie-1", region="eu-west", country="IE", serves=("EU",)),
        Cluster(name="jp-1", region="ap", country="JP", serves=("JP",)),
    ),
)


def test_everything_that_a_playbook_may_say(write: Write) -> None:
    """Durations are seconds; what is not said has its default."""
    playbook = load(Playbook, write("p.yaml", GOOD), VOCABULARY).value
    canary, europe, elsewhere = playbook.steps
    assert playbook.models == ("fable-5", "mythos-5")
    assert playbook.on_failure is OnFailure.ROLLBACK_RUN
    assert canary.soak == Seconds(600)
    assert canary.checks == ({"http": {"url": "https://a.example", "timeout": "3s"}},)
    assert canary.strategy == Strategy()
    assert europe.strategy == Strategy(
        max_concurrent=2, max_failures=1, max_unreachable=0, progress_deadline=Seconds(900)
    )
    assert elsewhere.disable is not None
    assert elsewhere.disable.scope == Scope(all=True, except_=Scope(in_=("EU",), regions=("us-east",)))
    assert elsewhere.soak is None


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("[fable-5, mythos-5]", "[]", "5: models: expected at least one model"),
        ("[fable-5, mythos-5]", "[fable-5, fable-5]", "5: fable-5 is there already"),
        ("[fable-5, mythos-5]", "[../x]", '5: "../x" cannot name a model'),
        ("name: europe", "name: canary", '11: there is already a step "canary"'),
        ("name: europe", "name: Europe/1", '11: "Europe/1" cannot name a step'),
        ("      enable: {scope: {in: [EU]}}\n", "", "11: step europe: expected either enable or disable"),
        (
            "      soak: 10m\n",
            "      disable: {scope: {all: true}}\n",
            "7: step canary: expected either enable or disable",
        ),
        (
            "enable: {scope: {in: [EU]}}",
            "enabel: {scope: {in: [EU]}}",
            "12: unknown field enabel | did you mean enable?",
        ),
        ("enable: {scope: {in: [EU]}}", "enable: {in: [EU]}", "12: unknown field in"),
        ("{in: [EU]}", "{in: [EW]}", "12: EW is no ISO 3166-1"),
        ("{in: [EU]}", "{in: EU}", '12: steps[1].enable.scope.in: expected a list, not "EU"'),
        ("{in: [EU]}", "{}", "12: the scope names no cluster"),
        ("maxConcurrent: 2", "maxConcurrent: 0", "13: maxConcurrent: expected 1 or more, not 0"),
        ("maxFailures: 1", "maxFailures: -1", "13: maxFailures: expected 0 or more, not -1"),
        ("maxUnreachable: 0", "maxUnreachable: -1", "13: maxUnreachable: expected 0 or more, not -1"),
        ("maxConcurrent: 2", "max_concurrent: 2", "13: unknown field max_concurrent | did you mean maxConcurrent?"),
        ("15m", "0s", "13: progressDeadline: expected more than 0"),
        ("15m", "soon", "13: steps[1].strategy.progressDeadline: expected a duration such as 90s, 10m or 1h30m"),
        ("10m", "-5", "10: steps[0].soak: expected a duration such as 90s"),
        ("10m", "true", "10: steps[0].soak: expected a duration such as 90s"),
        ("{http: {url", "{htpp: {url", '9: there is no check "htpp" | did you mean http?'),
        ("timeout: 3s", "tiemout: 3s", "9: unknown field tiemout | did you mean timeout?"),
        ("timeout: 3s", "status: ok", '9: status: expected a whole number, not "ok"'),
        ('{http: {url: "https://a.example", timeout: 3s}}', "{http: 3}", "9: http: expected a mapping of parameters"),
        ('{http: {url: "https://a.example", timeout: 3s}}', "{}", "9: expected one check by its name, not 0"),
        (
            "rollback-run",
            "rollback",
            '16: onFailure: expected stop, rollback-wave, rollback-run or continue, not "rollback"',
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    write: Write, refusal: Refusal, before: str, after: str, message: str
) -> None:
    """And with what was expected."""
    assert before in GOOD
    path = write("p.yaml", GOOD.replace(before, after, 1))
    assert f"p.yaml:{message}" in refusal(lambda: load(Playbook, path, VOCABULARY))


def test_no_steps(write: Write, refusal: Refusal) -> None:
    """A playbook that does nothing is a mistake."""
    text = GOOD[: GOOD.index("  steps:")] + "  steps: []\n"
    assert "p.yaml:6: steps: expected at least one step" in refusal(
        lambda: load(Playbook, write("p.yaml", text), VOCABULARY)
    )


class TestAnyKind:
    """A file says what it is."""

    def test_the_kind_decides(self, write: Write) -> None:
        """Playbook, and not Model."""
        assert isinstance(load_any(write("p.yaml", GOOD), VOCABULARY).value, Playbook)

    @pytest.mark.parametrize(
        ("kind", "message"), [("playbook", "did you mean Playbook?"), ("7", "the number 7"), ("~", "nothing")]
    )
    def test_an_unknown_kind(self, write: Write, refusal: Refusal, kind: str, message: str) -> None:
        """The known ones are named."""
        path = write("p.yaml", GOOD.replace("kind: Playbook", f"kind: {kind}"))
        told = refusal(lambda: load_any(path, VOCABULARY))
        assert "p.yaml:2: kind: expected one of Fleet, Model, Playbook" in told
        assert message in told

    def test_another_kind_than_expected(self, write: Write, refusal: Refusal) -> None:
        """A playbook given where a model belongs."""
        path = write("p.yaml", GOOD)
        assert 'p.yaml:2: kind: expected Model, not "Playbook"' in refusal(lambda: load(Model, path, VOCABULARY))


class TestPlacement:
    """A playbook against a fleet."""

    def document(self, write: Write, before: str = "", after: str = "") -> Document[Playbook]:
        return load(Playbook, write("p.yaml", GOOD.replace(before, after, 1)), VOCABULARY)

    def test_where_each_step_acts(self, write: Write) -> None:
        """In the order of the steps."""
        placed = place_steps(self.document(write), FLEET, resolve)
        assert [scope.clusters for scope in placed] == [("us-1",), ("ie-1",), ("jp-1",)]

    @pytest.mark.parametrize(
        ("before", "after", "message"),
        [
            ("[us-east]", "[us-esat]", "p.yaml:8: step canary: no region of fleet f is called us-esat"),
            (
                "{in: [EU]}",
                "{in: [NO]}",
                "p.yaml:12: step europe: no cluster stands in NO; countries of this fleet: IE",
            ),
            (
                ", regions: [us-east]}",
                "}",
                "p.yaml:15: step elsewhere off: us-1 is set already by step canary, in line 7",
            ),
        ],
    )
    def test_what_makes_no_sense_for_this_fleet(
        self, write: Write, refusal: Refusal, before: str, after: str, message: str
    ) -> None:
        """At the step's scope."""
        document = self.document(write, before, after)
        assert refusal(lambda: place_steps(document, FLEET, resolve)).startswith(message)

    def test_doubt_is_told_where_it_makes_two_steps_meet(self, write: Write, refusal: Refusal) -> None:
        """A cluster without a country is in every `disable` by country, also when a step before enabled its region."""
        undeclared = replace(FLEET, clusters=(*FLEET.clusters, Cluster(name="us-2", region="us-west")))
        document = self.document(write, "{regions: [us-east]}}\n", "{regions: [us-east, us-west]}}\n")
        told = refusal(lambda: place_steps(document, undeclared, resolve))
        assert "us-2 is set already by step canary" in told
        assert "us-2 declares no country: it is included" in told

    def test_contradicted_geography_comes_with_the_resolver(self, write: Write) -> None:
        """It is known only after the clusters were looked at."""
        scopes: Any = partial(resolve, contradicted={"jp-1": "declared in JP, but its nodes are labelled as in DE"})
        assert place_steps(self.document(write), FLEET, scopes)[2].undeclared == ("jp-1",)
