"""Whether any node could ever take a pod, even when empty."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from orchestrator.core.objects import JsonObject
from orchestrator.core.scheduling import requests_of
from orchestrator.verification.capacity import why_never_fits


def _node(name: str = "n", labels: dict[str, str] | None = None, **allocatable: str) -> JsonObject:
    amounts = {key.replace("gpu", "nvidia.com/gpu"): value for key, value in allocatable.items()}
    return {"metadata": {"name": name, "labels": labels or {}}, "status": {"allocatable": amounts}}


def _pod(spec: JsonObject | None = None, **requests: str) -> JsonObject:
    amounts = {key.replace("gpu", "nvidia.com/gpu"): value for key, value in requests.items()}
    return {"spec": {"containers": [{"name": "c", "resources": {"requests": amounts}}], **(spec or {})}}


def _affinity(*expressions: JsonObject, part: str = "matchExpressions") -> JsonObject:
    terms = [{part: list(expressions)}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"affinity": {"nodeAffinity": required}}


_ZONED = (_node("a", {"zone": "a", "size": "4"}, cpu="4"), _node("b", {"zone": "b"}, cpu="8"))


@pytest.mark.parametrize(
    ("pod", "nodes", "words"),
    [
        pytest.param(_pod(cpu="4"), _ZONED, None, id="fits"),
        pytest.param(_pod(cpu="8000m"), _ZONED, None, id="fits the largest exactly"),
        pytest.param(_pod(cpu="9"), _ZONED, "it asks for 9 cpu, the largest node has 8", id="too large"),
        pytest.param(
            _pod(gpu="1"), _ZONED, "it asks for 1 nvidia.com/gpu, the largest node has 0", id="no such resource"
        ),
        pytest.param(_pod(cpu="99"), (), None, id="no node is known"),
        pytest.param(_pod({"nodeSelector": {"zone": "c"}}), _ZONED, "none of 2 nodes matches", id="no node matches"),
        pytest.param(
            _pod({"nodeSelector": {"zone": "a"}}, cpu="6"), _ZONED, "largest node has 4", id="only a small one"
        ),
        pytest.param(
            _pod(cpu="6", gpu="4"),
            (_node("a", cpu="8"), _node("b", cpu="4", gpu="8")),
            "no node has all that it asks for",
            id="each alone, none together",
        ),
        pytest.param(
            _pod(_affinity({"key": "zone", "operator": "In", "values": ["b"]})), _ZONED, None, id="affinity In"
        ),
        pytest.param(
            _pod(_affinity({"key": "zone", "operator": "NotIn", "values": ["a", "b"]})), _ZONED, "none of 2", id="NotIn"
        ),
        pytest.param(_pod(_affinity({"key": "size", "operator": "Exists"}), cpu="8"), _ZONED, "has 4", id="Exists"),
        pytest.param(_pod(_affinity({"key": "zone", "operator": "DoesNotExist"})), _ZONED, "none of 2", id="absent"),
        pytest.param(_pod(_affinity({"key": "size", "operator": "Gt", "values": ["4"]})), _ZONED, "none of 2", id="Gt"),
        pytest.param(_pod(_affinity({"key": "size", "operator": "Lt", "values": ["5"]})), _ZONED, None, id="Lt"),
        pytest.param(
            _pod(_affinity({"key": "x", "operator": "Near"})), _ZONED, None, id="an unknown operator dooms nothing"
        ),
        pytest.param(
            _pod(_affinity({"key": "metadata.name", "operator": "In", "values": ["c"]}, part="matchFields")),
            _ZONED,
            "none of 2",
            id="by name",
        ),
        pytest.param(_pod(cpu="what"), _ZONED, None, id="a quantity that is none dooms nothing"),
    ],
)
def test_only_what_never_changes_dooms(pod: JsonObject, nodes: tuple[JsonObject, ...], words: str | None) -> None:
    """The reason names the resource, what is needed, and the largest node."""
    reason = why_never_fits(pod, nodes)
    assert reason is None if words is None else words in (reason or "")


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        (
            {"containers": [{"resources": {"limits": {"cpu": "2"}}}, {"resources": {"requests": {"cpu": "500m"}}}]},
            "2.5",
        ),
        ({"containers": [{"resources": {"limits": {"cpu": "9"}, "requests": {"cpu": "1"}}}]}, "1"),
        (
            {
                "initContainers": [{"resources": {"requests": {"cpu": "5"}}}],
                "containers": [{"resources": {"requests": {"cpu": "2"}}}],
            },
            "5",
        ),
        (
            {
                "initContainers": [
                    {"restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}},
                    {"resources": {"requests": {"cpu": "5"}}},
                ],
                "containers": [{"resources": {"requests": {"cpu": "2"}}}],
                "overhead": {"cpu": "250m"},
            },
            "6.25",
        ),
        ({"resources": {"requests": {"cpu": "3"}}, "containers": [{"resources": {"requests": {"cpu": "1"}}}]}, "3"),
    ],
)
def test_requests_add_up_as_the_scheduler_adds_them(spec: dict[str, Any], cpu: str) -> None:
    """Limits stand in for requests; init containers run before, sidecars beside; a pod's own request replaces all."""
    assert requests_of({"spec": spec})["cpu"] == Decimal(cpu)
