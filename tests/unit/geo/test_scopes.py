"""Scopes against a fleet: what is chosen, what is refused, and the words that say why."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.scope import ResolvedScope, Scope
from orchestrator.errors import UsageError
from orchestrator.geo.scopes import Purpose, resolve, select


def cluster(name: str, country: str | None, serves: tuple[str, ...] | None, **labels: str) -> Cluster:
    return Cluster(name=name, region=name.rpartition("-")[0], country=country, serves=serves, labels=labels)


FLEET = Fleet(
    name="production",
    clusters=(
        cluster("us-east-1", "US", ("US", "CA"), tier="prod"),
        cluster("eu-west-1", "IE", ("EU",), tier="prod"),
        cluster("eu-central-1", "DE", ("EU", "GB"), tier="test"),
        cluster("uk-south-1", "GB", ("GB",), tier="prod"),
    ),
)
UNDECLARED = cluster("xx-1", None, None)
PARTLY_DECLARED = Fleet(name="partly", clusters=(*FLEET.clusters, UNDECLARED))


def chosen(scope: Scope, purpose: Purpose = "enable", fleet: Fleet = FLEET, **more: Any) -> tuple[str, ...]:
    return resolve(scope, fleet, purpose=purpose, **more).clusters


def refusal(scope: Scope, purpose: Purpose = "enable", fleet: Fleet = FLEET) -> str:
    """The message and hint of the error that a scope gives."""
    with pytest.raises(UsageError) as error:
        resolve(scope, fleet, purpose=purpose)
    assert error.value.exit_code == 2
    return f"{error.value.message} | {error.value.hint}"


class TestFields:
    """What each field chooses."""

    @pytest.mark.parametrize(
        ("scope", "names"),
        [
            (Scope(all=True), ("us-east-1", "eu-west-1", "eu-central-1", "uk-south-1")),
            (Scope(regions=("eu-west", "us-east")), ("us-east-1", "eu-west-1")),
            (Scope(clusters=("uk-south-1",)), ("uk-south-1",)),
            (Scope(labels={"tier": "test"}), ("eu-central-1",)),
            (Scope(in_=("EU",)), ("eu-west-1", "eu-central-1")),
            (Scope(in_=("Five Eyes",)), ("us-east-1", "uk-south-1")),
            (Scope(in_=("DE", "GB")), ("eu-central-1", "uk-south-1")),
            (Scope(serves=("CA",)), ("us-east-1",)),
            (Scope(serves=("FR",)), ("eu-west-1", "eu-central-1")),
            (Scope(serves=("G7",)), ("us-east-1", "eu-west-1", "eu-central-1", "uk-south-1")),
        ],
    )
    def test_a_field_chooses_clusters_in_the_fleets_order(self, scope: Scope, names: tuple[str, ...]) -> None:
        """Whatever the order in the scope."""
        assert chosen(scope) == names

    def test_fields_narrow_each_other(self) -> None:
        """In the EU and for GB: one cluster."""
        assert chosen(Scope(in_=("EU",), serves=("GB",))) == ("eu-central-1",)

    def test_all_narrows_nothing(self) -> None:
        """`all` beside another field is that field alone."""
        assert chosen(Scope(all=True, in_=("EU",))) == chosen(Scope(in_=("EU",)))

    def test_an_audience_overlaps_both_ways(self) -> None:
        """A cluster that serves the EU is meant by FR, and one that serves FR by EU."""
        fleet = Fleet(name="f", clusters=(cluster("a-1", "FR", ("FR",)), cluster("b-1", "FR", ("EU",))))
        assert chosen(Scope(serves=("EU",)), fleet=fleet) == ("a-1", "b-1")
        assert chosen(Scope(serves=("FR",)), fleet=fleet) == ("a-1", "b-1")

    def test_where_it_stands_is_not_whom_it_serves(self) -> None:
        """`in` never looks at audiences."""
        assert chosen(Scope(in_=("GB",))) == ("uk-south-1",)
        assert chosen(Scope(serves=("GB",))) == ("eu-central-1", "uk-south-1")


class TestExcept:
    """`except` always wins."""

    def test_what_is_excepted_is_out_even_when_named(self) -> None:
        """Also where the scope names the cluster itself."""
        scope = Scope(clusters=("eu-west-1", "us-east-1"), except_=Scope(in_=("EU",)))
        assert chosen(scope, "disable") == ("us-east-1",)

    def test_any_field_of_except_suffices(self) -> None:
        """`except: {in: [EU], regions: [us-east]}` leaves out both: what other steps of a playbook set."""
        scope = Scope(all=True, except_=Scope(in_=("EU",), regions=("us-east",)))
        assert chosen(scope, "disable") == ("uk-south-1",)

    def test_except_has_no_except(self) -> None:
        """Nothing may bring back what is left out."""
        nested = Scope(all=True, except_=Scope(in_=("EU",), except_=Scope(in_=("IE",))))
        assert "no `except` of its own" in refusal(nested)

    def test_except_alone_chooses_nothing(self) -> None:
        """Everything but X must say `all: true`."""
        assert "all: true" in refusal(Scope(except_=Scope(in_=("EU",))))


class TestRefusals:
    """An empty scope is an error, never "nothing to do"; and it says which field emptied it."""

    def test_a_scope_without_a_field(self) -> None:
        """Nothing said never means everything."""
        assert "names no cluster" in refusal(Scope())
        assert "all: true" in refusal(Scope())

    def test_a_country_where_no_cluster_stands(self) -> None:
        """The countries that there are follow."""
        assert refusal(Scope(in_=("NO",))).startswith(
            "no cluster stands in NO; countries of this fleet: DE, GB, IE, US"
        )

    def test_an_audience_that_no_cluster_serves(self) -> None:
        """The audiences that there are follow."""
        assert "no cluster serves JP; audiences of this fleet: CA, EU, GB, US" in refusal(Scope(serves=("JP",)))

    def test_labels_that_no_cluster_has(self) -> None:
        """The labels that there are follow."""
        assert "labelled tier=canary; labels of this fleet: tier=prod, tier=test" in refusal(
            Scope(labels={"tier": "canary"})
        )

    def test_fields_that_leave_nothing_together(self) -> None:
        """Each alone has clusters."""
        assert "no cluster is in region us-east and stands in EU" in refusal(Scope(regions=("us-east",), in_=("EU",)))

    def test_except_that_takes_everything(self) -> None:
        """The clusters that it took are named."""
        scope = Scope(in_=("EU",), except_=Scope(serves=("EU",)))
        assert "`except` takes away eu-west-1, eu-central-1" in refusal(scope)

    @pytest.mark.parametrize("outer", [True, False])
    def test_a_misspelt_region_or_cluster(self, outer: bool) -> None:
        """Also within `except`, where a typing error would leave nothing out."""
        for wrong, right in (
            (Scope(regions=("eu-wset",)), "eu-west"),
            (Scope(clusters=("eu-west1",)), "eu-west-1"),
        ):
            scope = wrong if outer else Scope(all=True, except_=wrong)
            assert f"did you mean {right}?" in refusal(scope, "disable")

    @pytest.mark.parametrize(("word", "meant"), [("UK", "GB"), ("eu", "EU"), ("Ireland", "IE")])
    def test_a_country_that_does_not_exist(self, word: str, meant: str) -> None:
        """Suggested, not silently taken."""
        assert f"did you mean {meant} (" in refusal(Scope(in_=(word,)))
        assert f"did you mean {meant} (" in refusal(Scope(all=True, except_=Scope(serves=(word,))))

    def test_a_fleet_without_clusters(self) -> None:
        """The next step is named."""
        assert "fleet import" in refusal(Scope(all=True), fleet=Fleet(name="new", clusters=()))


class TestUndeclared:
    """A cluster whose geography is undeclared or contradicted fails safe."""

    @pytest.mark.parametrize("scope", [Scope(in_=("EU",)), Scope(serves=("EU",))])
    def test_it_is_disabled_and_not_enabled(self, scope: Scope) -> None:
        """Off is the safe side."""
        assert "xx-1" in chosen(scope, "disable", PARTLY_DECLARED)
        assert "xx-1" not in chosen(scope, "enable", PARTLY_DECLARED)

    @pytest.mark.parametrize("excepted", [Scope(in_=("EU",)), Scope(serves=("EU",))])
    def test_an_exception_that_cannot_be_proven(self, excepted: Scope) -> None:
        """It may or may not be excepted: disabled, and not enabled."""
        scope = Scope(all=True, except_=excepted)
        assert "xx-1" in chosen(scope, "disable", PARTLY_DECLARED)
        assert "xx-1" not in chosen(scope, "enable", PARTLY_DECLARED)

    def test_an_exception_that_is_certain_wins(self) -> None:
        """By name, undeclared or not."""
        scope = Scope(in_=("EU",), except_=Scope(clusters=("xx-1",)))
        assert "xx-1" not in chosen(scope, "disable", PARTLY_DECLARED)

    def test_regions_and_names_do_not_ask_for_geography(self) -> None:
        """Otherwise a fleet without countries could not be used at all."""
        assert chosen(Scope(clusters=("xx-1",)), "enable", PARTLY_DECLARED) == ("xx-1",)
        assert chosen(Scope(regions=("eu-west",)), "disable", PARTLY_DECLARED) == ("eu-west-1",)

    def test_another_field_that_says_no_is_enough(self) -> None:
        """It cannot be in region eu-west and is therefore not in scope."""
        scope = Scope(regions=("eu-west",), in_=("EU",))
        assert chosen(scope, "disable", PARTLY_DECLARED) == ("eu-west-1",)

    def test_contradicted_by_its_nodes(self) -> None:
        """What is declared does not count then."""
        contradicted = {"us-east-1": "declared in US, but its nodes are labelled as in DE"}
        scope = Scope(in_=("EU",))
        resolved = resolve(scope, FLEET, purpose="disable", contradicted=contradicted)
        assert resolved.clusters == ("us-east-1", "eu-west-1", "eu-central-1")
        assert resolved.undeclared == ("us-east-1",)
        assert any("us-east-1 is declared in US, but its nodes" in words for words in resolved.words)
        assert "us-east-1" not in chosen(Scope(in_=("US", "EU")), "enable", contradicted=contradicted)

    def test_the_plan_says_so(self) -> None:
        """With the reason and what follows from it."""
        enabled = resolve(Scope(in_=("EU",)), PARTLY_DECLARED, purpose="enable")
        assert enabled.undeclared == ("xx-1",)
        assert enabled.words[-1].startswith("xx-1 declares no country: it is left out")
        disabled = resolve(Scope(serves=("US",)), PARTLY_DECLARED, purpose="disable")
        assert any(words.startswith("xx-1 declares no audience: it is included") for words in disabled.words)

    def test_when_nothing_else_is_left_the_error_says_so(self) -> None:
        """And what to do about it."""
        fleet = Fleet(name="bare", clusters=(UNDECLARED,))
        message = refusal(Scope(in_=("EU",)), "enable", fleet)
        assert "no cluster stands in EU" in message
        assert "xx-1 declares no country" in message


class TestWords:
    """Groups are expanded into the plan, never silently at run time."""

    def test_the_sentence_and_the_expansion(self) -> None:
        """Members and date."""
        first, second = words(Scope(in_=("FIVE_EYES",), labels={"tier": "prod"}, except_=Scope(in_=("GB",))))[:2]
        assert first == (
            "every cluster that is labelled tier=prod and stands in FIVE_EYES, except any that stands in GB: us-east-1"
        )
        assert second.startswith(
            "FIVE_EYES is AU, CA, GB, NZ, US (Five Eyes, the parties to the UKUSA agreement, as of "
        )

    def test_everything(self) -> None:
        """No conditions, no expansions."""
        assert words(Scope(all=True)) == ("every cluster: us-east-1, eu-west-1, eu-central-1, uk-south-1",)

    def test_what_else_a_cluster_serves(self) -> None:
        """Collateral is said in words."""
        assert "eu-central-1 serves EU, GB: more than GB" in words(Scope(serves=("GB",)))


class TestSelect:
    """Overrides and probes: an empty answer is an answer."""

    def test_none_and_names_of_another_fleet(self) -> None:
        """The same model file serves several fleets."""
        assert select(Scope(regions=("mars",)), FLEET).clusters == ()

    def test_only_what_is_certain_is_chosen(self) -> None:
        """The rest is named, for the plan to refuse or to tell."""
        selected = select(Scope(in_=("EU",)), PARTLY_DECLARED)
        assert selected.clusters == ("eu-west-1", "eu-central-1")
        assert selected.undeclared == ("xx-1",)


def words(scope: Scope) -> tuple[str, ...]:
    resolved: ResolvedScope = resolve(scope, FLEET, purpose="enable")
    return resolved.words
