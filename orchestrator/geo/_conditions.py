"""The fields of a scope as conditions on one cluster, with three answers: yes, no, not known (None)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.scope import Jurisdictions, Scope


@dataclass(frozen=True, slots=True)
class Geography:
    """What is known of places: the table of countries, and which clusters contradict what they declare."""

    jurisdictions: Jurisdictions
    contradicted: Mapping[str, str]

    def countries(self, words: Iterable[str]) -> frozenset[str]:
        """Every country that these countries and groups stand for."""
        return frozenset[str]().union(*(self.jurisdictions.expand(word) for word in words))

    def stands_in(self, cluster: Cluster, words: Iterable[str]) -> bool | None:
        """Whether the cluster stands in one of these countries or groups."""
        if cluster.country is None or cluster.name in self.contradicted:
            return None
        return cluster.country in self.countries(words)

    def serves(self, cluster: Cluster, words: Iterable[str]) -> bool | None:
        """Whether it serves any country of these: `EU` overlaps `FR`, and the reverse."""
        if cluster.serves is None or cluster.name in self.contradicted:
            return None
        return bool(self.countries(cluster.serves) & self.countries(words))


@dataclass(frozen=True, slots=True)
class Condition:
    """One field of a scope."""

    words: str
    """After `every cluster that …`; empty where it narrows nothing."""
    holds: Callable[[Cluster], bool | None]
    alternatives: Callable[[Fleet], str]
    """What the fleet has instead, in words."""


def conditions_of(scope: Scope, geography: Geography) -> list[Condition]:
    """The conditions that a scope's fields make, `except` left aside; none for a scope that names nothing."""
    conditions: list[Condition] = []
    if scope.all:
        conditions.append(Condition("", lambda cluster: True, lambda fleet: ""))
    if scope.regions:
        conditions.append(_region(scope.regions))
    if scope.clusters:
        conditions.append(_name(scope.clusters))
    if scope.labels:
        conditions.append(_label(scope.labels))
    if scope.in_:
        conditions.append(_country(scope.in_, geography))
    if scope.serves:
        conditions.append(_audience(scope.serves, geography))
    return conditions


def is_in(scope: Scope, cluster: Cluster, geography: Geography) -> bool | None:
    """Whether a cluster is in a scope: every field holds, and none of the fields of `except` does.

    A scope without a field holds no cluster.
    """
    answers = [condition.holds(cluster) for condition in conditions_of(scope, geography)] or [False]
    if scope.except_ is not None:
        answers += [_not(condition.holds(cluster)) for condition in conditions_of(scope.except_, geography)]
    if False in answers:
        return False
    return None if None in answers else True


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _region(regions: tuple[str, ...]) -> Condition:
    return Condition(
        f"is in region {_either(regions)}",
        lambda cluster: cluster.region in regions,
        lambda fleet: f"regions of this fleet: {_listed(cluster.region for cluster in fleet.clusters)}",
    )


def _name(names: tuple[str, ...]) -> Condition:
    return Condition(
        f"is called {_either(names)}",
        lambda cluster: cluster.name in names,
        lambda fleet: f"clusters of this fleet: {_listed(cluster.name for cluster in fleet.clusters)}",
    )


def _label(labels: Mapping[str, str]) -> Condition:
    return Condition(
        f"is labelled {' and '.join(f'{key}={value}' for key, value in labels.items())}",
        lambda cluster: all(cluster.labels.get(key) == value for key, value in labels.items()),
        lambda fleet: (
            "labels of this fleet: "
            + _listed(f"{key}={value}" for cluster in fleet.clusters for key, value in cluster.labels.items())
        ),
    )


def _country(words: tuple[str, ...], geography: Geography) -> Condition:
    return Condition(
        f"stands in {_either(words)}",
        lambda cluster: geography.stands_in(cluster, words),
        lambda fleet: (
            "countries of this fleet: " + _listed(cluster.country for cluster in fleet.clusters if cluster.country)
        ),
    )


def _audience(words: tuple[str, ...], geography: Geography) -> Condition:
    return Condition(
        f"serves {_either(words)}",
        lambda cluster: geography.serves(cluster, words),
        lambda fleet: (
            "audiences of this fleet: "
            + _listed(audience for cluster in fleet.clusters for audience in cluster.serves or ())
        ),
    )


def _either(words: Iterable[str]) -> str:
    return " or ".join(words)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(set(words))) or "none"
