"""What holds of every scope and every fleet."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.scope import Scope
from orchestrator.errors import UsageError
from orchestrator.geo.scopes import Purpose, resolve

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""
REGIONS, PLACES = ("r1", "r2", "r3"), ("IE", "DE", "US", "GB", "EU", "G7")
NAMES = tuple(f"c{number}" for number in range(6))


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """One cluster in every region, so that all names are known; the rest at random."""
    clusters = tuple(
        Cluster(
            name=name,
            region=REGIONS[number] if number < len(REGIONS) else draw(st.sampled_from(REGIONS)),
            country=draw(st.none() | st.sampled_from(PLACES[:4])),
            serves=draw(st.none() | st.lists(st.sampled_from(PLACES), min_size=1, max_size=2).map(tuple)),
            labels=draw(st.dictionaries(st.just("tier"), st.sampled_from(["a", "b"]))),
        )
        for number, name in enumerate(NAMES)
    )
    return Fleet(name="f", clusters=clusters)


def some(words: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(words), max_size=3, unique=True).map(tuple)


plain_scopes = st.builds(
    Scope,
    regions=some(REGIONS),
    clusters=some(NAMES),
    labels=st.dictionaries(st.just("tier"), st.sampled_from(["a", "b"])),
    in_=some(PLACES),
    serves=some(PLACES),
    all=st.booleans(),
).filter(lambda scope: scope.names_any)
scopes = st.builds(lambda scope, excepted: replace(scope, except_=excepted), plain_scopes, st.none() | plain_scopes)
purposes = st.sampled_from(["enable", "disable"])
contradictions = st.dictionaries(st.sampled_from(NAMES), st.just("contradicted"), max_size=2)


def outcome(scope: Scope, fleet: Fleet, purpose: Purpose, contradicted: dict[str, str]) -> set[str]:
    """The clusters chosen; none where the scope is refused for being empty."""
    try:
        return set(resolve(scope, fleet, purpose=purpose, contradicted=contradicted).clusters)
    except UsageError as error:
        assert error.exit_code == 2
        assert error.message.startswith(("no cluster ", "nothing is left"))
        return set()


@unhurried
@given(scopes, fleets(), purposes, contradictions)
def test_the_result_is_part_of_the_fleet_in_its_order(
    scope: Scope, fleet: Fleet, purpose: Purpose, contradicted: dict[str, str]
) -> None:
    """Nothing is invented, nothing is named twice, and a result is never empty."""
    try:
        clusters = resolve(scope, fleet, purpose=purpose, contradicted=contradicted).clusters
    except UsageError:
        return
    assert clusters
    assert clusters == tuple(name for name in NAMES if name in clusters)


@unhurried
@given(plain_scopes, plain_scopes, fleets(), contradictions)
def test_except_always_wins(scope: Scope, excepted: Scope, fleet: Fleet, contradicted: dict[str, str]) -> None:
    """What a single field of `except` certainly holds is never in the result; for `enable`, not even what it may."""
    whole = replace(scope, except_=excepted)
    for field in ("regions", "clusters", "labels", "in_", "serves", "all"):
        if value := getattr(excepted, field):
            alone = Scope(**{field: value})
            certain = outcome(alone, fleet, "enable", contradicted)
            possible = outcome(alone, fleet, "disable", contradicted)
            assert not certain & outcome(whole, fleet, "disable", contradicted)
            assert not possible & outcome(whole, fleet, "enable", contradicted)


@unhurried
@given(scopes, plain_scopes, fleets(), purposes, contradictions)
def test_another_field_only_ever_narrows(
    scope: Scope, other: Scope, fleet: Fleet, purpose: Purpose, contradicted: dict[str, str]
) -> None:
    """Filling a field that was empty never adds a cluster."""
    before = outcome(scope, fleet, purpose, contradicted)
    for field in ("regions", "clusters", "labels", "in_", "serves"):
        if not getattr(scope, field) and getattr(other, field):
            narrowed = replace(scope, **{field: getattr(other, field)})
            assert outcome(narrowed, fleet, purpose, contradicted) <= before


@unhurried
@given(scopes, fleets(), contradictions)
def test_what_is_enabled_by_a_scope_is_disabled_by_it(scope: Scope, fleet: Fleet, contradicted: dict[str, str]) -> None:
    """Doubt widens what is disabled, and narrows what is enabled."""
    enabled = outcome(scope, fleet, "enable", contradicted)
    disabled = outcome(scope, fleet, "disable", contradicted)
    assert enabled <= disabled


@unhurried
@given(scopes, fleets())
def test_full_declarations_leave_no_doubt(scope: Scope, fleet: Fleet) -> None:
    """Where everything is declared, both purposes mean the same clusters."""
    declared = Fleet(
        name="f",
        clusters=tuple(
            replace(cluster, country=cluster.country or "US", serves=cluster.serves or ("US",))
            for cluster in fleet.clusters
        ),
    )
    assert outcome(scope, declared, "enable", {}) == outcome(scope, declared, "disable", {})
