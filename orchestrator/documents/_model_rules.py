"""What must be right of a model besides the types of its fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from orchestrator.core.model import HealthRule, Match, Model, Override, Patch, Probe, Route
from orchestrator.core.redaction import without_credentials
from orchestrator.documents._parameter_rules import check_address, check_parameters
from orchestrator.documents._scope_rules import check_scope
from orchestrator.documents.names import (
    DNS_LABEL,
    LABEL_VALUE,
    is_dns_label,
    is_kind,
    is_label_key,
    is_label_value,
    is_object_name,
)
from orchestrator.documents.problems import Path, Problems, shown, suggestion
from orchestrator.documents.vocabulary import Vocabulary

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_URL = re.compile(r"https?://[^\s/?#]+[^\s]*")


def check_model(model: Model, problems: Problems, vocabulary: Vocabulary) -> None:
    """What is switched, its variants, and how it is recognised, reached and judged."""
    _check_names(model.serves, ("spec", "serves"), problems)
    _check_workloads(model, problems)
    _check_replicas(model.replicas, ("spec", "replicas"), problems)
    for name, profile in model.profiles.items():
        path: Path = ("spec", "profiles", name)
        if not is_dns_label(name):
            problems.add(f"{shown(name)} cannot name a profile", path, DNS_LABEL)
        _check_patches(profile.patches, (*path, "patches"), problems)
    for index, override in enumerate(model.overrides):
        _check_override(override, model, ("spec", "overrides", index), problems, vocabulary)
    check_match(model.match, ("spec", "match"), problems)
    for index, shared in enumerate(model.shared_in):
        _check_selector(shared.selector, ("spec", "sharedIn", index, "selector"), problems)
        _check_namespaces(shared.namespaces, ("spec", "sharedIn", index, "namespaces"), problems)
    for index, route in enumerate(model.routes):
        _check_route(route, ("spec", "routes", index), problems)
    for index, probe in enumerate(model.probes):
        _check_probe(probe, ("spec", "probes", index), problems, vocabulary)
    for index, rule in enumerate(model.health):
        _check_health(rule, ("spec", "health", index), problems)
    _check_channels(model, problems, vocabulary)
    _check_descent(model, problems)


def _check_names(names: Iterable[str], path: Path, problems: Problems) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not name or name != name.strip() or not name.isprintable():
            problems.add(f"{shown(name)} cannot be a served name", (*path, index))
        if name in seen:
            problems.add(f"{name} is there already", (*path, index))
        seen.add(name)


def _check_workloads(model: Model, problems: Problems) -> None:
    if bool(model.manifests) == (model.adopt is not None):
        hint = "`manifests: [.]` for what this tool applies, `adopt` for what somebody else deployed"
        problems.add("expected either manifests or adopt", ("spec",), hint)
    for index, file in enumerate(model.manifests):
        if not file or PurePosixPath(file).is_absolute():
            problems.add(f"{shown(file)}: expected a path relative to this file", ("spec", "manifests", index))
    if model.adopt is None:
        return
    _check_selector(model.adopt.selector, ("spec", "adopt", "selector"), problems)
    _check_namespaces(model.adopt.namespaces, ("spec", "adopt", "namespaces"), problems)
    never = "adopted workloads are never patched"
    if model.profiles:
        problems.add(never, ("spec", "profiles"))
    for index, override in enumerate(model.overrides):
        for field in ("profile", "patches"):
            if getattr(override, field):
                problems.add(never, ("spec", "overrides", index, field))


def _check_replicas(replicas: int | dict[str, int] | None, path: Path, problems: Problems) -> None:
    for name, number in replicas.items() if isinstance(replicas, dict) else ((None, replicas),):
        if number is not None and number < 0:
            inner: Path = path if name is None else (*path, name)
            problems.add(f"replicas: expected 0 or more, not {number}", inner)


def _check_override(override: Override, model: Model, path: Path, problems: Problems, vocabulary: Vocabulary) -> None:
    check_scope(override.scope, (*path, "scope"), problems, vocabulary.jurisdictions)
    _check_replicas(override.replicas, (*path, "replicas"), problems)
    _check_patches(override.patches, (*path, "patches"), problems)
    if override.profile is not None and override.profile not in model.profiles:
        hint = suggestion(override.profile, model.profiles, "profiles")
        problems.add(f"there is no profile {shown(override.profile)}", (*path, "profile"), hint)


def _check_patches(patches: Iterable[Patch], path: Path, problems: Problems) -> None:
    for index, patch in enumerate(patches):
        inner: Path = (*path, index)
        if not is_kind(patch.target.kind):
            problems.add(
                f"{shown(patch.target.kind)} is no kind", (*inner, "target", "kind"), "`Service`, `apps/Deployment`"
            )
        if patch.target.name is not None and not is_object_name(patch.target.name):
            problems.add(f"{shown(patch.target.name)} cannot name an object", (*inner, "target", "name"))
        if not patch.patch:
            problems.add("the patch is empty", (*inner, "patch"))
        for field in ("apiVersion", "kind"):
            if field in patch.patch:
                problems.add(f"a patch never changes {field}", (*inner, "patch", field))
        metadata = patch.patch.get("metadata")
        for field in ("name", "namespace"):
            if isinstance(metadata, dict) and field in metadata:
                problems.add(f"a patch never changes metadata.{field}", (*inner, "patch", "metadata", field))


def check_match(match: Match, path: Path, problems: Problems) -> None:
    """Marks that would fit every pod, or none."""
    _check_labels(match.labels, (*path, "labels"), problems)
    for index, weights in enumerate(match.weights):
        if not weights.strip():
            problems.add("empty weights would match every pod", (*path, "weights", index))
    for index, image in enumerate(match.images):
        if not image.strip():
            problems.add("an empty image would match every pod", (*path, "images", index))
        elif "@" in image or ":" in image.rpartition("/")[2]:
            problems.add(f"{image}: expected an image without tag or digest", (*path, "images", index))


def _check_selector(labels: Mapping[str, str], path: Path, problems: Problems) -> None:
    if not labels:
        problems.add("an empty selector would select everything", path)
    _check_labels(labels, path, problems)


def _check_labels(labels: Mapping[str, str], path: Path, problems: Problems) -> None:
    for key, value in labels.items():
        if not is_label_key(key):
            problems.add(f"{shown(key)} cannot be the key of a label", (*path, key))
        if not is_label_value(value):
            problems.add(f"{shown(value)} cannot be the value of a label", (*path, key), LABEL_VALUE)


def _check_namespaces(namespaces: Iterable[str], path: Path, problems: Problems) -> None:
    for index, namespace in enumerate(namespaces):
        if not is_dns_label(namespace):
            problems.add(f"{shown(namespace)} cannot name a namespace", (*path, index), DNS_LABEL)


def _check_route(route: Route, path: Path, problems: Problems) -> None:
    if not is_kind(route.kind):
        problems.add(f"{shown(route.kind)} is no kind", (*path, "kind"))
    if not is_dns_label(route.namespace):
        problems.add(f"{shown(route.namespace)} cannot name a namespace", (*path, "namespace"), DNS_LABEL)
    if not is_object_name(route.name):
        problems.add(f"{shown(route.name)} cannot name an object", (*path, "name"))


def _check_probe(probe: Probe, path: Path, problems: Problems, vocabulary: Vocabulary) -> None:
    check_address(probe.url, (*path, "url"), problems)
    if not _URL.fullmatch(probe.url):
        problems.add(
            f"{shown(without_credentials(probe.url))}: expected a URL with http:// or https://", (*path, "url")
        )
    for placeholder in _PLACEHOLDER.findall(probe.url):
        if placeholder not in ("cluster", "region"):
            message = f"{{{placeholder}}} stands for nothing"
            problems.add(message, (*path, "url"), "{cluster} and {region} are replaced")
    if not probe.path.startswith("/"):
        problems.add("path: expected to begin with /", (*path, "path"))
    if probe.scope is not None:
        check_scope(probe.scope, (*path, "scope"), problems, vocabulary.jurisdictions)


def _check_health(rule: HealthRule, path: Path, problems: Problems) -> None:
    if not is_kind(rule.kind):
        problems.add(f"{shown(rule.kind)} is no kind", (*path, "kind"), "`serving.example/Thing`")
    if rule.inert == (rule.ready is not None):
        problems.add("expected either ready, or inert: true", path)


def _check_channels(model: Model, problems: Problems, vocabulary: Vocabulary) -> None:
    seen: set[str] = set()
    for index, channel in enumerate(model.channels):
        path: Path = ("spec", "channels", index)
        if channel.name in seen:
            problems.add(f"there is already a channel {shown(channel.name)}", (*path, "name"))
        seen.add(channel.name)
        if channel.probe is not None:
            check_parameters("http", channel.probe.http, (*path, "probe", "http"), problems, vocabulary)


def _check_descent(model: Model, problems: Problems) -> None:
    for index, name in enumerate(model.derived_from):
        path: Path = ("spec", "derivedFrom", index)
        if not is_dns_label(name):
            problems.add(f"{shown(name)} cannot name a model", path, DNS_LABEL)
        if name == model.name:
            problems.add("a model is not derived from itself", path)
        if name in model.derived_from[:index]:
            problems.add(f"{name} is there already", path)
