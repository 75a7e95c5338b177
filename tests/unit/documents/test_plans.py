"""A plan as a file."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from orchestrator.core.objects import JsonObject
from orchestrator.core.plan import Plan
from orchestrator.core.snapshot import Preview
from orchestrator.core.verdict import Reason, Want
from orchestrator.documents.plans import digest_of, from_document, read_saved_plan, to_document
from orchestrator.documents.schemas import schema
from orchestrator.errors import DocumentError
from orchestrator.planning import plan
from tests.unit.planning.samples import CLUSTERS, MANIFESTS, SERVICE, applied, recorded, request, snapshot, wish

SECRET: JsonObject = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {
        "name": "s",
        "namespace": "fable",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": '{"stringData": {"token": "hush"}}'},
    },
    "stringData": {"token": "hush"},
}
WITH_SECRET = (*MANIFESTS, SECRET)


def plans() -> list[Plan]:
    eu, us, _ = CLUSTERS
    on, off = wish(manifests=WITH_SECRET), wish(Want.DISABLED, cluster=us, step="off")
    found = {
        eu.name: snapshot().with_previews({SERVICE: Preview(conflicts=((".spec", "someone"),))}),
        us.name: snapshot(applied(off), cluster=us, entry=recorded(off), holds=("directive-1",)),
    }
    held = {eu.name: snapshot(holds=("directive-1",))}
    return [plan(request(on, off, soak=600, prune=True), found), plan(request(on), held)]


@pytest.mark.parametrize("made", plans())
def test_a_plan_comes_back_as_it_was(made: Plan) -> None:
    assert from_document(json.loads(json.dumps(to_document(made)))) == made


WORDS = st.text(max_size=5)
REASONS = st.builds(
    lambda code, message, where: Reason(code=code, message=message, object=where), WORDS, WORDS, st.none() | WORDS
)


@settings(deadline=None)
@given(st.tuples(REASONS), st.booleans(), WORDS)
def test_whatever_it_says_comes_back(refusals: tuple[Reason, ...], rehearsal: bool, name: str) -> None:
    made = Plan(action="apply", name=name, fleet="f", models=(name,), waves=(), rehearsal=rehearsal, refusals=refusals)
    assert from_document(json.loads(json.dumps(to_document(made)))) == made


def test_equal_plans_have_equal_digests_and_others_have_not() -> None:
    first, second = plans()
    assert digest_of(first) == digest_of(plans()[0])
    assert digest_of(first) != digest_of(second)


def edited(edit: Any) -> JsonObject:
    document = copy.deepcopy(to_document(plans()[0]))
    edit(document)
    return document


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda document: document.update(kind="Playbook"), "no Plan"),
        (lambda document: document.update(apiVersion="orchestrator/v9"), "no Plan"),
        (lambda document: document.pop("plan"), "cannot be read"),
        (lambda document: document["plan"].update(nonsense=1), "cannot be read"),
        (lambda document: document["plan"].update(waves=7), "cannot be read"),
        (lambda document: document["plan"].update(name="another"), "changed after it was saved"),
        (lambda document: document.update(digest="0"), "changed after it was saved"),
    ],
)
def test_what_is_no_plan_of_ours_is_refused(edit: Any, words: str) -> None:
    with pytest.raises(DocumentError, match=words):
        from_document(edited(edit), file="plan.json")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"[" * 200_000, id="nested without end"),
        pytest.param(b'{"kind": "Plan", "plan": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", id="nested, but well formed"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"1" * 10_000, id="a number without end"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_file_that_is_no_saved_plan_is_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "saved.json").write_bytes(content)
    with pytest.raises(DocumentError, match=r"no saved plan|not UTF-8"):
        read_saved_plan(tmp_path / "saved.json")


def test_a_pipe_in_its_place_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "saved.json")
    with pytest.raises(DocumentError, match="not a regular file"):
        read_saved_plan(tmp_path / "saved.json")


def test_a_plan_that_is_shown_holds_no_secret() -> None:
    """A saved plan holds manifests, Secrets included; what is printed does not, in any form."""
    made = plans()[0]
    assert "aHVzaA==" in json.dumps(to_document(made))
    shown = json.dumps(to_document(made, masked=True))
    assert "aHVzaA==" not in shown
    assert "hush" not in shown


def test_a_plan_that_is_shown_still_fits_its_schema() -> None:
    """What hides its secrets hides none of its structure."""
    for made in plans():
        shown = to_document(made, masked=True)
        assert not list(Draft202012Validator(schema("Plan")).iter_errors(shown))
        kept = to_document(made)
        assert {**shown["plan"], "waves": []} == {**kept["plan"], "waves": []}
        assert [wave["step"] for wave in shown["plan"]["waves"]] == [wave["step"] for wave in kept["plan"]["waves"]]
