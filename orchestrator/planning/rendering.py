"""Model, overrides and profile → the manifests of one cluster, their revision, and the replicas wanted.

Replicas never stand in a rendered manifest: `/scale` owns them, for the reasons in `docs/architecture.md`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator import plugins
from orchestrator.core.model import Model, Patch, Profile
from orchestrator.core.objects import (
    ANNOTATION_REVISION,
    LABEL_MODEL,
    GroupKind,
    JsonObject,
    ObjectRef,
    dig,
    ref_of,
)
from orchestrator.core.records import revision_of
from orchestrator.core.wish import Wish
from orchestrator.errors import UsageError
from orchestrator.planning.patches import merge_json, merge_strategic

SCALED_KINDS = frozenset({GroupKind("apps", "Deployment"), GroupKind("apps", "StatefulSet")})
"""Kinds that are switched by `/scale`."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """What one model is in one cluster."""

    manifests: tuple[JsonObject, ...]
    """With our label and the revision's annotation, without replicas, in the order in which they are applied."""
    replicas: Mapping[ObjectRef, int]
    """Wanted replicas of each Deployment and StatefulSet."""
    revision: str | None
    """None for an adopted model."""
    profile: str | None

    @property
    def refs(self) -> tuple[ObjectRef, ...]:
        """The objects by name."""
        return tuple(ref_of(manifest) for manifest in self.manifests)


def render(wish: Wish) -> Rendering:
    """Render a wish. Raises UsageError for a patch that fits nothing, an unknown profile, or a name given twice."""
    profile = next((override.profile for override in reversed(wish.overrides) if override.profile), None)
    manifests = [_prepared(manifest) for manifest in wish.manifests]
    _check_unique(manifests, wish.model)
    for patch in _patches(wish, profile):
        manifests = _patched(manifests, patch, wish.model)
    replicas = {
        ref_of(manifest): _wanted_replicas(wish, ref_of(manifest), dig(manifest, "spec", "replicas", default=1))
        for manifest in manifests
        if ref_of(manifest).group_kind in SCALED_KINDS
    }
    bare = tuple(_labelled(_without_replicas(manifest), wish.model.name) for manifest in _ordered(manifests))
    if wish.model.adopt:
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


def apply_order(group_kind: GroupKind) -> int:
    """Where a kind stands in the order of applying: what others need comes first, what leads traffic in comes last."""
    return _ORDER.get(group_kind, _ORDER_OF_OTHERS)


_FIRST_TO_LAST = (
    ("", "Namespace"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("", "ResourceQuota"),
    ("", "LimitRange"),
    ("", "ServiceAccount"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "PersistentVolumeClaim"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("", "Service"),
    ("policy", "PodDisruptionBudget"),
)
_LAST = (
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("keda.sh", "ScaledObject"),
    ("networking.k8s.io", "Ingress"),
    ("gateway.networking.k8s.io", "HTTPRoute"),
)
_ORDER = {GroupKind(*names): position for position, names in enumerate(_FIRST_TO_LAST)}
_ORDER_OF_OTHERS = len(_ORDER)
_ORDER |= {GroupKind(*names): _ORDER_OF_OTHERS + 1 + position for position, names in enumerate(_LAST)}


def _prepared(manifest: JsonObject) -> JsonObject:
    """A copy, with the namespace that the API server would take where the kind has one and none is given."""
    result = copy.deepcopy(manifest)
    kind = plugins.kinds().get(ref_of(result).group_kind)
    metadata = result.setdefault("metadata", {})
    is_namespaced = kind.resource.namespaced if kind else ref_of(result).group_kind not in _CLUSTER_SCOPED
    if is_namespaced and not metadata.get("namespace"):
        metadata["namespace"] = "default"
    if not is_namespaced:
        metadata.pop("namespace", None)
    result.pop("status", None)
    return result


_CLUSTER_SCOPED = frozenset(
    GroupKind(group, kind)
    for group, kind in (
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "StorageClass"),
        ("gateway.networking.k8s.io", "GatewayClass"),
    )
)
"""Kinds without a namespace; a kind that is in neither this list nor `kinds/` needs its namespace written out."""


def _check_unique(manifests: list[JsonObject], model: Model) -> None:
    seen: set[tuple[GroupKind, str, str]] = set()
    for ref in map(ref_of, manifests):
        identity = (ref.group_kind, ref.namespace, ref.name)
        if identity in seen:
            raise UsageError(f"model {model.name}: {ref} stands twice in its manifests")
        seen.add(identity)


def _patches(wish: Wish, profile: str | None) -> Iterable[Patch]:
    if profile is not None:
        yield from _profile(wish.model, profile).patches
    for override in wish.overrides:
        yield from override.patches


def _profile(model: Model, name: str) -> Profile:
    if name not in model.profiles:
        raise UsageError(f"model {model.name} has no profile {name}", hint=f"it has: {', '.join(model.profiles)}")
    return model.profiles[name]


def _patched(manifests: list[JsonObject], patch: Patch, model: Model) -> list[JsonObject]:
    merge = merge_strategic if patch.type == "strategic" else merge_json
    fitting = [_fits(manifest, patch) for manifest in manifests]
    if not any(fitting):
        target = f"{patch.target.kind} {patch.target.name or ''}".strip()
        raise UsageError(f"model {model.name}: a patch for {target} fits none of its manifests")
    result = [
        merge(manifest, patch.patch) if fits else manifest for manifest, fits in zip(manifests, fitting, strict=True)
    ]
    for before, after in zip(manifests, result, strict=True):
        if ref_of(before) != ref_of(after):
            raise UsageError(f"model {model.name}: a patch turns {ref_of(before)} into another object")
    return result


def _fits(manifest: JsonObject, patch: Patch) -> bool:
    ref = ref_of(manifest)
    return patch.target.kind in (ref.kind, str(ref.group_kind)) and patch.target.name in (None, ref.name)


def _wanted_replicas(wish: Wish, ref: ObjectRef, of_manifest: int) -> int:
    named = named_replicas(wish, ref.name)
    return of_manifest if named is None else named


def _without_replicas(manifest: JsonObject) -> JsonObject:
    if ref_of(manifest).group_kind not in SCALED_KINDS:
        return manifest
    return {**manifest, "spec": {key: value for key, value in manifest.get("spec", {}).items() if key != "replicas"}}


def _labelled(manifest: JsonObject, model: str) -> JsonObject:
    metadata = manifest["metadata"]
    result = {**manifest, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), LABEL_MODEL: model}}}
    kind = plugins.kinds().get(ref_of(manifest).group_kind)
    if kind and kind.workload and isinstance(dig(manifest, "spec", "template"), dict):
        template = manifest["spec"]["template"]
        labels = {**dig(template, "metadata", "labels", default={}), LABEL_MODEL: model}
        template = {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}}
        result["spec"] = {**manifest["spec"], "template": template}
    return result


def _annotated(manifest: JsonObject, revision: str) -> JsonObject:
    metadata = manifest["metadata"]
    annotations = {**(metadata.get("annotations") or {}), ANNOTATION_REVISION: revision}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def _ordered(manifests: list[JsonObject]) -> list[JsonObject]:
    return sorted(manifests, key=lambda manifest: (apply_order(ref_of(manifest).group_kind), ref_of(manifest)))
