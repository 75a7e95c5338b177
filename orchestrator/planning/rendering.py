"""Model, overrides and profile → the manifests of one cluster, their revision, and the replicas wanted.

Replicas never stand in a rendered manifest: `/scale` owns them, because server-side apply would take the number from
an autoscaler, or reset it to 1 where we owned it and leave it out. Selectors are never touched.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from orchestrator import plugins
from orchestrator.core.model import Model, Patch, Profile
from orchestrator.core.objects import ANNOTATION_REVISION, LABEL_MODEL, GroupKind, JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.records import revision_of
from orchestrator.core.verdict import Want
from orchestrator.core.wish import Wish
from orchestrator.errors import UsageError
from orchestrator.planning.ordering import apply_order
from orchestrator.planning.patches import merge_json, merge_strategic

Namespaced = Mapping[tuple[str, str], bool]
"""By (apiVersion, kind): whether it lives in namespaces, as a cluster's discovery says."""

SHARED_KINDS: Final = frozenset(
    {GroupKind("", "Namespace"), GroupKind("apiextensions.k8s.io", "CustomResourceDefinition")}
)
"""Kinds that several models may ship alike: they carry neither our label nor a revision, and are never taken back."""
_POD_TEMPLATES: Final[Mapping[GroupKind, tuple[str, ...]]] = {
    **{
        GroupKind("apps", kind): ("spec", "template")
        for kind in ("Deployment", "StatefulSet", "ReplicaSet", "DaemonSet")
    },
    GroupKind("batch", "Job"): ("spec", "template"),
    GroupKind("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}
_SERVER_OWNED: Final = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
_DEFAULT_NAMESPACE: Final = "default"
_NOTHING_KNOWN: Final[Namespaced] = {}


@dataclass(frozen=True, slots=True)
class Rendering:
    """What one model is in one cluster."""

    manifests: tuple[JsonObject, ...]
    """With our label and the revision's annotation, without replicas, in the order in which they are applied."""
    replicas: Mapping[ObjectRef, int]
    """Wanted replicas of each workload that is switched."""
    revision: str | None
    """None for an adopted model."""
    profile: str | None

    @property
    def refs(self) -> tuple[ObjectRef, ...]:
        """The objects by name."""
        return tuple(ref_of(manifest) for manifest in self.manifests)

    @property
    def own(self) -> tuple[JsonObject, ...]:
        """The manifests that are this model's alone: recorded, verified, and kept in the cluster for a rollback."""
        return tuple(manifest for manifest in self.manifests if ref_of(manifest).group_kind not in SHARED_KINDS)


def render(wish: Wish, namespaced: Namespaced = _NOTHING_KNOWN) -> Rendering:
    """Render a wish. A namespace is filled in where the kind is known to have one, here or by `namespaced`.

    Raises UsageError for a patch that fits nothing, an unknown profile, replicas for an unknown workload, an object
    given twice, and, of what is to be enabled, a model that has neither manifests nor workloads to adopt.
    """
    profile = next((override.profile for override in reversed(wish.overrides) if override.profile), None)
    if wish.want is Want.ENABLED and not wish.manifests and not wish.model.adopt:
        raise UsageError(
            f"model {wish.model.name} has neither manifests nor workloads to adopt",
            hint="give it `manifests: [.]`, or `adopt: {selector: …}`",
        )
    places = {**namespaced, **_defined_here(wish.manifests)}
    manifests = [_prepared(manifest, places) for manifest in wish.manifests]
    for patch in _patches(wish, profile):
        manifests = _patched(manifests, patch, wish.model)
    _check_unique(manifests, wish.model)
    manifests.sort(key=lambda manifest: apply_order(ref_of(manifest)))
    replicas = _wanted_replicas(wish, manifests)
    bare = tuple(_labelled(_without_replicas(manifest), wish.model.name) for manifest in manifests)
    if not bare:
        return Rendering((), {}, None, profile)
    revision = revision_of(bare)
    return Rendering(tuple(_annotated(manifest, revision) for manifest in bare), replicas, revision, profile)


def named_replicas(wish: Wish, name: str) -> int | None:
    """The replicas that overrides or the model name for one workload; None when they say nothing of it."""
    for wanted in (*(override.replicas for override in reversed(wish.overrides)), wish.model.replicas):
        number = wanted.get(name) if isinstance(wanted, dict) else wanted
        if number is not None:
            return number
    return None


def _defined_here(manifests: Iterable[JsonObject]) -> Namespaced:
    """What CustomResourceDefinitions among the manifests say of the kinds that they define."""
    return {
        (f"{dig(crd, 'spec', 'group')}/{version.get('name')}", str(dig(crd, "spec", "names", "kind"))): dig(
            crd, "spec", "scope"
        )
        == "Namespaced"
        for crd in manifests
        if crd.get("kind") == "CustomResourceDefinition"
        for version in dig(crd, "spec", "versions", default=[])
    }


def defines(manifests: Iterable[JsonObject], api_version: str, kind: str) -> bool:
    """Whether a CustomResourceDefinition among the manifests defines a kind."""
    return (api_version, kind) in _defined_here(manifests)


def _prepared(manifest: JsonObject, namespaced: Namespaced) -> JsonObject:
    """The manifest with its namespace, and without what only a server writes."""
    ref = ref_of(manifest)
    kind = plugins.kinds().get(ref.group_kind)
    is_namespaced = kind.resource.namespaced if kind else namespaced.get((ref.api_version, ref.kind))
    metadata = {key: value for key, value in manifest.get("metadata", {}).items() if key not in _SERVER_OWNED}
    if is_namespaced and not ref.namespace:
        metadata["namespace"] = _DEFAULT_NAMESPACE
    if is_namespaced is False and ref.namespace:
        raise UsageError(
            f"{ref.group_kind} {ref.name} has a namespace, but its kind has none",
            hint="leave metadata.namespace out of this manifest",
        )
    rest = {key: value for key, value in manifest.items() if key != "status"}
    return _with_plain_data({**rest, "metadata": metadata})


def _with_plain_data(manifest: JsonObject) -> JsonObject:
    """A Secret with `stringData` as `data`: the API server forgets who wrote stringData, so removals would stay."""
    if ref_of(manifest).group_kind != GroupKind("", "Secret") or "stringData" not in manifest:
        return manifest
    encoded = {
        key: base64.b64encode(str(text).encode()).decode() for key, text in (manifest["stringData"] or {}).items()
    }
    rest = {key: value for key, value in manifest.items() if key != "stringData"}
    return {**rest, "data": {**(manifest.get("data") or {}), **encoded}}


def _check_unique(manifests: list[JsonObject], model: Model) -> None:
    seen: set[tuple[GroupKind, str, str]] = set()
    for ref in map(ref_of, manifests):
        identity = (ref.group_kind, ref.namespace, ref.name)
        if identity in seen:
            raise UsageError(
                f"model {model.name}: {ref} stands twice in its manifests",
                hint="keep one of the two; `manifests` lists the files that count",
            )
        seen.add(identity)


def _patches(wish: Wish, profile: str | None) -> Iterable[Patch]:
    if profile is not None:
        yield from _profile(wish.model, profile).patches
    for override in wish.overrides:
        yield from override.patches


def _profile(model: Model, name: str) -> Profile:
    if name not in model.profiles:
        known = f"it has: {', '.join(model.profiles)}" if model.profiles else None
        raise UsageError(f"model {model.name} has no profile {name}", hint=known)
    return model.profiles[name]


def _patched(manifests: list[JsonObject], patch: Patch, model: Model) -> list[JsonObject]:
    fitting = [_fits(manifest, patch) for manifest in manifests]
    if not any(fitting):
        target = f"{patch.target.kind} {patch.target.name or ''}".strip()
        raise UsageError(
            f"model {model.name}: a patch for {target} fits none of its manifests",
            hint="compare its target with kinds and names of the manifests",
        )
    return [
        _merged(manifest, patch, model) if fits else manifest for manifest, fits in zip(manifests, fitting, strict=True)
    ]


def _merged(manifest: JsonObject, patch: Patch, model: Model) -> JsonObject:
    merge = merge_strategic if patch.type == "strategic" else merge_json
    result: Any = merge(manifest, patch.patch)
    if ref_of(result) != ref_of(manifest):
        raise UsageError(
            f"model {model.name}: a patch turns {ref_of(manifest)} into another object",
            hint="a patch must leave apiVersion, kind, name and namespace alone",
        )
    return _with_plain_data(result)


def _fits(manifest: JsonObject, patch: Patch) -> bool:
    ref = ref_of(manifest)
    return patch.target.kind in (ref.kind, str(ref.group_kind)) and patch.target.name in (None, ref.name)


def _wanted_replicas(wish: Wish, manifests: list[JsonObject]) -> dict[ObjectRef, int]:
    wanted: dict[ObjectRef, int] = {}
    for manifest in manifests:
        ref = ref_of(manifest)
        if ref.group_kind in plugins.switched():
            named = named_replicas(wish, ref.name)
            wanted[ref] = int(dig(manifest, "spec", "replicas", default=1)) if named is None else named
    if not wish.model.adopt:
        _check_names(wish, {ref.name for ref in wanted})
    return wanted


def _check_names(wish: Wish, known: set[str]) -> None:
    for replicas in (wish.model.replicas, *(override.replicas for override in wish.overrides)):
        for name in sorted(replicas.keys() - known) if isinstance(replicas, dict) else ():
            near = get_close_matches(name, known, n=1)
            raise UsageError(
                f"model {wish.model.name}: replicas are given for {name}, which is none of its workloads",
                hint=f"did you mean {near[0]}?" if near else f"its workloads: {', '.join(sorted(known)) or 'none'}",
            )


def _without_replicas(manifest: JsonObject) -> JsonObject:
    if ref_of(manifest).group_kind not in plugins.switched():
        return manifest
    return {**manifest, "spec": {key: value for key, value in manifest.get("spec", {}).items() if key != "replicas"}}


def _labelled(manifest: JsonObject, model: str) -> JsonObject:
    kind = ref_of(manifest).group_kind
    if kind in SHARED_KINDS:
        return manifest
    result = _with_metadata(manifest, (), "labels", LABEL_MODEL, model)
    template = _POD_TEMPLATES.get(kind)
    return _with_metadata(result, template, "labels", LABEL_MODEL, model) if template else result


def _annotated(manifest: JsonObject, revision: str) -> JsonObject:
    if ref_of(manifest).group_kind in SHARED_KINDS:
        return manifest
    return _with_metadata(manifest, (), "annotations", ANNOTATION_REVISION, revision)


def _with_metadata(obj: JsonObject, path: tuple[str, ...], group: str, key: str, value: str) -> JsonObject:
    """A copy with one label or annotation at `path`."""
    if path:
        head, *tail = path
        return {**obj, head: _with_metadata(obj.get(head) or {}, tuple(tail), group, key, value)}
    metadata = obj.get("metadata") or {}
    return {**obj, "metadata": {**metadata, group: {**(metadata.get(group) or {}), key: value}}}
