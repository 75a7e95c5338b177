"""Which clusters: the words of a document or of the command line, before they are resolved."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.core.schema import DOCUMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which clusters. Fields narrow each other; `except` always wins; an empty result is an error."""

    __pydantic_config__ = DOCUMENT

    regions: tuple[str, ...] = ()
    """Regions, by the names that the fleet uses."""
    clusters: tuple[str, ...] = ()
    """Clusters, by name."""
    labels: dict[str, str] = field(default_factory=dict)
    """Labels that the fleet gives the cluster; all must match."""
    in_: tuple[str, ...] = ()
    """Countries (ISO 3166-1 alpha-2) or country groups in which the cluster stands."""
    serves: tuple[str, ...] = ()
    """Countries or country groups whose audience the cluster serves."""
    all: bool = False
    """Every cluster of the fleet."""
    except_: Scope | None = None
    """Clusters left out, whatever the other fields say; any one of its own fields suffices."""

    @property
    def names_any(self) -> bool:
        """Whether any field besides `except` says which clusters."""
        return bool(self.all or self.regions or self.clusters or self.labels or self.in_ or self.serves)


@dataclass(frozen=True, slots=True)
class ResolvedScope:
    """A scope against one fleet: which clusters, and the words that led there."""

    clusters: tuple[str, ...]
    words: tuple[str, ...]
    """Sentences such as `in EU: IE, DE (jurisdictions as of 2026-11-01)`, shown by every plan."""
    undeclared: tuple[str, ...] = ()
    """Clusters whose geography is undeclared or contradicted, and which are in or out for safety's sake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountryGroup:
    """Countries that belong together by treaty or agreement, on one date."""

    title: str
    """Its name in words: `European Union`."""
    members: frozenset[str]
    """ISO 3166-1 alpha-2 codes of the member states; a territory with its own code is not in it."""
    source: str
    """Where the membership was read: the treaty or official page, with its address."""
    as_of: str
    """Date (ISO 8601) on which the membership was as listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jurisdictions:
    """The countries and country groups that `in`, `serves` and `country` may name."""

    as_of: str
    """Date (ISO 8601) of the table."""
    countries: Mapping[str, str]
    """English short name by ISO 3166-1 alpha-2 code, and by `XK`."""
    groups: Mapping[str, CountryGroup]
    """Groups by code: `EU`, `FIVE_EYES`."""
    aliases: Mapping[str, str]
    """Other spellings of group codes: `EU27`, `Five Eyes`."""

    def canonical(self, word: str) -> str | None:
        """The code of a country or group; None when the word is neither."""
        if word in self.countries or word in self.groups:
            return word
        return self.aliases.get(word)

    def expand(self, word: str) -> frozenset[str]:
        """The countries that a country or group stands for; raises KeyError when the word is neither."""
        code = self.canonical(word)
        if code is None:
            raise KeyError(word)
        return self.groups[code].members if code in self.groups else frozenset({code})

    def suggest(self, word: str) -> str | None:
        """What an unknown word may have meant, in a question: `did you mean IE (Ireland)?`; None when unclear."""
        code = self._intended(_plain(word))
        if code is None:
            return None
        return f"did you mean {code} ({self.countries.get(code) or self.groups[code].title})?"

    def _intended(self, word: str) -> str | None:
        if word in _NOT_CODES:
            return _NOT_CODES[word]
        codes = {_plain(spelling): code for spelling, code in self.aliases.items()}
        codes |= {_plain(code): code for code in (*self.countries, *self.groups)}
        if word in codes:
            return codes[word]
        names = {_plain(name): code for code, name in self.countries.items()}
        beginning = [code for name, code in names.items() if len(word) > 3 and name.startswith(word)]
        if len(beginning) == 1:
            return beginning[0]
        known = names | {spelling: code for spelling, code in codes.items() if len(spelling) > 3}
        near = difflib.get_close_matches(word, known, n=1, cutoff=0.8)
        return known[near[0]] if near else None


_NOT_CODES = {"UK": "GB", "EL": "GR", "USA": "US", "AMERICA": "US", "ENGLAND": "GB", "BRITAIN": "GB"}
"""What people write for codes that ISO 3166-1 does not assign: suggested, never silently taken."""


def _plain(word: str) -> str:
    return re.sub(r"[\W_]+", "", word).upper()
