"""What `hold list` and `orders` print: what is held, what is owed, what is lifted, and what people said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from orchestrator.core.schema import API_VERSION, DOCUMENT
from orchestrator.core.verdict import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentCluster:
    """A cluster whose records could not be read, or written: what it knows is missing here."""

    __pydantic_config__ = DOCUMENT

    cluster: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldEntry:
    """One order, or one operator's hold, on one model."""

    __pydantic_config__ = DOCUMENT

    name: str
    digest: str
    """Empty for a hold that is not understood: nothing but its deletion ends it."""
    type: Literal["order", "operator", "unknown"]
    model: str
    """The model, or `*` for every model."""
    reason: str
    received: datetime | None
    deadline: datetime | None
    until: datetime | None
    expired: bool
    """Whether `until` has passed; it holds all the same."""
    lifted: bool
    """Whether any cluster has its lift: what still lies there holds nothing."""
    clusters: tuple[str, ...]
    """Where it lies."""
    ledger: dict[str, str]
    """By cluster: how far it is."""
    owing: tuple[str, ...]
    """Clusters that are not proven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldList:
    """Every hold that the reachable clusters of the fleet record."""

    __pydantic_config__ = DOCUMENT

    exit_code: int
    """3 when a cluster did not answer: the list may lack what it alone records."""
    holds: tuple[HoldEntry, ...]
    unreachable: tuple[SilentCluster, ...] = ()
    api_version: Literal["orchestrator/v1"] = API_VERSION
    kind: Literal["HoldList"] = "HoldList"


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """One model in one cluster, not proven."""

    __pydantic_config__ = DOCUMENT

    model: str
    cluster: str
    standing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftEntry:
    """An order is lifted, for good."""

    __pydantic_config__ = DOCUMENT

    reference: str
    actor: str
    clusters: tuple[str, ...]
    """Clusters that know of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationEntry:
    """What somebody said of a channel, or of a cluster that is gone."""

    __pydantic_config__ = DOCUMENT

    subject: str
    model: str | None
    """Whose channel it is; null for a cluster, and in records of before it was asked."""
    by: str
    note: str
    actor: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEntry:
    """One order, by its digest: as a file of this workspace, or as clusters know it."""

    __pydantic_config__ = DOCUMENT

    name: str
    digest: str
    file: str | None
    """Its file in this workspace; null for an order that only clusters know."""
    in_force: bool
    """Whether the fleet lists it."""
    models: tuple[str, ...]
    unknown_models: tuple[str, ...]
    """Models that neither this workspace nor any reachable cluster's catalogue has."""
    words: tuple[str, ...]
    """Which clusters it concerns, and which of its words led there."""
    received: datetime | None
    deadline: datetime | None
    """When everything has to be off; null while nobody knows when it arrived."""
    clusters: tuple[str, ...]
    """Clusters that keep a hold of it."""
    debt: tuple[Debt, ...]
    not_restored: tuple[str, ...]
    """Clusters that keep a hold of it though it is lifted: `restore` run again brings back just these."""
    superseded_by: str | None
    """Digest of the order that replaced it; what that one does not cover is still held by it."""
    lift: LiftEntry | None
    attestations: tuple[AttestationEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderList:
    """Orders, of this workspace and of the clusters."""

    __pydantic_config__ = DOCUMENT

    exit_code: int
    """3 when a cluster did not answer: the list may lack what it alone records."""
    orders: tuple[OrderEntry, ...]
    unreachable: tuple[SilentCluster, ...] = ()
    api_version: Literal["orchestrator/v1"] = API_VERSION
    kind: Literal["OrderList"] = "OrderList"
