"""Holds, lifts and restore records as clusters keep them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.core.holds import Hold, Lift, RestoreRecord, read_hold, read_lift, read_restore_record, standing_holds
from orchestrator.core.objects import LABEL_MODEL, LABEL_RECORD, JsonObject, ObjectRef, ref_of

DIGEST = "ab" * 32
HOLD = Hold(
    name="directive-1",
    model="fable-5",
    digest=DIGEST,
    received=datetime(2026, 6, 12, 21, 21, tzinfo=UTC),
    words=("every cluster",),
    about={"everyone": True},
    ledger={"eu-west": "owed"},
    public={"contact": "desk@models.example"},
)
LIFT = Lift(digest=DIGEST, order="directive-1", reference="withdrawn", actor="ada")
RECORD = RestoreRecord(
    model="fable-5", ref=ObjectRef("apps/v1", "Deployment", "ml", "server"), uid="u1", before={"/spec/replicas": 3}
)


def hold(**changes: Any) -> JsonObject:
    labels = {LABEL_RECORD: "hold", LABEL_MODEL: "fable-5"}
    return {"metadata": {"name": "directive-1", "labels": labels}, "data": {"reason": "an order"}, **changes}


def test_a_hold_is_read() -> None:
    assert read_hold(hold()) == Hold(name="directive-1", model="fable-5", reason="an order")


@pytest.mark.parametrize("data", [None, {}, {"apiVersion": "orchestrator/v99", "until": "1970-01-01T00:00:00Z"}])
def test_a_hold_that_is_not_understood_still_holds(data: Any) -> None:
    found = read_hold(hold(data=data))
    assert found is not None
    assert (found.name, found.model) == ("directive-1", "fable-5")


def test_a_hold_without_a_model_holds_every_model() -> None:
    found = read_hold(hold(metadata={"name": "all", "labels": {LABEL_RECORD: "hold"}}))
    assert found is not None
    assert found.model == "*"


def test_another_record_is_no_hold() -> None:
    assert read_hold(LIFT.to_config_map()) is None


def test_a_hold_comes_back_as_it_was_written() -> None:
    assert read_hold(HOLD.to_config_map()) == HOLD


def test_a_hold_covers_derivatives_unless_it_says_otherwise() -> None:
    named_only = replace(HOLD, derivatives=False)
    assert read_hold(named_only.to_config_map()) == named_only
    written = named_only.to_config_map()
    del written["data"]["derivatives"]
    assert read_hold(written) == HOLD


def test_a_lift_ends_every_hold_of_its_digest_and_no_other() -> None:
    other = replace(HOLD, name="directive-2", digest="cd" * 32)
    foreign = Hold(name="unreadable", model="*")
    assert standing_holds([HOLD, other, foreign], [DIGEST, ""], "fable-5") == (other, foreign)
    assert standing_holds([HOLD], [DIGEST], "fable-5") == ()


def test_a_lift_comes_back_and_one_that_is_not_understood_lifts_nothing() -> None:
    written = LIFT.to_config_map()
    assert read_lift(written) == LIFT
    assert read_lift({**written, "data": {**written["data"], "apiVersion": "orchestrator/v99"}}) is None
    assert read_lift({**written, "metadata": {**written["metadata"], "name": "lift.copied"}}) is None


def test_a_restore_record_comes_back_and_damage_is_an_error() -> None:
    secret = RECORD.to_secret()
    assert ref_of(secret) == RECORD.secret_ref
    assert read_restore_record(secret) == RECORD
    with pytest.raises(ValueError, match="damaged"):
        read_restore_record({**secret, "data": {"gz": "AAAA"}})
