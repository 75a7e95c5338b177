"""Options of the command line become the same scope that a document would hold."""

from __future__ import annotations

import pytest

from orchestrator.core.scope import Scope
from orchestrator.errors import UsageError
from orchestrator.geo.flags import scope_from_flags


def test_every_option_has_its_field() -> None:
    """Each by its own name, `--except-…` under `except`."""
    scope = scope_from_flags(
        region=("eu-west",),
        cluster=("eu-west-1",),
        label=("tier=prod",),
        in_=("EU",),
        serves=("FR",),
        all_=True,
        except_region=("us-east",),
        except_cluster=("us-east-1",),
        except_label=("tier=test",),
        except_in=("US",),
        except_serves=("CA",),
    )
    assert scope == Scope(
        regions=("eu-west",),
        clusters=("eu-west-1",),
        labels={"tier": "prod"},
        in_=("EU",),
        serves=("FR",),
        all=True,
        except_=Scope(
            regions=("us-east",), clusters=("us-east-1",), labels={"tier": "test"}, in_=("US",), serves=("CA",)
        ),
    )


def test_values_may_be_repeated_or_separated_by_commas() -> None:
    """Both are customary."""
    assert scope_from_flags(region=("a,b", "c", "a")).regions == ("a", "b", "c")


def test_a_label_value_may_hold_an_equals_sign() -> None:
    """Only the first one separates."""
    assert scope_from_flags(label=("a=b=c",)).labels == {"a": "b=c"}


def test_without_except_there_is_none() -> None:
    """An empty `except` would be an error of its own."""
    assert scope_from_flags(all_=True).except_ is None


def test_no_option_at_all_is_an_error_that_names_all() -> None:
    """Nothing said never means everything."""
    with pytest.raises(UsageError, match="which clusters") as error:
        scope_from_flags(except_region=("a",))
    assert "--all" in (error.value.hint or "")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"label": ("tier",)}, "--label tier is no label"),
        ({"label": ("=prod",)}, "--label =prod is no label"),
        ({"label": ("a=1", "a=2")}, "--label wants two values of a"),
        ({"region": ("a,,b",)}, "--region has an empty value"),
        ({"except_in": ("",), "all_": True}, "--except-in has an empty value"),
    ],
)
def test_values_that_mean_nothing_are_errors(flags: dict[str, tuple[str, ...]], message: str) -> None:
    """An empty shell variable must not widen a scope."""
    with pytest.raises(UsageError, match=message):
        scope_from_flags(**flags)  # type: ignore[arg-type]
