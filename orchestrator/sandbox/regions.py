"""Which clusters a sandbox has: fictional default regions, or the shape of a real fleet file.

Only names, regions, countries, audiences and labels are taken from a fleet file: never its contexts or uids, so a
sandbox cannot be mistaken for the fleet it imitates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestrator.errors import SandboxError, UsageError

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,46}[a-z0-9])?")
"""A DNS name that still fits into node names and labels: it becomes a directory, so nothing else may pass."""
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_REPLACED = frozenset({"name", "region", "country", "serves", "labels", "context", "uid"})
_LARGEST_FILE = 1 << 20
_DEEPEST = 50
_MOST_VALUES = 100_000
_MOST_CLUSTERS = 100


@dataclass(frozen=True)
class RegionSpec:
    """One cluster of a sandbox: its name, and where and for whom it pretends to stand.

    `country` is an ISO 3166-1 code, `serves` names audiences; None for either means undeclared. `details` are
    fields of a fleet file's entry that matter to other rooms only, such as `capacity`.
    """

    cluster: str
    region: str
    country: str | None = None
    serves: tuple[str, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


DEFAULT_REGIONS = (
    RegionSpec("us-east-1", "us-east", "US", ("US", "CA"), {"tier": "prod"}),
    RegionSpec("eu-west-1", "eu-west", "IE", ("EU",), {"tier": "prod"}),
    RegionSpec("eu-central-1", "eu-central", "DE", ("EU",), {"tier": "prod"}),
    RegionSpec("ap-northeast-1", "ap-northeast", "JP", ("JP",), {"tier": "prod"}),
    RegionSpec("uk-south-1", "uk-south", "GB", ("GB",), {"tier": "prod"}),
    RegionSpec("sa-east-1", "sa-east", "BR", ("BR",), {"tier": "prod"}),
    RegionSpec("ca-central-1", "ca-central", "CA", ("CA",), {"tier": "prod"}),
    RegionSpec("ap-southeast-1", "ap-southeast", "SG", ("SG",), {"tier": "prod"}),
    RegionSpec("ap-south-1", "ap-south", "IN", ("IN",), {"tier": "prod"}),
    RegionSpec("af-south-1", "af-south", "ZA", ("ZA",), {"tier": "prod"}),
    RegionSpec("me-central-1", "me-central", "AE", ("AE",), {"tier": "prod"}),
    RegionSpec("eu-north-1", "eu-north", "SE", ("EU",), {"tier": "prod"}),
)


def default_regions(count: int) -> tuple[RegionSpec, ...]:
    """The first `count` default regions. Raises UsageError outside 1 to 12."""
    if not 1 <= count <= len(DEFAULT_REGIONS):
        raise UsageError(
            f"a sandbox has 1 to {len(DEFAULT_REGIONS)} regions, not {count}", hint="for more, use --fleet FILE"
        )
    return DEFAULT_REGIONS[:count]


def checked(regions: Sequence[RegionSpec]) -> tuple[RegionSpec, ...]:
    """The same regions. Raises UsageError for names that are doubled or unfit to become a directory or label."""
    if not 1 <= len(regions) <= _MOST_CLUSTERS:
        raise UsageError(
            f"a sandbox has 1 to {_MOST_CLUSTERS} clusters, not {len(regions)}",
            hint="--regions N, or a fleet of fewer clusters",
        )
    seen: set[str] = set()
    for spec in regions:
        if not _NAME.fullmatch(spec.cluster) or ".." in spec.cluster:
            raise UsageError(
                f"{spec.cluster!r} cannot be the name of a sandbox cluster",
                hint="use at most 48 lower-case letters, digits, '-' and '.'",
            )
        if spec.cluster in seen:
            raise UsageError(f"two clusters are called {spec.cluster!r}", hint="give each cluster a name of its own")
        seen.add(spec.cluster)
        for value in (spec.region, *([spec.country] if spec.country else ())):
            if not _LABEL.fullmatch(value):
                raise UsageError(
                    f"{value!r} (cluster {spec.cluster}) cannot be a node label",
                    hint="letters, digits, dots, dashes and underscores, at most 63",
                )
    return tuple(regions)


def read_fleet(path: Path) -> tuple[tuple[RegionSpec, ...], dict[str, Any]]:
    """The clusters of the first Fleet document in `path`, and the rest of its `spec` without clusters.

    Lenient on purpose: what matters here is the shape, and `orchestrator fleet check` judges the rest.
    Raises UsageError when there is no such document, or one of its clusters cannot be imitated.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise UsageError(
                f"{path} is larger than {_LARGEST_FILE >> 20} MiB",
                hint="name a fleet document, as `orchestrator init` writes one",
            )
        text = path.read_bytes()
        _refuse_depths(path, text)
        documents = list(yaml.load_all(text, Loader=_Loader))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(
            f"{path} cannot be read: {' '.join(str(error).split())}",
            hint="name a fleet document in YAML that can be read",
        ) from error
    for document in documents:
        if isinstance(document, dict) and document.get("kind") == "Fleet":
            spec = document.get("spec")
            if isinstance(spec, dict) and isinstance(spec.get("clusters"), list):
                _refuse_bombs(path, spec)
                rest = {key: value for key, value in spec.items() if key != "clusters"}
                return checked([_region(path, entry) for entry in spec["clusters"]]), rest
    raise UsageError(
        f"{path} holds no 'kind: Fleet' with spec.clusters",
        hint="name a fleet document, as `orchestrator init` writes one",
    )


def _refuse_depths(path: Path, text: bytes) -> None:
    """Nesting costs the loader a recursion per level; the parser's events cost nothing."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise UsageError(
                f"{path} is nested more than {_DEEPEST} levels deep",
                hint="name a fleet document, as `orchestrator init` writes one",
            )


def _refuse_bombs(path: Path, spec: dict[str, Any]) -> None:
    """A few aliases can stand for billions of values, or for themselves."""
    count, waiting = 0, [spec]
    while waiting:
        value = waiting.pop()
        count += 1
        if count > _MOST_VALUES:
            raise UsageError(
                f"{path} stands for more than {_MOST_VALUES} values",
                hint="name a fleet document, as `orchestrator init` writes one",
            )
        if isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)


def _region(path: Path, entry: object) -> RegionSpec:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise UsageError(f"{path}: every cluster needs a name", hint="give each entry of spec.clusters a `name`")
    name = entry["name"]
    country, serves, labels = entry.get("country"), entry.get("serves"), entry.get("labels") or {}
    if not isinstance(serves, list | None) or not isinstance(labels, dict) or not isinstance(country, str | None):
        raise UsageError(
            f"{path}: cluster {name!r}: country, serves or labels have the wrong type",
            hint="`orchestrator schema Fleet` describes them",
        )
    return RegionSpec(
        cluster=name,
        region=str(entry.get("region") or name),
        country=country,
        serves=None if serves is None else tuple(str(audience) for audience in serves),
        labels={str(key): str(value) for key, value in labels.items()},
        details={str(key): value for key, value in entry.items() if key not in _REPLACED},
    )


def to_record(spec: RegionSpec) -> dict[str, Any]:
    """The region as JSON values."""
    return {
        "cluster": spec.cluster,
        "region": spec.region,
        "country": spec.country,
        "serves": None if spec.serves is None else list(spec.serves),
        "labels": dict(spec.labels),
        "details": dict(spec.details),
    }


def from_record(record: Mapping[str, Any]) -> RegionSpec:
    """The region that `to_record` wrote. Raises SandboxError when it is damaged."""
    try:
        serves = record["serves"]
        return RegionSpec(
            cluster=str(record["cluster"]),
            region=str(record["region"]),
            country=record["country"],
            serves=None if serves is None else tuple(serves),
            labels=dict(record["labels"]),
            details=dict(record["details"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SandboxError(
            f"the sandbox's own record of its clusters is damaged: {error!r}",
            hint="`orchestrator sandbox down --dir DIR`, then `sandbox up` anew",
        ) from error


_REINTERPRETED = {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"}


class _Loader(yaml.CSafeLoader):
    """YAML 1.2's booleans: `NO` is Norway, not false. Dates stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REINTERPRETED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
