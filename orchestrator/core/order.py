"""The order: the directive behind a takedown, and what it is about."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from orchestrator.core.model import Match
from orchestrator.core.records import canonical_json
from orchestrator.core.schema import DOCUMENT, Seconds, as_document
from orchestrator.core.scope import Scope

DEFAULT_RESTORE_JITTER = Seconds(30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where the model runs."""

    __pydantic_config__ = DOCUMENT

    in_: tuple[str, ...]
    """Countries or country groups in which clusters stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """For whom clusters answer."""

    __pydantic_config__ = DOCUMENT

    serves: tuple[str, ...]
    """Countries or country groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nationality:
    """Of what nationality users are; one of the two fields."""

    __pydantic_config__ = DOCUMENT

    of: tuple[str, ...] = ()
    """Nationals of these countries are barred."""
    except_: tuple[str, ...] = ()
    """Everybody is barred but nationals of these countries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What an order is about: exactly one of these."""

    __pydantic_config__ = DOCUMENT

    location: Location | None = None
    """Where the model runs."""
    audience: Audience | None = None
    """For whom it answers."""
    nationality: Nationality | None = None
    """Of what nationality its users are. It never becomes a block of countries."""
    everyone: bool = False
    """Everybody, everywhere."""
    clusters: Scope | None = None
    """Clusters by scope: what an operator's hold is about. No order of an authority says this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreWave:
    """Clusters that come back together."""

    __pydantic_config__ = DOCUMENT

    name: str
    """Name of the wave."""
    scope: Scope
    """Its clusters; each cluster belongs to the first wave that holds it, and what no wave holds comes last."""
    soak: Seconds = Seconds(0)
    """Time that everything must stay healthy before the next wave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreTerms:
    """How the models come back."""

    __pydantic_config__ = DOCUMENT

    waves: tuple[RestoreWave, ...] = ()
    """In this order; all clusters in one wave when empty."""
    jitter: Seconds = DEFAULT_RESTORE_JITTER
    """Clusters of a wave begin spread over this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The directive behind a takedown. Its digest identifies it."""

    __pydantic_config__ = DOCUMENT

    name: str
    authority: str
    """Who demands it. Stays in this file unless `public`."""
    reference: str
    """Its number at that authority. Stays in this file unless `public`."""
    public: bool = False
    """Whether authority and reference may be shown and kept elsewhere."""
    received: datetime | None = None
    """When it arrived; when this tool first read it, where absent."""
    deadline: Seconds | None = None
    """Time after its arrival within which everything has to be off and proven."""
    models: tuple[str, ...]
    """The models it names."""
    derivatives: bool = True
    """Whether models that are derived from them are in scope as well."""
    about: About
    """What it is about; from this follow the clusters."""
    contact: str | None = None
    """Whom users may ask: reaches clusters and users."""
    substitute: str | None = None
    """Which model to use instead: reaches clusters and users."""
    notice: str | None = None
    """The public notice, in words: reaches clusters and users."""
    notice_url: str | None = None
    """Address of the public notice: reaches clusters and users."""
    match: dict[str, Match] = field(default_factory=dict)
    """By model: how it is recognised, where no catalogue is at hand."""
    restore: RestoreTerms = field(default_factory=RestoreTerms)
    """How the models come back; no part of its digest."""
    supersedes: str | None = None
    """Digest of the order of the same name that this one replaces."""
    lifted: str | None = None
    """Reference of the decision that lifts it; no part of its digest."""

    @property
    def public_words(self) -> dict[str, str]:
        """The only words of it that reach clusters, users and evidence, by their name in the document."""
        words = {
            "contact": self.contact,
            "substitute": self.substitute,
            "notice": self.notice,
            "noticeUrl": self.notice_url,
        }
        if self.public:
            words |= {"authority": self.authority, "reference": self.reference}
        return {name: text for name, text in words.items() if text}

    @property
    def digest(self) -> str:
        """SHA-256 of its content in canonical JSON, without `lifted` and `restore`.

        Lifting an order, or deciding how its models come back, does not make it another order.
        """
        document = as_document(replace(self, lifted=None, restore=RestoreTerms()))
        received = self.received.astimezone(UTC).isoformat() if self.received else None
        text = canonical_json({**document, "received": received})
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderScope:
    """An order against one fleet: which clusters, and which words of it led there."""

    __pydantic_config__ = DOCUMENT

    clusters: tuple[str, ...]
    words: tuple[str, ...]
    """Sentences for plan, output and evidence."""
    is_widened: bool = False
    """Whether something that the fleet cannot verify widened it to every cluster."""
    collateral: tuple[str, ...] = ()
    """Sentences on whom it hits besides: what else such clusters serve."""
