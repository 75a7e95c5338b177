"""Where a cluster really stands, as far as its nodes tell: a declared country is held against their labels.

Labels prove a contradiction, never a location: nodes without a label that is understood say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from orchestrator.core.fleet import Cluster

LABEL_COUNTRY = "orchestrator.dev/country"
"""An operator's own statement on a node: ISO 3166-1 alpha-2. It beats the provider's region."""
LABEL_REGION = "topology.kubernetes.io/region"


@cache
def country_by_region() -> Mapping[str, str]:
    """Countries of the cloud providers' regions, from `cloud_regions.yaml`."""
    import yaml

    text = resources.files("orchestrator.geo").joinpath("cloud_regions.yaml").read_text(encoding="utf-8")
    return {
        region: country
        for provider in yaml.load(text, Loader=yaml.CSafeLoader)["providers"]
        for country, regions in provider["regions"].items()
        for region in regions
    }


def country_of_node(labels: Mapping[str, str]) -> str | None:
    """The country that a node's labels name; None when they name none that is understood."""
    return labels.get(LABEL_COUNTRY) or country_by_region().get(labels.get(LABEL_REGION, ""))


def contradiction(cluster: Cluster, nodes: Iterable[Mapping[str, str]]) -> str | None:
    """Why the nodes' labels contradict the declared country, in a sentence; None when they do not.

    `nodes` are the labels of every node. A cluster whose nodes stand in several countries contradicts any of them.
    """
    seen = {country for labels in nodes if (country := country_of_node(labels))}
    if cluster.country is None or not seen or seen == {cluster.country}:
        return None
    return f"declared in {cluster.country}, but its nodes are labelled as in {', '.join(sorted(seen))}"
