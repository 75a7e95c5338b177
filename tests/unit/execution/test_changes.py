"""What a selector becomes as a query: never wider than it was."""

from __future__ import annotations

import pytest

from orchestrator.execution.changes import selector_text, with_uid
from orchestrator.execution.leases import micro_time
from orchestrator.execution.sending import digest_of
from tests.unit.execution.doubles import AT, manifest_of


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["x", "y"]}]}, "tier in (x,y)"),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x"]}]}, "tier notin (x)"),
        ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "k", "operator": "Exists"}]}, "a=1,k"),
        ({"matchExpressions": [{"key": "k", "operator": "DoesNotExist"}]}, "!k"),
        ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "k", "operator": "Gt", "values": ["1"]}]}, None),
        ({}, None),
        (None, None),
        ("text", None),
    ],
)
def test_a_selector_selects_the_same_pods_or_none_at_all(selector: object, text: str | None) -> None:
    assert selector_text(selector) == text


def test_a_uid_binds_a_manifest_without_changing_the_plan() -> None:
    manifest = manifest_of("r1")
    assert with_uid(manifest, "u")["metadata"]["uid"] == "u"
    assert "uid" not in manifest["metadata"]
    assert with_uid(manifest, None) is manifest


def test_a_secret_has_no_digest_in_the_journal() -> None:
    assert digest_of({"kind": "Secret", "data": {"token": "c2VjcmV0"}}) is None
    assert digest_of(manifest_of("r1")) != digest_of(manifest_of("r2"))


def test_lease_times_always_have_six_digits_and_end_in_z() -> None:
    assert micro_time(AT) == "2026-11-23T20:45:00.000000Z"
