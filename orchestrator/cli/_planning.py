"""What `plan`, `apply`, `enable`, `disable` and `verify` share: from options to values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.core.schema import Seconds
    from orchestrator.core.wish import PlanOptions


def plan_options(*, overridden: Iterable[str] = (), **permitted: bool) -> PlanOptions:
    """The planner's options; raises UsageError for an override without a reason."""
    from orchestrator.core.wish import PlanOptions

    rules: dict[str, str] = {}
    for text in overridden:
        rule, _, reason = text.partition("=")
        if not rule or not reason.strip():
            raise UsageError(f"--override {text}: a reason is missing", hint="write --override RULE=REASON")
        rules[rule] = reason
    return PlanOptions(overridden_rules=rules, **permitted)


def seconds(text: str) -> Seconds:
    """A duration of the command line; raises UsageError."""
    from orchestrator.core.schema import Seconds

    try:
        return Seconds.parse(text)
    except ValueError as error:
        raise UsageError(f"{text}: {error}", hint="a number with its unit: 90s, 10m, 1h30m") from error


def optional_seconds(text: str | None) -> float | None:
    """A duration that need not be given; raises UsageError."""
    return None if text is None else seconds(text)
