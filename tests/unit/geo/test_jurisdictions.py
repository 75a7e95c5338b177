"""The table of countries and groups: complete, dated, sourced, and consistent with itself."""

from __future__ import annotations

import re
from datetime import date

import pytest

from orchestrator.geo.jurisdictions import load_jurisdictions

TABLE = load_jurisdictions()


def members(group: str) -> frozenset[str]:
    return TABLE.groups[group].members


def test_every_country_is_there_with_a_name() -> None:
    """ISO 3166-1 assigns 249 alpha-2 codes; XK is ours."""
    assert len(TABLE.countries) == 249 + 1
    assert all(re.fullmatch("[A-Z]{2}", code) and name for code, name in TABLE.countries.items())


def test_norway_and_kosovo_are_countries() -> None:
    """`NO` in YAML is Norway, not false."""
    assert TABLE.countries["NO"] == "Norway"
    assert TABLE.countries["XK"] == "Kosovo"


def test_every_member_is_a_country() -> None:
    """A misspelt member would silently be no cluster's country."""
    for group in TABLE.groups.values():
        assert group.members <= set(TABLE.countries), group.title


def test_every_group_says_where_and_when_its_members_were_read() -> None:
    """A source with an address, and a date that is not after the table's own."""
    for group in TABLE.groups.values():
        assert "https://" in group.source
        assert date.fromisoformat(group.as_of) <= date.fromisoformat(TABLE.as_of)


@pytest.mark.parametrize(
    ("group", "count"),
    [("EU", 27), ("EEA", 30), ("EFTA", 4), ("G7", 7), ("FIVE_EYES", 5), ("NATO", 32), ("ASEAN", 11), ("BENELUX", 3)],
)
def test_groups_have_as_many_members_as_their_treaties(group: str, count: int) -> None:
    """The numbers that everybody knows."""
    assert len(members(group)) == count


def test_groups_fit_each_other() -> None:
    """The EEA is the EU with three EFTA states; the United Kingdom left the EU; Benelux is in the EU."""
    assert members("EEA") - members("EU") == {"IS", "LI", "NO"}
    assert members("EFTA") - members("EEA") == {"CH"}
    assert members("EU") < members("EEA")
    assert members("BENELUX") < members("EU")
    assert "GB" not in members("EU")
    assert members("G7") == {"CA", "DE", "FR", "GB", "IT", "JP", "US"}
    assert members("FIVE_EYES") == {"AU", "CA", "GB", "NZ", "US"}


def test_no_group_or_alias_is_also_a_country() -> None:
    """A word means one thing."""
    words = [*TABLE.groups, *TABLE.aliases]
    assert len(set(words)) == len(words)
    assert not set(words) & set(TABLE.countries)


@pytest.mark.parametrize(("alias", "group"), [("EU27", "EU"), ("Five Eyes", "FIVE_EYES"), ("FVEY", "FIVE_EYES")])
def test_other_spellings_mean_the_group(alias: str, group: str) -> None:
    """As people write them."""
    assert TABLE.canonical(alias) == group
    assert TABLE.expand(alias) == members(group)


def test_a_country_stands_for_itself() -> None:
    """So that countries and groups can be mixed in one list."""
    assert TABLE.expand("NO") == {"NO"}


def test_an_unknown_word_is_never_guessed() -> None:
    """Not even when it is clear what was meant: that is what suggestions are for."""
    for word in ("UK", "eu", "Germany", "XX", ""):
        assert TABLE.canonical(word) is None
        with pytest.raises(KeyError):
            TABLE.expand(word)


@pytest.mark.parametrize("case", ["UK GB", "eu EU", "Germany DE", "germny DE", "EL GR", "no NO", "five_eyes FIVE_EYES"])
def test_what_was_probably_meant_is_suggested(case: str) -> None:
    """By code in another case, by name, by near miss."""
    word, code = case.split()
    assert (TABLE.suggest(word) or "").startswith(f"did you mean {code} (")


def test_nothing_is_suggested_for_nonsense() -> None:
    """A wrong suggestion is worse than none."""
    assert TABLE.suggest("Atlantis") is None
    assert TABLE.suggest("") is None
