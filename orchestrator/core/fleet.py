"""The fleet: clusters, where they stand and whom they serve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from orchestrator.core.result import Outcome
from orchestrator.core.schema import DOCUMENT, Seconds

DEFAULT_NOTIFY_TIMEOUT = Seconds(5)
LONGEST_NOTIFY_TIMEOUT = Seconds(30)
NotifiedAction = Literal["apply", "enable", "disable", "takedown", "restore", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One Kubernetes cluster."""

    __pydantic_config__ = DOCUMENT

    name: str
    """Name of the cluster in this fleet."""
    region: str
    """Region, in the words of the fleet."""
    country: str | None = None
    """ISO 3166-1 alpha-2 code of the country in which the cluster stands; undeclared when absent."""
    serves: tuple[str, ...] | None = None
    """Countries or country groups whose audience it serves; undeclared when absent."""
    context: str | None = None
    """Context of the kubeconfig; the cluster's name when absent."""
    uid: str | None = None
    """Pinned identity: the uid of the cluster's kube-system namespace."""
    labels: dict[str, str] = field(default_factory=dict)
    """Labels for scopes."""
    capacity: Literal["fixed", "elastic"] = "fixed"
    """`elastic` where nodes are added when pods wait."""

    @property
    def context_name(self) -> str:
        """The kubeconfig context to use."""
        return self.context or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifies:
    """What this platform can really tell about a request; anything else widens an order to every cluster."""

    __pydantic_config__ = DOCUMENT

    location: bool = False
    """Where the model runs."""
    audience: bool = False
    """For whom a cluster answers."""
    nationality: bool = False
    """Of what nationality a user is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeService:
    """A Service, in every cluster, that answers requests for models that were taken down (451 with the notice)."""

    __pydantic_config__ = DOCUMENT

    namespace: str
    """Namespace of the Service."""
    name: str
    """Name of the Service."""
    port: int = 80
    """Port of the Service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyRule:
    """A rule that refuses plans, by name."""

    __pydantic_config__ = DOCUMENT

    rule: str
    """Name of the rule, for instance `minEnabledClusters`."""
    models: tuple[str, ...] = ()
    """Models it watches; every model when empty."""
    value: int
    """The rule's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlSource:
    """Where an address is read from when it is needed; one of the two."""

    __pydantic_config__ = DOCUMENT

    env: str | None = None
    """Name of an environment variable."""
    file: str | None = None
    """A file; a relative path is the workspace's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Whom to tell about runs. A notification that fails or hangs changes nothing of a run."""

    __pydantic_config__ = DOCUMENT

    name: str
    """How messages on stderr call it; the address itself is never shown or kept."""
    url: str | None = field(default=None, repr=False)
    """An Apprise address (`jsons://…` for a webhook, `slack://…`, `mailtos://…`); one of `url` and `urlFrom`."""
    url_from: UrlSource | None = None
    """Where the address is read from, so that its secrets stay out of this file."""
    actions: tuple[NotifiedAction, ...] = ()
    """Runs of which it is told; every one when empty, `verify` only where it is listed."""
    outcomes: tuple[Outcome, ...] = ()
    """Outcomes of which it is told; every one when empty."""
    begins: bool = False
    """Whether it is also told when such a run begins."""
    timeout: Seconds = DEFAULT_NOTIFY_TIMEOUT
    """Time that it gets, in the background; at most 30 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsFiles:
    """Where each run leaves its metrics for node-exporter's textfile collector."""

    __pydantic_config__ = DOCUMENT

    directory: str
    """Folder for a file per fleet and action, `orchestrator-FLEET-ACTION.prom`; a relative path is the workspace's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Clusters, what can be verified about them, and the rules that protect them."""

    __pydantic_config__ = DOCUMENT

    name: str
    clusters: tuple[Cluster, ...]
    """The clusters; their names are unique."""
    kubeconfig: str | None = None
    """Kubeconfig file, relative to this document; kubectl's own rules when absent."""
    verifies: Verifies = field(default_factory=Verifies)
    """What this platform can really tell."""
    safety: tuple[SafetyRule, ...] = ()
    """Rules that refuse plans."""
    notice_service: NoticeService | None = None
    """Who answers in the place of a model that was taken down, where a route's kind cannot."""
    in_force: tuple[str, ...] = ()
    """Order files that are in force, relative to the workspace."""
    notify: tuple[Notification, ...] = ()
    """Whom to tell about runs; needs the extra `notify`."""
    metrics: MetricsFiles | None = None
    """Where runs leave metrics; needs the extra `metrics`."""

    def cluster(self, name: str) -> Cluster:
        """The cluster of this name; raises KeyError."""
        for cluster in self.clusters:
            if cluster.name == name:
                return cluster
        raise KeyError(name)
