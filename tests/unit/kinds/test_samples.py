"""Every kind's rules, on YAML samples: a healthy object, and each way in which it can differ from one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator import plugins
from orchestrator.core.kind import Wanted
from orchestrator.core.objects import GroupKind, JsonObject
from orchestrator.core.verdict import Assessment

_SAMPLES = Path(__file__).with_name("samples")


def _merged(base: Any, change: Any) -> Any:
    """`change` laid over `base`; null takes a field away."""
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    both = {key: _merged(base.get(key), value) for key, value in change.items() if value is not None}
    return {key: value for key, value in base.items() if key not in change} | both


def _cases() -> Iterator[Any]:
    for path in sorted(_SAMPLES.glob("*.yaml")):
        for sample in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            for case in sample["cases"]:
                yield pytest.param(sample, case, id=f"{path.stem}: {case['name']}")


def _assess(sample: JsonObject, case: JsonObject, live: JsonObject) -> Assessment:
    kind = plugins.kinds()[GroupKind.parse(sample["kind"])]
    wanted = Wanted(**case.get("wanted", {}))
    if sample.get("rule") == "stopped":
        assert kind.workload is not None
        return kind.workload.assess_stopped(live, wanted)
    assert kind.assess is not None
    return kind.assess(live, wanted)


@pytest.mark.parametrize(("sample", "case"), list(_cases()))
def test_sample(sample: JsonObject, case: JsonObject) -> None:
    """The rule says of the sample what the sample says of itself, and names why."""
    kind = plugins.kinds()[GroupKind.parse(sample["kind"])]
    head = {"apiVersion": kind.resource.api_version, "kind": kind.resource.kind}
    live = {**head, **_merged(sample["base"], case.get("change", {}))}
    assessment = _assess(sample, case, live)
    assert assessment.readiness.value == case["expect"]
    assert [reason.code for reason in assessment.reasons] == ([case["code"]] if "code" in case else [])
    assert all(reason.object and kind.resource.kind in reason.object for reason in assessment.reasons)


def test_every_kind_with_rules_has_samples() -> None:
    """A kind that is judged is also tested: a new file in `kinds/` needs a sample."""
    sampled = {
        GroupKind.parse(sample["kind"])
        for path in _SAMPLES.glob("*.yaml")
        for sample in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    }
    assert {key for key, kind in plugins.kinds().items() if kind.assess is not None} == sampled
