"""Orders against a fleet: which clusters, which models, and the words of the order that led there.

What the fleet cannot verify widens to every cluster. Nationality does so even where the platform verifies it: a cluster
is switched for all of its users, and to tell one user from another is up to the edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.holds import Hold, Lift
from orchestrator.core.model import Model
from orchestrator.core.order import About, Nationality, Order, OrderScope
from orchestrator.core.scope import Jurisdictions, Scope
from orchestrator.errors import RefusedError, UsageError
from orchestrator.geo._conditions import Geography, is_in
from orchestrator.geo.jurisdictions import load_jurisdictions
from orchestrator.geo.scopes import collateral_of, resolve

SHORTEST_PREFIX = 12
"""Digits of a digest that suffice to name an order in `supersedes`."""
_NOTHING: Mapping[str, str] = {}


def resolve_order(
    order: Order,
    fleet: Fleet,
    contradicted: Mapping[str, str] = _NOTHING,
    jurisdictions: Jurisdictions | None = None,
) -> OrderScope:
    """The clusters that an order concerns, in the fleet's order, and the words that led there.

    `contradicted` holds, by cluster name, the sentence that says how its nodes contradict what it declares; such a
    cluster, and one that declares nothing, is concerned. Raises UsageError when no cluster is, or for a word that
    neither fleet nor countries know.
    """
    if not fleet.clusters:
        raise UsageError(
            f"the order {order.name} concerns no cluster: fleet {fleet.name} has none",
            hint="`orchestrator fleet import` adds some; `--contexts all` takes the kubeconfig's contexts instead",
        )
    scope = scope_of(order.about, fleet)
    if scope is None:
        everywhere = tuple(cluster.name for cluster in fleet.clusters)
        return OrderScope(
            clusters=everywhere,
            words=(_words_of_everywhere(order.about, is_verified=fleet.verifies.nationality),),
            is_widened=not order.about.everyone,
            collateral=_collateral_of_widening(order.about, fleet, jurisdictions or load_jurisdictions()),
        )
    try:
        resolved = resolve(scope, fleet, purpose="disable", contradicted=contradicted, jurisdictions=jurisdictions)
    except UsageError as error:
        hint = "; ".join(words for words in (error.message, error.hint) if words)
        raise UsageError(f"the order {order.name} concerns no cluster of fleet {fleet.name}", hint=hint) from error
    geography = Geography(jurisdictions or load_jurisdictions(), contradicted)
    collateral = tuple(collateral_of(scope, [fleet.cluster(name) for name in resolved.clusters], geography))
    return OrderScope(
        clusters=resolved.clusters,
        words=(_words_of_scope(order.about), *(words for words in resolved.words if words not in collateral)),
        collateral=collateral,
    )


def scope_of(about: About, fleet: Fleet) -> Scope | None:
    """The scope of clusters that is meant, as far as this fleet can verify it; None for every cluster.

    Where it rests on geography, what the nodes contradict has to be asked before it is resolved.
    """
    if about.clusters is not None:
        return about.clusters
    if about.location is not None and fleet.verifies.location:
        return Scope(in_=about.location.in_)
    if about.audience is not None and fleet.verifies.audience:
        return Scope(serves=about.audience.serves)
    return None


def clusters_under(
    about: About, fleet: Fleet, contradicted: Mapping[str, str] = _NOTHING, jurisdictions: Jurisdictions | None = None
) -> frozenset[str]:
    """The clusters of the present fleet that a hold covers: new ones as well, and those of which it is not known.

    Unlike `resolve_order` it forgives names that this fleet does not have, since a fleet may have changed since; a
    country that this version does not know covers every cluster.
    """
    scope = scope_of(about, fleet)
    every = frozenset(cluster.name for cluster in fleet.clusters)
    if scope is None:
        return every
    geography = Geography(jurisdictions or load_jurisdictions(), contradicted)
    try:
        return frozenset(cluster.name for cluster in fleet.clusters if is_in(scope, cluster, geography) is not False)
    except KeyError:
        return every


def models_under(order: Order, models: Mapping[str, Model]) -> tuple[tuple[str, str], ...]:
    """The models in scope, each with the words that say why: those that are named, then what is derived from them.

    `models` is everything that is known. A model that the order names itself needs no words.
    """
    named = tuple((name, "") for name in order.models)
    return named + (derived_from(order.models, models) if order.derivatives else ())


def derived_from(names: Iterable[str], models: Mapping[str, Model]) -> tuple[tuple[str, str], ...]:
    """The models that are derived from these, however far, in the order of descent, and the words that say so."""
    words = dict.fromkeys(names, "which the order names")
    found: list[tuple[str, str]] = []
    generation = list(words)
    while generation:
        parents, generation = generation, []
        for name, model in sorted(models.items()):
            parent = next((parent for parent in parents if parent in model.derived_from), None)
            if parent is not None and name not in words:
                words[name] = f"which is derived from {parent}, {words[parent]}"
                found.append((name, f"{name} {words[name].removeprefix('which ')}"))
                generation.append(name)
    return tuple(found)


def check_identity(
    order: Order, holds: Iterable[Hold], lifts: Iterable[Lift] = (), in_force: Iterable[Order] = ()
) -> None:
    """Raise RefusedError (exit 4) when an order of the same name has other content, unless `supersedes` names it.

    A hold that cannot be read refuses nothing here: it may well be this very order's.
    """
    holds, lifts = tuple(holds), tuple(lifts)
    others = [(hold.digest, "is held in a cluster", hold.supersedes) for hold in holds if hold.name == order.name]
    others += [(lift.digest, "is lifted already", lift.supersedes) for lift in lifts if lift.order == order.name]
    others += [(other.digest, "is in force by the fleet", ()) for other in in_force if other.name == order.name]
    replaced = superseded_digests(order, holds, lifts)
    for digest, where, replaces in others:
        is_related = digest == order.digest or is_among(digest, replaced) or is_among(order.digest, replaces)
        if digest and not is_related:
            raise RefusedError(
                f"another order called {order.name}, of digest {digest[:16]}, {where}; this file's is "
                f"{order.digest[:16]}",
                hint=f"say `supersedes: {digest[:SHORTEST_PREFIX]}` when this order replaces it, or give it another "
                "name",
                code="other-order",
            )


def superseded_digests(order: Order, holds: Iterable[Hold], lifts: Iterable[Lift] = ()) -> tuple[str, ...]:
    """Digests, or beginnings of them, that the order replaces: the one that it names, and what that one had replaced.

    The latter as far as clusters record it: one that was away may still have the hold of an order long replaced.
    """
    records = [(hold.digest, hold.supersedes) for hold in holds if hold.name == order.name]
    records += [(lift.digest, lift.supersedes) for lift in lifts if lift.order == order.name]
    found = {order.supersedes} if order.supersedes else set()
    before: set[str] = set()
    while found != before:
        before = set(found)
        for digest, replaced in records:
            if digest == order.digest or is_among(digest, before):
                found.update(replaced)
    return tuple(sorted(one for one in found if len(one) >= SHORTEST_PREFIX and one != order.digest))


def is_among(digest: str, prefixes: Iterable[str]) -> bool:
    """Whether a digest is one of these, or begins as one of them does."""
    return any(len(prefix) >= SHORTEST_PREFIX and digest.startswith(prefix) for prefix in prefixes)


def _words_of_everywhere(about: About, *, is_verified: bool) -> str:
    if about.location is not None:
        said, question = f"about.location: in {_listed(about.location.in_)}", "where a model runs"
    elif about.audience is not None:
        said, question = f"about.audience: serves {_listed(about.audience.serves)}", "for whom a cluster answers"
    elif about.nationality is not None:
        said = f"about.nationality: {_words_of_nationality(about.nationality)}"
        if is_verified:
            return (
                f"the order says `{said}`; this platform verifies nationality, but a cluster is switched for all of "
                "its users, so every cluster is in scope"
            )
        question = "of what nationality users are"
    else:
        return "the order says `about.everyone`: every cluster is in scope"
    return f"the order says `{said}`; this fleet cannot verify {question}, so every cluster is in scope"


def _words_of_nationality(nationality: Nationality) -> str:
    return f"except {_listed(nationality.except_)}" if nationality.except_ else f"of {_listed(nationality.of)}"


def _words_of_scope(about: About) -> str:
    if about.location is not None:
        return f"the order says `about.location: in {_listed(about.location.in_)}`, which this fleet verifies"
    if about.audience is not None:
        return f"the order says `about.audience: serves {_listed(about.audience.serves)}`, which this fleet verifies"
    return "the hold is about clusters of the operator's choice"


def _collateral_of_widening(about: About, fleet: Fleet, jurisdictions: Jurisdictions) -> tuple[str, ...]:
    """Whom the widening hits although the order does not mean them, as far as the fleet's declarations tell."""
    if about.nationality is not None:
        spared, barred = _listed(about.nationality.except_), _listed(about.nationality.of)
        whom = f"nationals of {spared}" if spared else f"everybody but nationals of {barred}"
        return (f"{whom}, whom the order does not bar, lose the models as well",)
    scope = _meant(about)
    if scope is None:
        return ()
    geography = Geography(jurisdictions, _NOTHING)
    return tuple(
        f"{cluster.name} {_declaration(cluster, scope)}, and is in scope all the same"
        for cluster in fleet.clusters
        if is_in(scope, cluster, geography) is False
    )


def _meant(about: About) -> Scope | None:
    if about.location is not None:
        return Scope(in_=about.location.in_)
    return Scope(serves=about.audience.serves) if about.audience is not None else None


def _declaration(cluster: Cluster, scope: Scope) -> str:
    if scope.in_:
        return f"declares to stand in {cluster.country}"
    return f"declares to serve {_listed(cluster.serves or ())}"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
