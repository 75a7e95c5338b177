"""What we keep in each cluster: equal wishes give equal bytes, and what is damaged is said to be."""

from __future__ import annotations

import base64
import contextlib
import copy
import gzip
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.holds import read_restore_record
from orchestrator.core.objects import LABEL_MODEL, LABEL_RECORD, SYSTEM_NAMESPACE, JsonObject
from orchestrator.core.records import (
    MOST_UNPACKED,
    CatalogueEntry,
    canonical_json,
    manifests_name,
    pack_manifests,
    passed,
    proof_of,
    revision_of,
    soak_key,
    unpack_manifests,
)
from orchestrator.core.verdict import Want

CHECKS = ({"http": {"url": "http://fable.example"}},)
PROOF = proof_of(10, CHECKS)
ENTRY = CatalogueEntry(
    model="fable-5",
    want=Want.ENABLED,
    revision="0123456789abcdef",
    profile="restricted",
    playbook="rollout",
    objects=(("apps/v1", "Deployment", "fable", "server"), ("v1", "Service", "fable", "fable")),
    replicas={"apps/Deployment fable/server": 3},
    definition={"match": {"weights": ["s3://w"]}},
    soaked={"rollout/canary": passed("0123456789abcdef", PROOF)},
)
MANIFEST: JsonObject = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "ä\n"}}


def test_an_entry_comes_back_from_its_config_map() -> None:
    assert CatalogueEntry.from_config_map(ENTRY.to_config_map()) == ENTRY


def test_an_entry_lies_in_our_namespace_under_our_labels() -> None:
    metadata = ENTRY.to_config_map()["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("model.fable-5", SYSTEM_NAMESPACE)
    assert metadata["labels"] == {LABEL_RECORD: "catalogue", LABEL_MODEL: "fable-5"}


def test_equal_entries_give_equal_bytes_whatever_the_order_of_their_maps() -> None:
    soaked = {"b/x": "1", "a/y": "2"}
    first = replace(ENTRY, soaked=soaked).to_config_map()
    second = replace(ENTRY, soaked=dict(reversed(soaked.items()))).to_config_map()
    assert canonical_json(first) == canonical_json(second)


def damaged(edit: Any) -> JsonObject:
    config_map = copy.deepcopy(ENTRY.to_config_map())
    edit(config_map)
    return config_map


@pytest.mark.parametrize(
    "edit",
    [
        lambda one: one["data"].update(apiVersion="orchestrator/v9"),
        lambda one: one["data"].update(entry="{"),
        lambda one: one["data"].update(entry="[]"),
        lambda one: one["data"].update(entry="[" * 100_000),
        lambda one: one["data"].update(entry='{"want": "perhaps"}'),
        lambda one: one["data"].pop("entry"),
        lambda one: one.pop("data"),
        lambda one: one["metadata"]["labels"].pop(LABEL_MODEL),
        lambda one: one["metadata"].update(name="model.fable-5-backup"),
        lambda one: one["data"].update(entry=one["data"]["entry"].replace('"want":"enabled"', '"want":"on"')),
        lambda one: one["data"].update(entry=one["data"]["entry"].replace(":3}", ':"three"}')),
        lambda one: one["data"].update(entry=one["data"]["entry"].replace(',"fable","server"]', "]")),
    ],
)
def test_an_entry_that_is_not_understood_is_an_error_and_never_half_read(edit: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        CatalogueEntry.from_config_map(damaged(edit))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["apiVersion", "entry", "x"]), st.text(max_size=20)))
def test_whatever_somebody_writes_there_is_a_value_error_at_worst(data: dict[str, str]) -> None:
    config_map = {**ENTRY.to_config_map(), "data": {"apiVersion": "orchestrator/v1", **data}}
    with contextlib.suppress(ValueError):
        CatalogueEntry.from_config_map(config_map)


@pytest.mark.parametrize(
    ("entry", "mark"),
    [
        (ENTRY, "0123456789abcdef"),
        (replace(ENTRY, revision=None), "adopted"),
        (replace(ENTRY, want=Want.DISABLED), "disabled"),
    ],
)
def test_a_soak_is_recorded_as_what_it_proved(entry: CatalogueEntry, mark: str) -> None:
    assert entry.soak_mark == mark
    assert replace(entry, soaked={"p/s": passed(mark, PROOF)}).has_soaked("p/s", PROOF)
    assert not replace(entry, soaked={"p/s": passed("other", PROOF)}).has_soaked("p/s", PROOF)
    assert not replace(entry, soaked={"p/other": passed(mark, PROOF)}).has_soaked("p/s", PROOF)
    assert not replace(entry, soaked={"p/s": passed(mark, proof_of(11, CHECKS))}).has_soaked("p/s", PROOF)


def test_a_proof_is_the_seconds_and_the_checks_in_any_order() -> None:
    one, other = {"http": {"url": "a", "status": 200}}, {"http": {"url": "b"}}
    assert proof_of(10, (one, other)) == proof_of(10.0, (other, {"http": {"status": 200, "url": "a"}}))
    assert len({proof_of(10, ()), proof_of(10, (one,)), proof_of(9, (one,)), proof_of(10, (one, one))}) == 4


def test_soaks_of_two_playbooks_are_told_apart() -> None:
    assert ENTRY.has_soaked(soak_key("rollout", "canary"), PROOF)
    assert not ENTRY.has_soaked(soak_key("other", "canary"), PROOF)
    assert not ENTRY.has_soaked(soak_key(None, "canary"), PROOF)


def test_kept_manifests_come_back() -> None:
    secret = pack_manifests("fable-5", "0123", (MANIFEST, MANIFEST))
    assert secret["metadata"]["name"] == manifests_name("fable-5", "0123")
    assert unpack_manifests(secret) == (MANIFEST, MANIFEST)


def test_equal_manifests_are_kept_as_equal_bytes() -> None:
    """A time in the packed bytes would make every apply write the Secret anew."""
    assert pack_manifests("m", "r", (MANIFEST,)) == pack_manifests("m", "r", (copy.deepcopy(MANIFEST),))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"gz": "no base64!"},
        {"gz": base64.b64encode(b"no gzip").decode()},
        {"gz": base64.b64encode(gzip.compress(b"no json")).decode()},
        {"gz": base64.b64encode(gzip.compress(b'[{"a": 1}]')[:-9]).decode()},
        {"gz": base64.b64encode(gzip.compress(b"7")).decode()},
        {"gz": base64.b64encode(gzip.compress(b'{"a": 1}')).decode()},
        {"gz": base64.b64encode(gzip.compress(b'["a"]')).decode()},
        {"gz": base64.b64encode(gzip.compress(b"[" * 100_000)).decode()},
        {"gz": base64.b64encode(gzip.compress(b"x")[:10] + b"\xff" * 20).decode()},
    ],
)
def test_kept_manifests_that_are_damaged_are_an_error(data: JsonObject) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unpack_manifests({"data": data})


def test_what_unpacks_to_more_than_anybody_wrote_is_damage_and_fills_no_memory() -> None:
    """A megabyte of a Secret unpacks to a thousand, all of which would be read."""
    bomb = {"data": {"gz": base64.b64encode(gzip.compress(b"[" + b" " * MOST_UNPACKED + b"]")).decode()}}
    with pytest.raises(ValueError, match="more than it can be"):
        unpack_manifests(bomb)
    with pytest.raises(ValueError, match="damaged"):
        read_restore_record(bomb)


def test_the_revision_depends_on_content_and_not_on_order() -> None:
    other = {**MANIFEST, "data": {"a": "b"}}
    assert revision_of((MANIFEST, other)) == revision_of((other, MANIFEST))
    assert revision_of((MANIFEST,)) != revision_of((other,))
    assert len(revision_of(())) == 16
