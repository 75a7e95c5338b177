"""What must be right of a fleet besides the types of its fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from orchestrator.core.fleet import LONGEST_NOTIFY_TIMEOUT, Cluster, Fleet
from orchestrator.documents._scope_rules import check_places
from orchestrator.documents.names import DNS_LABEL, LABEL_VALUE, is_dns_label, is_label_value
from orchestrator.documents.problems import Path, Problems, shown, suggestion
from orchestrator.documents.vocabulary import Vocabulary

_UID = re.compile(r"[0-9A-Za-z-]{1,64}")


def check_fleet(fleet: Fleet, problems: Problems, vocabulary: Vocabulary) -> None:
    """Names, identities, geography, safety rules and paths of a fleet."""
    for index, cluster in enumerate(fleet.clusters):
        _check_cluster(cluster, ("spec", "clusters", index), problems, vocabulary)
    _check_unique(fleet, "name", "cluster", lambda cluster: cluster.name, problems)
    _check_unique(fleet, "uid", "cluster with uid", lambda cluster: cluster.uid, problems)
    _check_unique(fleet, "context", "cluster with context", lambda cluster: cluster.context_name, problems)
    for index, rule in enumerate(fleet.safety):
        path: Path = ("spec", "safety", index)
        if rule.rule not in vocabulary.safety_rules:
            hint = suggestion(rule.rule, vocabulary.safety_rules, "safety rules")
            problems.add(f"there is no safety rule {shown(rule.rule)}", (*path, "rule"), hint)
        if rule.value < 0:
            problems.add(f"value: expected 0 or more, not {rule.value}", (*path, "value"))
    for index, file in enumerate(fleet.in_force):
        if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
            problems.add(f"{file} leaves the workspace", ("spec", "inForce", index))
    _check_notifications(fleet, problems)


def _check_notifications(fleet: Fleet, problems: Problems) -> None:
    """No message quotes an address: it may hold a secret."""
    names: set[str] = set()
    for index, one in enumerate(fleet.notify):
        path: Path = ("spec", "notify", index)
        if not is_dns_label(one.name):
            problems.add(f"{shown(one.name)} cannot name a notification", (*path, "name"), DNS_LABEL)
        if one.name in names:
            problems.add(f"there is already a notification {one.name}", (*path, "name"))
        names.add(one.name)
        source = one.url_from
        if (one.url is None) is (source is None):
            problems.add("expected either url or urlFrom", path, "urlFrom: {env: NAME} keeps secrets out of this file")
        if source is not None and (source.env is None) is (source.file is None):
            problems.add("urlFrom: expected either env or file", (*path, "urlFrom"))
        if one.url is not None and "://" not in one.url:
            problems.add("url: expected an address with ://, as in jsons://hooks.example/runs", (*path, "url"))
        if not 0 < one.timeout <= LONGEST_NOTIFY_TIMEOUT:
            problems.add(f"timeout: expected more than 0 and at most {LONGEST_NOTIFY_TIMEOUT}", (*path, "timeout"))


def _check_cluster(cluster: Cluster, path: Path, problems: Problems, vocabulary: Vocabulary) -> None:
    if not is_dns_label(cluster.name):
        problems.add(f"{shown(cluster.name)} cannot name a cluster", (*path, "name"), DNS_LABEL)
    if not cluster.region or not is_label_value(cluster.region):
        problems.add(f"{shown(cluster.region)} cannot name a region", (*path, "region"), LABEL_VALUE)
    if cluster.uid is not None and not _UID.fullmatch(cluster.uid):
        problems.add(
            f"{shown(cluster.uid)} cannot be a uid", (*path, "uid"), "it is the uid of the kube-system namespace"
        )
    if cluster.context == "":
        problems.add("the context is empty", (*path, "context"), "leave it out where it is the cluster's name")
    _check_geography(cluster, path, problems, vocabulary)


def _check_geography(cluster: Cluster, path: Path, problems: Problems, vocabulary: Vocabulary) -> None:
    jurisdictions = vocabulary.jurisdictions
    if cluster.country is not None and cluster.country not in jurisdictions.countries:
        problems.add(
            f"{shown(cluster.country)} is no ISO 3166-1 alpha-2 country code",
            (*path, "country"),
            jurisdictions.suggest(cluster.country),
        )
    if cluster.serves == ():
        problems.add(
            "serves: expected countries or groups, not an empty list",
            (*path, "serves"),
            "leave it out where the audience is not declared",
        )
    check_places(cluster.serves or (), (*path, "serves"), problems, jurisdictions)


def _check_unique(
    fleet: Fleet, field: str, what: str, value_of: Callable[[Cluster], str | None], problems: Problems
) -> None:
    seen: dict[str, Cluster] = {}
    for index, cluster in enumerate(fleet.clusters):
        value = value_of(cluster)
        if value is None:
            continue
        if value in seen:
            other = "" if field == "name" else f", {seen[value].name}"
            problems.add(f"there is already a {what} {value}{other}", ("spec", "clusters", index, field))
        seen.setdefault(value, cluster)
