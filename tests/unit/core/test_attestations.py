"""Attestations as clusters keep them."""

from __future__ import annotations

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
