"""Scopes against a fleet: which clusters, and the words that say why.

Whether a cluster is in a scope has three answers: yes, no, and not known, when its country or audience is undeclared or
contradicted by its nodes. Not known means *in* for what is disabled and *out* for what is enabled, in `except` as well.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Literal

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.scope import Jurisdictions, ResolvedScope, Scope
from orchestrator.errors import UsageError
from orchestrator.geo._conditions import Condition, Geography, conditions_of, is_in
from orchestrator.geo.jurisdictions import load_jurisdictions

Purpose = Literal["enable", "disable"]
_NOTHING: Mapping[str, str] = {}


def resolve(
    scope: Scope,
    fleet: Fleet,
    *,
    purpose: Purpose,
    contradicted: Mapping[str, str] = _NOTHING,
    jurisdictions: Jurisdictions | None = None,
) -> ResolvedScope:
    """The clusters of a scope, in the fleet's order, and the words that the plan shows.

    `contradicted` holds, by cluster name, the sentence that says how its nodes contradict what it declares. Raises
    UsageError for a scope without a field, for names that the fleet or the table of countries does not know, and for
    an empty result.
    """
    geography = Geography(jurisdictions or load_jurisdictions(), contradicted)
    check_names(scope, fleet, geography.jurisdictions)
    answers = {cluster.name: is_in(scope, cluster, geography) for cluster in fleet.clusters}
    chosen = tuple(name for name, answer in answers.items() if _is_chosen(answer, purpose))
    unknown = tuple(name for name, answer in answers.items() if answer is None)
    if not chosen:
        raise _explain_emptiness(scope, fleet, geography, purpose, unknown)
    words = [f"{_sentence(scope, geography)}: {', '.join(chosen)}", *_expansions(scope, geography.jurisdictions)]
    words += [_reservation(fleet.cluster(name), scope, geography, purpose) for name in unknown]
    words += collateral_of(scope, [fleet.cluster(name) for name in chosen], geography)
    return ResolvedScope(clusters=chosen, words=tuple(words), undeclared=unknown)


def select(
    scope: Scope,
    fleet: Fleet,
    *,
    contradicted: Mapping[str, str] = _NOTHING,
    jurisdictions: Jurisdictions | None = None,
) -> ResolvedScope:
    """The clusters to which an override or a probe applies: none is a good answer, and so is a name of another fleet.

    Only clusters that are certainly in the scope are chosen; those of which it is not known are in `undeclared`.
    """
    geography = Geography(jurisdictions or load_jurisdictions(), contradicted)
    answers = {cluster.name: is_in(scope, cluster, geography) for cluster in fleet.clusters}
    return ResolvedScope(
        clusters=tuple(name for name, answer in answers.items() if answer),
        words=(_sentence(scope, geography),),
        undeclared=tuple(name for name, answer in answers.items() if answer is None),
    )


def check_names(scope: Scope, fleet: Fleet, jurisdictions: Jurisdictions) -> None:
    """Raise UsageError for a scope without a field, or with a name that neither fleet nor countries know."""
    if not scope.names_any:
        raise UsageError("the scope names no cluster", hint="for every cluster say `all: true`, or `--all`")
    _check_known("region", scope.regions, {cluster.region for cluster in fleet.clusters}, fleet)
    _check_known("cluster", scope.clusters, {cluster.name for cluster in fleet.clusters}, fleet)
    for word in (*scope.in_, *scope.serves):
        if jurisdictions.canonical(word) is None:
            hint = jurisdictions.suggest(word) or f"groups: {', '.join(jurisdictions.groups)}"
            raise UsageError(f"{word} is no ISO 3166-1 alpha-2 country code and no known group", hint=hint)
    if scope.except_ is not None:
        if scope.except_.except_ is not None:
            raise UsageError("an `except` has no `except` of its own", hint="name what is left out, and nothing else")
        check_names(scope.except_, fleet, jurisdictions)


def _check_known(what: str, names: Iterable[str], known: set[str], fleet: Fleet) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            question = f"did you mean {near[0]}? " if near else ""
            raise UsageError(
                f"no {what} of fleet {fleet.name} is called {name}",
                hint=f"{question}{what}s of this fleet: {_listed(known)}",
            )


def _is_chosen(answer: bool | None, purpose: Purpose) -> bool:
    return answer is not False if purpose == "disable" else answer is True


def _sentence(scope: Scope, geography: Geography) -> str:
    sentence = "every cluster"
    conditions = [condition.words for condition in conditions_of(scope, geography) if condition.words]
    if conditions:
        sentence += f" that {' and '.join(conditions)}"
    if scope.except_ is not None:
        excepted = [condition.words or "is in the fleet" for condition in conditions_of(scope.except_, geography)]
        sentence += f", except any that {' or '.join(excepted)}"
    return sentence


def _expansions(scope: Scope, jurisdictions: Jurisdictions) -> list[str]:
    sentences = []
    for word in _places(scope):
        group = jurisdictions.groups.get(jurisdictions.canonical(word) or "")
        if group is not None:
            members = ", ".join(sorted(group.members))
            sentences.append(f"{word} is {members} ({group.title}, as of {group.as_of})")
    return sentences


def _places(scope: Scope | None) -> list[str]:
    if scope is None:
        return []
    return list(dict.fromkeys((*scope.in_, *scope.serves, *_places(scope.except_))))


def _reservation(cluster: Cluster, scope: Scope, geography: Geography, purpose: Purpose) -> str:
    why = _why_unknown(cluster, scope, geography)
    if purpose == "disable":
        return f"{cluster.name} {why}: it is included, for nothing shows that it is out of scope"
    return f"{cluster.name} {why}: it is left out, for nothing shows that it is in scope"


def _why_unknown(cluster: Cluster, scope: Scope, geography: Geography) -> str:
    if cluster.name in geography.contradicted:
        return f"is {geography.contradicted[cluster.name]}"
    missing = [
        word
        for word, is_asked, declared in (
            ("country", _asks(scope, "in_"), cluster.country),
            ("audience", _asks(scope, "serves"), cluster.serves),
        )
        if is_asked and declared is None
    ]
    return f"declares no {' and no '.join(missing)}"


def _asks(scope: Scope | None, field: Literal["in_", "serves"]) -> bool:
    return scope is not None and (bool(getattr(scope, field)) or _asks(scope.except_, field))


def collateral_of(scope: Scope, clusters: Iterable[Cluster], geography: Geography) -> list[str]:
    """Whom a scope by audience hits besides: what else its clusters serve, a sentence for each."""
    if not scope.serves:
        return []
    asked = geography.countries(scope.serves)
    return [
        f"{cluster.name} serves {', '.join(cluster.serves)}: more than {', '.join(scope.serves)}"
        for cluster in clusters
        if cluster.serves is not None and not geography.countries(cluster.serves) <= asked
    ]


def _explain_emptiness(
    scope: Scope, fleet: Fleet, geography: Geography, purpose: Purpose, unknown: tuple[str, ...]
) -> UsageError:
    if not fleet.clusters:
        return UsageError(f"fleet {fleet.name} has no cluster", hint="`orchestrator fleet import` adds some")
    hint = None
    if unknown:
        reasons = "; ".join(f"{name} {_why_unknown(fleet.cluster(name), scope, geography)}" for name in unknown)
        hint = f"{reasons}: set that right in the fleet, or choose by --region or --cluster"
    left, met = list(fleet.clusters), list[Condition]()
    for condition in conditions_of(scope, geography):
        met.append(condition)
        if not any(_is_chosen(condition.holds(cluster), purpose) for cluster in fleet.clusters):
            return UsageError(f"no cluster {condition.words}; {condition.alternatives(fleet)}", hint=hint)
        left = [cluster for cluster in left if _is_chosen(condition.holds(cluster), purpose)]
        if not left:
            words = " and ".join(each.words for each in met if each.words)
            return UsageError(f"no cluster {words}: the fields of a scope narrow each other", hint=hint)
    names = ", ".join(cluster.name for cluster in left)
    return UsageError(f"nothing is left: `except` takes away {names}", hint=hint)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
