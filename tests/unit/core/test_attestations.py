"""Attestations as clusters keep them."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.attestations import Attestation, read_attestation
from orchestrator.core.holds import Lift

SAID = Attestation(
    digest="ab" * 32, order="directive", subject="partner ../api", by="Ann", note="closed at 17:40", actor="ann@example"
)


def test_an_attestation_comes_back_and_its_subject_is_no_path() -> None:
    written = SAID.to_config_map()
    assert read_attestation(written) == SAID
    assert "partner" not in written["metadata"]["name"]


def test_a_copy_another_record_or_another_version_attests_nothing() -> None:
    written = SAID.to_config_map()
    assert read_attestation({**written, "metadata": {**written["metadata"], "name": "attestation.copy"}}) is None
    assert read_attestation({**written, "data": {**written["data"], "apiVersion": "orchestrator/v9"}}) is None
    assert read_attestation({**written, "data": {**written["data"], "subject": "another"}}) is None
    assert read_attestation(Lift(digest="ab" * 32, order="o", reference="r", actor="a").to_config_map()) is None


def test_each_model_has_its_own_and_records_of_before_are_read_as_they_were() -> None:
    """One word about a channel of one model is never kept in place of that about another's."""
    fable, mythos = replace(SAID, model="fable-5"), replace(SAID, model="mythos-5")
    assert read_attestation(fable.to_config_map()) == fable
    assert len({one.object_name for one in (SAID, fable, mythos)}) == 3
    moved = fable.to_config_map()
    assert read_attestation({**moved, "data": {**moved["data"], "model": "mythos-5"}}) is None
    assert "model" not in SAID.to_config_map()["data"]
