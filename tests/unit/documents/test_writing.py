"""What is written is read back as it was, by YAML 1.1 readers as well, and never half written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.fleet import Cluster, Fleet, SafetyRule, Verifies
from orchestrator.documents._parsing import parse_documents
from orchestrator.documents.envelope import load, read
from orchestrator.documents.writing import dump, dump_fleet, write_fleet
from tests.unit.documents.conftest import VOCABULARY, Refusal

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""
FLEET = Fleet(
    name="production",
    kubeconfig="kubeconfig",
    clusters=(
        Cluster(name="no-1", region="no", country="NO", serves=("NO", "EU"), uid="1e3", labels={"build": "0123"}),
        Cluster(name="b", region="1e3", context="a b"),
    ),
    verifies=Verifies(location=True),
    safety=(SafetyRule(rule="minEnabledClusters", models=("fable-5",), value=2),),
)


def test_a_fleet_comes_back(tmp_path: Path) -> None:
    """Norway, numbers that are names, and defaults that are left out."""
    write_fleet(tmp_path / "fleet.yaml", FLEET)
    assert load(Fleet, tmp_path / "fleet.yaml", VOCABULARY).value == FLEET
    text = (tmp_path / "fleet.yaml").read_text()
    assert "capacity" not in text
    assert yaml.safe_load(text)["spec"]["clusters"][0]["country"] == "NO"


def test_the_order_is_stable() -> None:
    """Fields in the order of the documentation, clusters in the fleet's: a diff shows what changed."""
    lines = dump_fleet(FLEET).splitlines()
    assert lines[:6] == [
        "apiVersion: orchestrator/v1",
        "kind: Fleet",
        "metadata:",
        "  name: production",
        "spec:",
        "  clusters:",
    ]
    assert lines[6:9] == ["  - name: no-1", "    region: 'no'", "    country: 'NO'"]


def test_a_fleet_without_clusters_says_so() -> None:
    """`clusters` is a required field."""
    assert "clusters: []" in dump_fleet(Fleet(name="f", clusters=()))


def test_nothing_is_overwritten_unasked(tmp_path: Path, refusal: Refusal) -> None:
    """And nothing is left beside the file."""
    path = tmp_path / "fleet.yaml"
    path.write_text("mine")
    assert "exists already" in refusal(lambda: write_fleet(path, FLEET))
    assert path.read_text() == "mine"
    write_fleet(path, FLEET, overwrite=True)
    assert path.read_text() == dump_fleet(FLEET)
    assert [entry.name for entry in tmp_path.iterdir()] == ["fleet.yaml"]


def test_where_nothing_can_be_written(tmp_path: Path, refusal: Refusal) -> None:
    """The reason is told."""
    assert "cannot be written: No such file" in refusal(lambda: write_fleet(tmp_path / "no" / "fleet.yaml", FLEET))


@pytest.mark.parametrize(
    "word", ["NO", "on", "1e3", "0123", "12:30", "2026-06-12", "", "~", "null", "- a", "a: b", "<<"]
)
def test_words_are_words_to_every_reader(word: str) -> None:
    """YAML 1.1 and 1.2 agree on what we write."""
    (source,) = parse_documents(dump({"a": word}), "f")
    assert source.value == {"a": word}
    assert yaml.safe_load(dump({"a": word})) == {"a": word}


words = st.text(alphabet="abcNOyes019.-_:e ", min_size=1, max_size=8)


@unhurried
@given(st.dictionaries(words, words, max_size=4))
def test_any_labels_come_back(labels: dict[str, str]) -> None:
    """Whatever they look like."""
    fleet = Fleet(name="f", clusters=(Cluster(name="a", region="r", labels=labels),))
    (source,) = parse_documents(dump_fleet(fleet), "f")
    assert read(Fleet, source, VOCABULARY).value == fleet
