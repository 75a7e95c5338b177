"""A declared country is held against node labels."""

import pytest

from orchestrator.core.fleet import Cluster
from orchestrator.geo.nodes import contradiction, country_by_region, country_of_node

IRELAND = Cluster(name="eu-west-1a", region="eu-west", country="IE")


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ([], None),
        ([{}], None),
        ([{"topology.kubernetes.io/region": "eu-west-1"}], None),
        ([{"topology.kubernetes.io/region": "somewhere-of-our-own"}], None),
        ([{"orchestrator.dev/country": "IE"}], None),
        ([{"topology.kubernetes.io/region": "us-east-1"}], "declared in IE, but its nodes are labelled as in US"),
        ([{"orchestrator.dev/country": "IE"}, {"orchestrator.dev/country": "DE"}], "labelled as in DE, IE"),
        ([{"orchestrator.dev/country": "IE", "topology.kubernetes.io/region": "us-east-1"}], None),
    ],
)
def test_labels_contradict_only_where_they_are_understood(nodes: list[dict[str, str]], sentence: str | None) -> None:
    found = contradiction(IRELAND, nodes)
    assert (found is None) if sentence is None else sentence in (found or "")


def test_an_undeclared_country_is_not_contradicted() -> None:
    assert contradiction(Cluster(name="a", region="b"), [{"topology.kubernetes.io/region": "us-east-1"}]) is None


def test_every_region_of_the_table_belongs_to_one_country() -> None:
    """A region listed twice would silently take the later country."""
    table = country_by_region()
    assert len(table) > 110
    assert all(len(country) == 2 and country.isupper() for country in table.values())
    assert country_of_node({"topology.kubernetes.io/region": "norwayeast"}) == "NO"
