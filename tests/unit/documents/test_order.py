"""Order documents: what is accepted, every way of being wrong with its line, and the digest that identifies them."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.model import Match, Model
from orchestrator.core.order import (
    About,
    Audience,
    Location,
    Nationality,
    Order,
    RestoreTerms,
    RestoreWave,
)
from orchestrator.core.schema import Seconds, as_document
from orchestrator.core.scope import Scope
from orchestrator.documents.envelope import load, load_any
from orchestrator.documents.orders import load_order, read_about
from orchestrator.documents.workspace import Workspace
from tests.unit.documents.conftest import VOCABULARY, Refusal, Write

GOOD = """\
apiVersion: orchestrator/v1
kind: Order
metadata: {name: directive-2026-06-12}
spec:
  authority: Bureau of Examples
  reference: EX-2026-0612
  public: true
  received: 2026-06-12T17:21:00-04:00
  deadline: 2h
  models: [fable-5, mythos-5]
  derivatives: false
  about: {nationality: {except: [US]}}
  contact: desk@models.example
  substitute: fable-4.1
  notice: Not available by order of an authority.
  noticeUrl: https://models.example/notices/1?lang=en
  match:
    fable-5: {labels: {model: fable}, weights: ["s3://models.example/fable-5"], images: [registry.example/fable]}
  restore:
    waves: [{name: canary, scope: {regions: [us-east]}, soak: 10m}]
    jitter: 1m
  supersedes: 0123456789ab
  lifted: EX-2026-0701
"""
ORDER = Order(
    name="directive-2026-06-12",
    authority="Bureau of Examples",
    reference="EX-2026-0612",
    public=True,
    received=datetime(2026, 6, 12, 21, 21, tzinfo=UTC),
    deadline=Seconds(7200),
    models=("fable-5", "mythos-5"),
    derivatives=False,
    about=About(nationality=Nationality(except_=("US",))),
    contact="desk@models.example",
    substitute="fable-4.1",
    notice="Not available by order of an authority.",
    notice_url="https://models.example/notices/1?lang=en",
    match={
        "fable-5": Match(
            labels={"model": "fable"}, weights=("s3://models.example/fable-5",), images=("registry.example/fable",)
        )
    },
    restore=RestoreTerms(
        waves=(RestoreWave(name="canary", scope=Scope(regions=("us-east",)), soak=Seconds(600)),), jitter=Seconds(60)
    ),
    supersedes="0123456789ab",
    lifted="EX-2026-0701",
)
LEAST = """\
apiVersion: orchestrator/v1
kind: Order
metadata: {name: small}
spec: {authority: A, reference: R, models: [fable-5], about: {everyone: true}}
"""


def test_everything_that_an_order_may_say(write: Write) -> None:
    """Read from any path; no workspace is needed, and no model of it has to exist."""
    assert load_order(write("order.yaml", GOOD), VOCABULARY).value == ORDER
    assert load_any(write("order.yaml", GOOD), VOCABULARY).value == ORDER


def test_what_is_not_said_has_its_default(write: Write) -> None:
    order = load(Order, write("order.yaml", LEAST), VOCABULARY).value
    assert order == Order(name="small", authority="A", reference="R", models=("fable-5",), about=About(everyone=True))
    assert order.derivatives
    assert not order.public
    assert order.received is None


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("authority: Bureau of Examples", "authority: ''", "5: authority: expected some words"),
        ("  authority: Bureau of Examples\n", "", "4: authority is missing"),
        ("reference: EX-2026-0612", 'reference: " "', "6: reference: expected some words"),
        ("lifted: EX-2026-0701", "lifted: ''", "23: lifted: expected some words"),
        ("received: 2026-06-12T17:21:00-04:00", "received: 2026-06-12T17:21:00", "8: received: expected a time with"),
        ("received: 2026-06-12T17:21:00-04:00", "received: 2026-06-12", "8: received: "),
        ("received: 2026-06-12T17:21:00-04:00", "received: yesterday", "8: received: "),
        ("received: 2026-06-12T17:21:00-04:00", "received: 1781299260", "8: received: "),
        ("deadline: 2h", "deadline: 0", "9: deadline: expected more than 0"),
        ("deadline: 2h", "deadline: -1h", "9: deadline: expected a duration"),
        ("deadline: 2h", "dedline: 2h", "9: unknown field dedline | did you mean deadline?"),
        ("[fable-5, mythos-5]", "[]", "10: models: expected at least one model"),
        ("[fable-5, mythos-5]", "[fable-5, fable-5]", "10: fable-5 is there already"),
        ("[fable-5, mythos-5]", "[fable-5, ../x]", '10: "../x" cannot name a model'),
        ("except: [US]", "except: [USA]", "12: USA is no ISO 3166-1 alpha-2 country code and no known group | did you"),
        ("except: [US]", "except: [US], of: [FR]", "12: nationality: expected either of or except"),
        ("nationality: {except: [US]}", "nationality: {}", "12: nationality: expected either of or except"),
        ("{nationality: {except: [US]}}", "{}", "12: about: expected exactly one of location, audience, nationality"),
        ("except: [US]}", "except: [US]}, everyone: true", "12: about: expected exactly one"),
        ("{nationality: {except: [US]}}", "{everyone: false}", "12: about: expected exactly one"),
        ("{nationality: {except: [US]}}", "{location: {in: []}}", "12: in: expected countries or groups"),
        ("{nationality: {except: [US]}}", "{location: {in: [EUR]}}", "12: EUR is no ISO 3166-1"),
        ("{nationality: {except: [US]}}", "{audience: {serves: [UK]}}", "12: UK is no ISO 3166-1 alpha-2 country code"),
        ("{nationality: {except: [US]}}", "{clusters: {all: true}}", "12: clusters: only an operator's hold is about"),
        (
            "{nationality: {except: [US]}}",
            "{locaton: {in: [US]}}",
            "12: unknown field locaton | did you mean location?",
        ),
        ("contact: desk@models.example", 'contact: "desk\\tme"', "13: "),
        ("contact: desk@models.example", f"contact: {'x' * 201}", "13: contact: expected at most 200 characters"),
        ("contact: desk@models.example", 'contact: "desk\\u202Ereversed"', "13: "),
        ("substitute: fable-4.1", "substitute: the other one", '14: "the other one" cannot name a model'),
        ("substitute: fable-4.1", "substitute: ''", '14: "" cannot name a model'),
        ("substitute: fable-4.1", "substitute: mythos-5", "14: mythos-5 is taken down by this very order"),
        ("notice: Not available by order of an authority.", 'notice: "a\\nb"', "15: notice: expected one line"),
        ("noticeUrl: https://models.example/notices/1?lang=en", "noticeUrl: models.example", "16: "),
        ("https://models.example/notices/1?lang=en", "https://models.example/a b", '16: "https://models.example/a b"'),
        ("https://models.example/notices/1?lang=en", f"https://a.example/{'x' * 200}", "16: noticeUrl: expected at"),
        ("    fable-5: {labels", "    fable-6: {labels", "18: fable-6 is none of the order's models | did you mean"),
        ('["s3://models.example/fable-5"]', "['']", "18: empty weights would match every pod"),
        ("[registry.example/fable]", '["registry.example/fable:1"]', "18: registry.example/fable:1: expected an image"),
        ("name: canary, scope: {regions: [us-east]}", "name: canary, scope: {}", "20: the scope names no cluster"),
        ("name: canary,", "name: A/B,", '20: "A/B" cannot name a wave'),
        ("supersedes: 0123456789ab", "supersedes: ab12", "22: supersedes: expected "),
        ("supersedes: 0123456789ab", "supersedes: 0123456789AB", "22: supersedes: expected at least 12 digits"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    before: str, after: str, message: str, write: Write, refusal: Refusal
) -> None:
    assert before in GOOD
    path = write("order.yaml", GOOD.replace(before, after))
    said = refusal(lambda: load_order(path, VOCABULARY))
    assert said.startswith(f"order.yaml:{message}"), said


def test_marks_that_say_nothing_are_refused(write: Write, refusal: Refusal) -> None:
    path = write("order.yaml", LEAST.replace("everyone: true}", "everyone: true}, match: {fable-5: {}}"))
    assert "nothing says how fable-5 is recognised" in refusal(lambda: load_order(path, VOCABULARY))


def test_waves_have_names_of_their_own(write: Write, refusal: Refusal) -> None:
    two = "[{name: a, scope: {all: true}}, {name: a, scope: {all: true}}]"
    path = write("order.yaml", LEAST.replace("everyone: true}", f"everyone: true}}, restore: {{waves: {two}}}"))
    assert 'there is already a wave "a"' in refusal(lambda: load_order(path, VOCABULARY))


def test_a_file_that_is_not_there_is_an_error_of_use(tmp_path: Path, refusal: Refusal) -> None:
    assert "cannot be read" in refusal(lambda: load_order(tmp_path / "none.yaml", VOCABULARY))


class TestDigest:
    """What makes it another order, and what does not."""

    def test_comments_order_of_fields_and_spelling_do_not_matter(self, write: Write) -> None:
        """Nor whether a default is spelt out, or in which zone the time is told."""
        digest = load_order(write("a.yaml", GOOD), VOCABULARY).value.digest
        lines = GOOD.splitlines()
        moved = [*lines[:4], *lines[6:10], lines[5], lines[4], "  # said in passing", *lines[10:]]
        text = "\n".join(moved).replace("2026-06-12T17:21:00-04:00", '"2026-06-12T21:21:00Z"').replace("2h", "120m")
        assert load_order(write("b.yaml", text), VOCABULARY).value.digest == digest
        spelt = LEAST.replace("everyone: true}", "everyone: true}, derivatives: true, restore: {jitter: 30s}")
        least = load_order(write("c.yaml", LEAST), VOCABULARY).value
        assert load_order(write("d.yaml", spelt), VOCABULARY).value.digest == least.digest

    def test_deciding_how_its_models_come_back_does_not_make_it_another_order(self) -> None:
        """On the day of the restore its waves are decided anew, by what there is room for then."""
        assert replace(ORDER, restore=RestoreTerms()).digest == ORDER.digest

    def test_lifting_does_not_make_it_another_order(self) -> None:
        assert replace(ORDER, lifted=None).digest == replace(ORDER, lifted="another decision").digest

    def test_every_other_field_makes_it_another_order(self) -> None:
        others: dict[str, Any] = {
            "name": "other",
            "authority": "another",
            "reference": "another",
            "public": False,
            "received": datetime(2026, 6, 12, 21, 22, tzinfo=UTC),
            "deadline": None,
            "models": ("fable-5",),
            "derivatives": True,
            "about": About(nationality=Nationality(of=("US",))),
            "contact": None,
            "substitute": None,
            "notice": "another",
            "notice_url": None,
            "match": {},
            "supersedes": None,
        }
        assert set(others) == {one.name for one in fields(Order)} - {"lifted", "restore"}
        digests = {replace(ORDER, **{field: value}).digest for field, value in others.items()}
        assert len(digests | {ORDER.digest}) == len(others) + 1


@pytest.mark.parametrize(
    "about",
    [
        About(everyone=True),
        About(location=Location(in_=("EU", "NO"))),
        About(audience=Audience(serves=("FR",))),
        About(nationality=Nationality(except_=("US",))),
        About(clusters=Scope(regions=("eu-west",), except_=Scope(clusters=("eu-west-1",)))),
    ],
)
def test_what_a_hold_is_about_comes_back_from_a_cluster(about: About) -> None:
    assert read_about(as_document(about)) == about


@pytest.mark.parametrize("kept", [{"planet": "Mars"}, {"everyone": "yes"}, {"location": {"in": 7}}])
def test_what_is_not_understood_is_said_so(kept: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not understood"):
        read_about(kept)


class TestWorkspace:
    """Orders among other documents."""

    FLEET = "apiVersion: orchestrator/v1\nkind: Fleet\nmetadata: {{name: f}}\nspec: {{clusters: [], inForce: {}}}\n"

    def workspace(self, write: Write, in_force: str = "[]") -> Workspace:
        write("ws/fleet.yaml", self.FLEET.format(in_force))
        write("ws/playbooks/orders/a.yaml", GOOD)
        write("ws/playbooks/orders/b.yaml", LEAST)
        write("ws/playbooks/orders/notes.txt", "no order")
        return Workspace.load(write("ws/x", "").parent, VOCABULARY)

    def test_a_file_that_lies_there_is_only_a_file(self, write: Write) -> None:
        workspace = self.workspace(write)
        assert [document.value.name for document in workspace.orders()] == ["directive-2026-06-12", "small"]
        assert workspace.in_force() == ()

    def test_what_the_fleet_lists_is_in_force(self, write: Write) -> None:
        workspace = self.workspace(write, "[playbooks/orders/b.yaml]")
        (document,) = workspace.in_force()
        assert (document.value.name, document.source.file) == ("small", "playbooks/orders/b.yaml")

    def test_a_listed_order_that_is_missing_is_an_error_of_the_fleet(self, write: Write, refusal: Refusal) -> None:
        """Otherwise a misspelt path would lift it."""
        workspace = self.workspace(write, "[playbooks/orders/c.yaml]")
        assert refusal(workspace.in_force).startswith("fleet.yaml:4: there is no order playbooks/orders/c.yaml")

    def test_a_listed_order_that_is_wrong_is_an_error(self, write: Write, refusal: Refusal) -> None:
        workspace = self.workspace(write, "[playbooks/orders/b.yaml]")
        write("ws/playbooks/orders/b.yaml", LEAST.replace("authority: A", "authority: ''"))
        assert refusal(workspace.in_force).startswith("b.yaml:4: authority")

    def test_models_that_only_clusters_may_know(self, write: Write) -> None:
        """They are no error."""
        workspace = self.workspace(write)
        write(
            "ws/manifests/fable-5/model.yaml",
            "apiVersion: orchestrator/v1\nkind: Model\nmetadata: {name: fable-5}\nspec: {manifests: [.]}\n",
        )
        assert workspace.unknown_models(ORDER) == ("mythos-5",)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("[fable-5]", "a model is not derived from itself"),
        ("[Fable]", '"Fable" cannot name a model'),
        ("[a, a]", "a is there already"),
    ],
)
def test_what_a_model_may_not_be_derived_from(names: str, message: str, write: Write, refusal: Refusal) -> None:
    text = "apiVersion: orchestrator/v1\nkind: Model\nmetadata: {name: fable-5}\n"
    path = write("m.yaml", f"{text}spec: {{manifests: [.], derivedFrom: {names}}}\n")
    assert message in refusal(lambda: load(Model, path, VOCABULARY))
