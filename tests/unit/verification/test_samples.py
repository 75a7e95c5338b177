"""Judgements on YAML samples: what is seen of a model, and what the rules make of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.core.objects import JsonObject
from orchestrator.core.verdicts import verdict_of
from orchestrator.verification import judge
from tests.unit.verification.scenes import observation_of, subject_of


def _scenes() -> Iterator[Any]:
    for path in sorted(Path(__file__).with_name("samples").glob("*.yaml")):
        for scene in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if "name" in scene:
                yield pytest.param(scene, id=f"{path.stem}: {scene['name']}")


@pytest.mark.parametrize("scene", list(_scenes()))
def test_scene(scene: JsonObject) -> None:
    """Readiness, state and codes are exactly those of the sample; the verdict at the deadline is, where it is given."""
    subject = subject_of(scene)
    judgement = judge(subject, observation_of(scene))
    expected = scene["expect"]
    codes = sorted({reason.code for reason in judgement.reasons})
    assert (judgement.readiness.value, codes) == (expected["readiness"], sorted(expected.get("codes", [])))
    if "state" in expected:
        assert judgement.state.value == expected["state"]
    if "late" in expected:
        assert verdict_of(judgement, subject.want, late=True).value == expected["late"]
    if "replicas" in expected:
        counted = {key: getattr(judgement.replicas, key) for key in expected["replicas"]}
        assert counted == expected["replicas"]
    if "revision" in expected:
        assert judgement.revision == expected["revision"]
