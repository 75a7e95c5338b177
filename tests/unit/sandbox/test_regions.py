"""The shape of a sandbox: default regions, or a real fleet's shape without its contexts and uids."""

import time

import pytest
import yaml

from orchestrator.errors import UsageError
from orchestrator.sandbox.regions import (
    DEFAULT_REGIONS,
    RegionSpec,
    checked,
    default_regions,
    from_record,
    read_fleet,
    to_record,
)

FLEET = """
apiVersion: orchestrator/v1
kind: Model
metadata: {name: fable-5}
---
apiVersion: orchestrator/v1
kind: Fleet
metadata: {name: production}
spec:
  clusters:
    - {name: no-1a, region: no-oslo, country: NO, serves: [EU, NO], context: real-no, uid: 0d1c, labels: {tier: prod}}
    - {name: xx-1a, region: unknown, capacity: elastic}
  safety: [{rule: minEnabledClusters, models: [fable-5], value: 2}]
"""


@pytest.mark.parametrize("count", [1, 5, 8, len(DEFAULT_REGIONS)])
def test_default_regions_are_valid_and_distinct(count):
    regions = default_regions(count)

    assert len(checked(regions)) == count
    assert len({spec.region for spec in regions}) == count
    assert all(spec.country and spec.serves for spec in regions)


@pytest.mark.parametrize("count", [0, -1, len(DEFAULT_REGIONS) + 1])
def test_an_impossible_number_of_regions_is_refused(count):
    with pytest.raises(UsageError, match="regions"):
        default_regions(count)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc", "a..b", "UPPER", "a b", "a\nb", "-a", "a-", "\x1b[2J", "a" * 49, "é"]
)
def test_a_name_that_must_not_become_a_path_is_refused(name):
    with pytest.raises(UsageError):
        checked([RegionSpec(name, "eu-west")])


def test_two_clusters_of_one_name_are_refused():
    with pytest.raises(UsageError, match="two clusters"):
        checked([RegionSpec("a", "x"), RegionSpec("a", "y")])


@pytest.mark.parametrize("region", ["", "a b", "\x1b[2J", "x" * 64])
def test_a_region_that_cannot_be_a_node_label_is_refused(region):
    with pytest.raises(UsageError, match="node label"):
        checked([RegionSpec("a", region)])


def test_a_fleet_keeps_its_shape_and_loses_its_identity(tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET)

    regions, rest = read_fleet(path)

    assert regions == (
        RegionSpec("no-1a", "no-oslo", "NO", ("EU", "NO"), {"tier": "prod"}),
        RegionSpec("xx-1a", "unknown", None, None, {}, {"capacity": "elastic"}),
    )
    assert list(rest) == ["safety"]
    assert "real-no" not in repr(regions) + repr(rest)


def test_norway_is_not_false(tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(
        yaml.safe_dump({"kind": "Fleet", "spec": {"clusters": [{"name": "a", "country": "X"}]}}).replace("X", "NO")
    )

    assert read_fleet(path)[0][0].country == "NO"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kind: Model",
        "kind: Fleet",
        "{kind: Fleet, spec: {clusters: []}}",
        "{kind: Fleet, spec: {clusters: [x]}}",
        "{kind: Fleet, spec: {clusters: [{name: ../../etc}]}}",
        "{kind: Fleet, spec: {clusters: [{name: a, country: [x]}]}}",
        "{kind: Fleet, spec: {clusters: [{name: a, serves: EU}]}}",
        "{kind: Fleet, spec: {clusters: [{name: a, labels: [x]}]}}",
        "{kind: Fleet, spec: {clusters: &c [{name: a, more: *c}]}}",
        "{kind: Fleet, spec: {clusters: [{name: !!python/object/apply:os.system [true]}]}}",
        "{kind: Fleet",
        "\x00",
        "[" * 10_000,
    ],
)
def test_a_file_that_is_no_imitable_fleet_is_refused(tmp_path, text):
    path = tmp_path / "fleet.yaml"
    path.write_text(text)

    with pytest.raises(UsageError):
        read_fleet(path)


def test_an_alias_bomb_is_refused_at_once(tmp_path):
    levels = "\n".join(f"  l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12))
    path = tmp_path / "fleet.yaml"
    path.write_text(f"kind: Fleet\nspec:\n  clusters: [{{name: a}}]\n  l0: &l0 [x]\n{levels}\n")
    started = time.monotonic()

    with pytest.raises(UsageError, match="more than"):
        read_fleet(path)
    assert time.monotonic() - started < 5


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "fleet.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(UsageError, match="larger"):
        read_fleet(path)


def test_a_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_fleet(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("spec", [*DEFAULT_REGIONS, RegionSpec("a", "b", None, None, {}, {"capacity": "elastic"})])
def test_a_region_survives_its_record(spec):
    assert from_record(to_record(spec)) == spec
