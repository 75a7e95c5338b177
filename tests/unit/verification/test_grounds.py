"""What an explained verdict names: only what was looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.kind import Wanted
from orchestrator.core.objects import ObjectRef
from orchestrator.core.observation import Expectation, Observation
from orchestrator.core.verdict import Reason, Want
from orchestrator.verification.grounds import grounds_of
from tests.unit.verification.scenes import AT
from tests.unit.verification.waits import subject


def _looked_for(ref: ObjectRef, **seen: Any) -> bool:
    """Whether it is called gone of an object, of which nothing was read, that it is not there."""
    off = replace(subject(Want.DISABLED), expectations=(Expectation(ref, None, Wanted()),))
    grounds = grounds_of(off, Observation(at=AT, **seen))
    return any((one.object, one.seen) == (str(ref), "not there") for one in grounds)


def test_a_workload_that_was_read_and_not_found_is_said_not_to_be_there() -> None:
    assert _looked_for(ObjectRef("apps/v1", "Deployment", "ns", "d"))


@pytest.mark.parametrize("kind", ["ConfigMap", "Service"])
def test_what_runs_nothing_is_not_read_when_the_model_is_wanted_off(kind: str) -> None:
    assert not _looked_for(ObjectRef("v1", kind, "ns", "d"))


def test_what_may_not_be_read_is_not_said_to_be_gone() -> None:
    refused = Reason(code="forbidden", message="no", object="Deployment", field="objects")
    assert not _looked_for(ObjectRef("apps/v1", "Deployment", "ns", "d"), unseen=(refused,))
