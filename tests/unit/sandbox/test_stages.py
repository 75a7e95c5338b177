"""The stages that kwok plays, against the page that documents them."""

import re
from pathlib import Path

import yaml

from orchestrator.sandbox import binaries, furnishing, pins

PAGE = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text()
STAGES = [
    stage for path in sorted(pins.STAGES.glob("*.yaml")) for stage in yaml.safe_load_all(path.read_text()) if stage
]


def test_every_annotation_is_documented():
    text = "".join(path.read_text() for path in pins.STAGES.glob("*.yaml"))
    known = set(re.findall(r"sandbox\.orchestrator\.dev/[a-z-]+", text))

    assert known == set(re.findall(r"sandbox\.orchestrator\.dev/[a-z-]+", PAGE))
    assert len(known) == 4


def test_every_failure_is_documented_and_every_documented_failure_exists():
    selected = {
        value
        for stage in STAGES
        for expression in stage["spec"]["selector"]["matchExpressions"]
        if expression["key"].endswith('/fail"]') and expression["operator"] == "In"
        for value in expression["values"]
    }
    rows = PAGE.partition("| `fail` |")[2].partition("\n\n")[0]

    assert selected | {"never-ready"} == set(re.findall(r"^\| `([a-z-]+)` \|", rows, re.MULTILINE))


def test_kwok_is_given_its_own_node_stages_and_ours_for_pods():
    stages = [
        each for each in yaml.safe_load_all(furnishing.kwok_stages(binaries.ensure_files(lambda _: None))) if each
    ]

    assert {each["kind"] for each in stages} == {"Stage"}
    names = [each["metadata"]["name"] for each in stages]
    assert len(names) == len(set(names))
    assert {"node-initialize", "node-heartbeat-with-lease", "pod-ready", "pod-gone", "pod-crash"} <= set(names)
