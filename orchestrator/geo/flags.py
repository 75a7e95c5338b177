"""The scope that the command line asks for: `--region --cluster --label --in --serves --all --except-…`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict, Unpack

from orchestrator.core.scope import Scope
from orchestrator.errors import UsageError


class ScopeFlags(TypedDict, total=False):
    """The values of the options, under the names that the command line gives them."""

    region: Iterable[str]
    cluster: Iterable[str]
    label: Iterable[str]
    in_: Iterable[str]
    serves: Iterable[str]
    all_: bool
    except_region: Iterable[str]
    except_cluster: Iterable[str]
    except_label: Iterable[str]
    except_in: Iterable[str]
    except_serves: Iterable[str]


def scope_from_flags(**flags: Unpack[ScopeFlags]) -> Scope:
    """The scope; each value may hold several, separated by commas, and labels are KEY=VALUE.

    Raises UsageError for a label without `=`, an empty value, and when no option says which clusters.
    The options narrow each other, but any `--except-…` suffices to leave a cluster out.
    """
    excepted = Scope(
        regions=_values("--except-region", flags.get("except_region", ())),
        clusters=_values("--except-cluster", flags.get("except_cluster", ())),
        labels=_labels("--except-label", flags.get("except_label", ())),
        in_=_values("--except-in", flags.get("except_in", ())),
        serves=_values("--except-serves", flags.get("except_serves", ())),
    )
    scope = Scope(
        regions=_values("--region", flags.get("region", ())),
        clusters=_values("--cluster", flags.get("cluster", ())),
        labels=_labels("--label", flags.get("label", ())),
        in_=_values("--in", flags.get("in_", ())),
        serves=_values("--serves", flags.get("serves", ())),
        all=flags.get("all_", False),
        except_=None if excepted == Scope() else excepted,
    )
    if not scope.names_any:
        raise UsageError(
            "which clusters? No option says so",
            hint="--region, --cluster, --label, --in or --serves choose some, --all chooses every cluster",
        )
    return scope


def _values(option: str, given: Iterable[str]) -> tuple[str, ...]:
    values = [value.strip() for text in given for value in text.split(",")]
    if "" in values:
        raise UsageError(f"{option} has an empty value", hint="give it a value, or leave it out")
    return tuple(dict.fromkeys(values))


def _labels(option: str, given: Iterable[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in _values(option, given):
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise UsageError(f"{option} {text} is no label", hint=f"write {option} KEY=VALUE")
        if labels.get(key, value) != value:
            raise UsageError(
                f"{option} wants two values of {key}", hint="labels narrow each other: no cluster has both"
            )
        labels[key] = value
    return labels
