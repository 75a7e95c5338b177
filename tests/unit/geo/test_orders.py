"""Orders against a fleet: what is concerned, in which words, and which orders are refused for their name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orchestrator.core.fleet import Cluster, Fleet, Verifies
from orchestrator.core.holds import Hold, Lift
from orchestrator.core.model import Model
from orchestrator.core.order import About, Audience, Location, Nationality, Order, OrderScope
from orchestrator.core.scope import Scope
from orchestrator.errors import RefusedError, UsageError
from orchestrator.geo.orders import (
    check_identity,
    clusters_under,
    models_under,
    resolve_order,
    scope_of,
    superseded_digests,
)


def cluster(name: str, country: str | None, serves: tuple[str, ...] | None) -> Cluster:
    return Cluster(name=name, region=name, country=country, serves=serves)


US, IE, FR, XX = (
    cluster("us", "US", ("US", "CA")),
    cluster("ie", "IE", ("EU", "GB")),
    cluster("fr", "FR", ("FR",)),
    cluster("xx", None, None),
)
EVERYWHERE = ("us", "ie", "fr")
BLIND = Fleet(name="production", clusters=(US, IE, FR))
SEEING = replace(BLIND, verifies=Verifies(location=True, audience=True, nationality=True))
EVERYONE = About(everyone=True)
LOCATION = About(location=Location(in_=("EU",)))
AUDIENCE = About(audience=Audience(serves=("FR",)))
NATIONALITY = About(nationality=Nationality(except_=("US",)))


def order(about: About = EVERYONE, **more: object) -> Order:
    fields = {"name": "directive", "authority": "A", "reference": "R", "models": ("fable-5",), "about": about}
    return Order(**{**fields, **more})  # type: ignore[arg-type]


def scope(about: About, fleet: Fleet = BLIND, **more: str) -> OrderScope:
    return resolve_order(order(about), fleet, more)


class TestWhatCannotBeVerified:
    """It widens to every cluster, and the words quote the order."""

    @pytest.mark.parametrize(
        ("about", "said", "why"),
        [
            (LOCATION, "`about.location: in EU`", "cannot verify where a model runs"),
            (AUDIENCE, "`about.audience: serves FR`", "cannot verify for whom a cluster answers"),
            (NATIONALITY, "`about.nationality: except US`", "cannot verify of what nationality users are"),
            (About(nationality=Nationality(of=("FR", "DE"))), "`about.nationality: of FR, DE`", "cannot verify"),
        ],
    )
    def test_it_widens_in_words(self, about: About, said: str, why: str) -> None:
        found = scope(about)
        assert found.clusters == EVERYWHERE
        assert found.is_widened
        (words,) = found.words
        assert said in words
        assert why in words
        assert words.endswith("so every cluster is in scope")

    def test_nationality_is_never_a_block_of_countries(self) -> None:
        """Not even where the platform verifies it: a cluster is switched for all of its users."""
        found = scope(NATIONALITY, SEEING)
        assert found.clusters == EVERYWHERE
        assert found.is_widened
        assert "verifies nationality, but a cluster is switched for all of its users" in found.words[0]
        assert found.collateral == ("nationals of US, whom the order does not bar, lose the models as well",)

    def test_whom_the_widening_hits_besides(self) -> None:
        """As far as the fleet's declarations tell."""
        assert scope(LOCATION).collateral == ("us declares to stand in US, and is in scope all the same",)
        assert scope(AUDIENCE).collateral == ("us declares to serve US, CA, and is in scope all the same",)

    def test_each_question_is_verified_by_itself(self) -> None:
        """That locations are verified says nothing of audiences."""
        fleet = replace(BLIND, verifies=Verifies(location=True))
        assert scope(LOCATION, fleet).clusters == ("ie", "fr")
        assert scope(AUDIENCE, fleet).clusters == EVERYWHERE

    def test_everyone_is_everywhere_and_no_widening(self) -> None:
        found = scope(EVERYONE)
        assert (found.clusters, found.is_widened, found.collateral) == (EVERYWHERE, False, ())


class TestWhatIsVerified:
    """The clusters that are meant, and those of which it is not known."""

    def test_a_location(self) -> None:
        found = scope(LOCATION, SEEING)
        assert found.clusters == ("ie", "fr")
        assert not found.is_widened
        assert found.words[0] == "the order says `about.location: in EU`, which this fleet verifies"
        assert any("EU is AT, BE" in words for words in found.words)

    def test_an_audience_overlaps_both_ways_and_what_else_is_served_is_collateral(self) -> None:
        """FR is met by EU, and EU by FR."""
        found = scope(AUDIENCE, SEEING)
        assert found.clusters == ("ie", "fr")
        assert found.collateral == ("ie serves EU, GB: more than FR",)
        assert not any("more than" in words for words in found.words)
        assert scope(About(audience=Audience(serves=("EU",))), SEEING).clusters == ("ie", "fr")

    @pytest.mark.parametrize("about", [LOCATION, AUDIENCE])
    def test_what_is_undeclared_or_contradicted_is_in_scope(self, about: About) -> None:
        fleet = replace(SEEING, clusters=(*SEEING.clusters, XX))
        found = scope(about, fleet, us="declared in US, but its nodes are labelled as in FR")
        assert found.clusters == ("us", "ie", "fr", "xx")
        assert any("us is declared in US, but its nodes" in words for words in found.words)
        assert any("xx declares no" in words for words in found.words)

    def test_nothing_concerned_is_an_error(self) -> None:
        """Somebody has to look; it is never nothing to do."""
        with pytest.raises(UsageError, match="concerns no cluster of fleet production") as caught:
            scope(About(location=Location(in_=("JP",))), SEEING)
        assert "JP" in (caught.value.hint or "")

    def test_an_empty_fleet_is_an_error(self) -> None:
        with pytest.raises(UsageError, match="has none"):
            scope(EVERYONE, Fleet(name="empty", clusters=()))

    def test_an_operators_hold_is_about_clusters_of_choice(self) -> None:
        found = scope(About(clusters=Scope(regions=("ie",))))
        assert found.clusters == ("ie",)
        assert not found.is_widened


ABOUTS = some.sampled_from([EVERYONE, LOCATION, AUDIENCE, NATIONALITY, About(clusters=Scope(clusters=("us", "xx")))])
FLEETS = some.builds(
    Fleet,
    name=some.just("f"),
    clusters=some.just((US, IE, FR, XX)),
    verifies=some.builds(Verifies, location=some.booleans(), audience=some.booleans(), nationality=some.booleans()),
)


@given(ABOUTS, FLEETS, some.sampled_from([{}, {"us": "declared in US, but …"}]))
def test_a_hold_covers_what_its_order_concerns(about: About, fleet: Fleet, contradicted: dict[str, str]) -> None:
    """The lenient answer and the strict one agree, and an unverified order leaves nothing out."""
    found = resolve_order(order(about), fleet, contradicted)
    assert set(found.clusters) == clusters_under(about, fleet, contradicted)
    if scope_of(about, fleet) is None:
        assert set(found.clusters) == {"us", "ie", "fr", "xx"}


def test_a_hold_covers_new_clusters_and_forgives_those_that_are_gone() -> None:
    """Where its words are not understood, it covers every one."""
    about = About(clusters=Scope(clusters=("us", "gone")))
    assert clusters_under(about, BLIND) == {"us"}
    assert clusters_under(LOCATION, replace(SEEING, clusters=(US, XX))) == {"xx"}
    assert clusters_under(About(location=Location(in_=("NEW",))), SEEING) == set(EVERYWHERE)


MODELS = {
    "fable-5": Model(name="fable-5"),
    "fable-5-mini": Model(name="fable-5-mini", derived_from=("fable-5",)),
    "fable-5-nano": Model(name="fable-5-nano", derived_from=("fable-5-mini",)),
    "mythos-5": Model(name="mythos-5"),
    "blend": Model(name="blend", derived_from=("mythos-5", "fable-5-nano")),
}


class TestModels:
    """Whoever orders a model off means what was made of it, too."""

    def test_the_named_and_whatever_descends_from_them(self) -> None:
        assert models_under(order(), MODELS) == (
            ("fable-5", ""),
            ("fable-5-mini", "fable-5-mini is derived from fable-5, which the order names"),
            (
                "fable-5-nano",
                "fable-5-nano is derived from fable-5-mini, which is derived from fable-5, which the order names",
            ),
            (
                "blend",
                "blend is derived from fable-5-nano, which is derived from fable-5-mini, which is derived from "
                "fable-5, which the order names",
            ),
        )

    def test_without_derivatives_only_the_named(self) -> None:
        assert models_under(order(derivatives=False), MODELS) == (("fable-5", ""),)

    def test_a_model_that_nobody_knows_stays_in_scope(self) -> None:
        assert models_under(order(models=("unknown",)), MODELS) == (("unknown", ""),)

    def test_a_circle_of_descent_ends(self) -> None:
        circle = {
            "a": Model(name="a", derived_from=("b",)),
            "b": Model(name="b", derived_from=("a",)),
        }
        assert [name for name, _ in models_under(order(models=("a",)), circle)] == ["a", "b"]

    def test_a_model_is_told_once(self) -> None:
        """Also when it is named and derived."""
        names = [name for name, _ in models_under(order(models=("fable-5-mini", "fable-5")), MODELS)]
        assert names == ["fable-5-mini", "fable-5", "fable-5-nano", "blend"]


class TestIdentity:
    """The digest identifies an order; its name is for people."""

    ORDER = order()
    OTHER = order(NATIONALITY)

    def hold(self, digest: str, name: str = "directive") -> Hold:
        return Hold(name=name, model="fable-5", digest=digest)

    def test_its_own_holds_and_lifts_are_no_other_order(self) -> None:
        """And neither are holds of other names, nor such as cannot be read."""
        lift = Lift(digest=self.ORDER.digest, order="directive", reference="r", actor="a")
        holds = [self.hold(self.ORDER.digest), self.hold(self.OTHER.digest, "another"), self.hold("")]
        check_identity(self.ORDER, holds, [lift], [self.ORDER])

    @pytest.mark.parametrize("where", ["hold", "lift", "in force"])
    def test_the_same_name_with_other_content_is_refused(self, where: str) -> None:
        lift = Lift(digest=self.OTHER.digest, order="directive", reference="r", actor="a")
        known = {
            "hold": ([self.hold(self.OTHER.digest)], [], []),
            "lift": ([], [lift], []),
            "in force": ([], [], [self.OTHER]),
        }
        with pytest.raises(RefusedError) as caught:
            check_identity(self.ORDER, *known[where])
        assert caught.value.exit_code == 4
        assert caught.value.code == "other-order"
        assert f"supersedes: {self.OTHER.digest[:12]}" in (caught.value.hint or "")

    @pytest.mark.parametrize("digits", [12, 20, 64])
    def test_unless_it_says_to_replace_just_that_one(self, digits: int) -> None:
        successor = replace(self.ORDER, supersedes=self.OTHER.digest[:digits])
        check_identity(successor, [self.hold(self.OTHER.digest)])
        with pytest.raises(RefusedError):
            check_identity(successor, [self.hold("ab" * 32)])

    def test_what_a_predecessor_had_replaced_is_replaced_as_well(self) -> None:
        """A cluster that was away for two orders has the first one's hold: it refuses nothing, and goes."""
        first = "ab" * 32
        between = replace(self.hold(self.OTHER.digest), supersedes=(first,))
        successor = replace(self.ORDER, supersedes=self.OTHER.digest[:12])
        check_identity(successor, [between, self.hold(first)])
        assert superseded_digests(successor, [between]) == tuple(sorted((self.OTHER.digest[:12], first)))
        assert superseded_digests(successor, [replace(between, name="another")]) == (self.OTHER.digest[:12],)

    def test_the_order_that_was_replaced_is_no_stranger_to_its_successor(self) -> None:
        """What that one does not cover is lifted by the first one's own file."""
        later = replace(self.hold("cd" * 32), supersedes=(self.ORDER.digest[:12],))
        check_identity(self.ORDER, [later])
