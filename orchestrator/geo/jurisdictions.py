"""Countries and groups of countries, from our own dated table `jurisdictions.yaml`."""

from __future__ import annotations

from functools import cache
from importlib import resources
from types import MappingProxyType

from orchestrator.core.scope import CountryGroup, Jurisdictions


@cache
def load_jurisdictions() -> Jurisdictions:
    """The table that comes with this version."""
    import yaml

    text = resources.files("orchestrator.geo").joinpath("jurisdictions.yaml").read_text(encoding="utf-8")
    table = yaml.load(text, Loader=yaml.CSafeLoader)
    groups = {
        code: CountryGroup(
            title=entry["title"],
            members=frozenset(entry["members"]),
            source=entry["source"],
            as_of=entry["as_of"],
        )
        for code, entry in table["groups"].items()
    }
    aliases = {alias: code for code, entry in table["groups"].items() for alias in entry["aliases"]}
    return Jurisdictions(
        as_of=table["as_of"],
        countries=MappingProxyType(table["countries"]),
        groups=MappingProxyType(groups),
        aliases=MappingProxyType(aliases),
    )
