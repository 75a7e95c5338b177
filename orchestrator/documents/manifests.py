"""A model's manifests: raw Kubernetes objects from multi-document YAML, each with the line where it was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.core.model import Model, Patch, PatchTarget
from orchestrator.core.objects import GroupKind, JsonObject, ObjectRef, ref_of
from orchestrator.documents.names import is_dns_label, is_object_name
from orchestrator.documents.problems import Path, Problems, closest, shown
from orchestrator.documents.source import Source
from orchestrator.errors import DocumentError

_OURS = "orchestrator.dev/"
_SET_BY_SERVER = ("uid", "resourceVersion", "managedFields", "selfLink")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One Kubernetes object of a model, as written."""

    object: JsonObject
    source: Source
    path: Path = ()
    """Where it stands in its document: items of a List are inside it."""

    @property
    def file(self) -> str:
        """The file that it was read from."""
        return self.source.file

    @property
    def line(self) -> int:
        """The line where it begins."""
        return self.source.line(*self.path)


def read_manifests(sources: Iterable[Source]) -> tuple[Manifest, ...]:
    """The objects of these documents, `List` kinds expanded, empty documents left out.

    Raises DocumentError for what is no Kubernetes object that can be applied, and for the same object twice.
    """
    manifests = [manifest for source in sources for manifest in _expand(source, source.value, ())]
    first: dict[tuple[GroupKind, str, str], Manifest] = {}
    for manifest in manifests:
        _check_object(manifest)
        ref = ref_of(manifest.object)
        other = first.setdefault((ref.group_kind, ref.namespace, ref.name), manifest)
        if other is not manifest:
            message = f"{ref} is there already, in {other.file}:{other.line}"
            raise manifest.source.error(message, *manifest.path)
    return tuple(manifests)


def check_against_manifests(model: Model, source: Source, manifests: Iterable[Manifest]) -> None:
    """Raise DocumentError where the model speaks of objects that its manifests do not hold."""
    refs = [ref_of(manifest.object) for manifest in manifests]
    names = sorted({ref.name for ref in refs})
    problems = Problems(source)
    for replicas, path in _replicas_of(model):
        for name in replicas:
            if name not in names:
                problems.add(f"no manifest is called {name}", (*path, name), closest(name, names))
    for patch, path in _patches_of(model):
        if not any(is_target(patch.target, ref) for ref in refs):
            target = " ".join(filter(None, (patch.target.kind, patch.target.name)))
            known = ", ".join(sorted(f"{ref.group_kind} {ref.name}" for ref in refs))
            problems.add(f"no manifest is a {target}", (*path, "target"), f"the manifests hold {known}")
    problems.raise_any()


def is_target(target: PatchTarget, ref: ObjectRef) -> bool:
    """Whether a patch changes this object: its kind, its group where the target gives one, its name likewise."""
    wanted = GroupKind.parse(target.kind)
    return ref.kind == wanted.kind and wanted.group in ("", ref.group_kind.group) and target.name in (None, ref.name)


def _replicas_of(model: Model) -> Iterator[tuple[dict[str, int], Path]]:
    if isinstance(model.replicas, dict):
        yield model.replicas, ("spec", "replicas")
    for index, override in enumerate(model.overrides):
        if isinstance(override.replicas, dict):
            yield override.replicas, ("spec", "overrides", index, "replicas")


def _patches_of(model: Model) -> Iterator[tuple[Patch, Path]]:
    for name, profile in model.profiles.items():
        for index, patch in enumerate(profile.patches):
            yield patch, ("spec", "profiles", name, "patches", index)
    for number, override in enumerate(model.overrides):
        for index, patch in enumerate(override.patches):
            yield patch, ("spec", "overrides", number, "patches", index)


def _expand(source: Source, value: Any, path: Path) -> Iterator[Manifest]:
    if value is None and not path:
        return
    if not isinstance(value, dict):
        raise source.error(f"expected a Kubernetes object, not {shown(value)}", *path)
    kind, items = value.get("kind"), value.get("items")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
        for index, item in enumerate(items):
            yield from _expand(source, item, (*path, "items", index))
    else:
        yield Manifest(value, source, path)


def _check_object(manifest: Manifest) -> None:
    obj = manifest.object
    for field in ("apiVersion", "kind"):
        if not isinstance(obj.get(field), str) or not obj[field]:
            raise _error(manifest, f"{field}: expected a string, not {shown(obj.get(field))}", field)
    if obj["apiVersion"].startswith("orchestrator/"):
        raise _error(manifest, f"a {obj['kind']} of this tool is no manifest of a model", "kind")
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        hint = "Kustomization files are built first: kubectl kustomize" if obj["kind"] == "Kustomization" else None
        raise _error(manifest, f"{obj['kind']}: metadata.name is missing", "metadata", hint=hint)
    if not is_object_name(metadata["name"]):
        raise _error(manifest, f"{shown(metadata['name'])} cannot name an object", "metadata", "name")
    namespace = metadata.get("namespace")
    if namespace is not None and not (isinstance(namespace, str) and is_dns_label(namespace)):
        raise _error(manifest, f"{shown(namespace)} cannot name a namespace", "metadata", "namespace")
    _check_metadata(manifest, metadata)


def _check_metadata(manifest: Manifest, metadata: JsonObject) -> None:
    for field in _SET_BY_SERVER:
        if metadata.get(field):
            hint = "this manifest was exported from a cluster: take out what the API server wrote"
            raise _error(manifest, f"metadata.{field} is set by the API server", "metadata", field, hint=hint)
    for field in ("labels", "annotations"):
        values = metadata.get(field) or {}
        if not isinstance(values, dict):
            raise _error(manifest, f"metadata.{field}: expected a mapping, not {shown(values)}", "metadata", field)
        for key, value in values.items():
            if not isinstance(value, str):
                message = f"metadata.{field}: expected strings, not {shown(value)}"
                raise _error(manifest, message, "metadata", field, key, hint="write it in quotes")
            if key.startswith(_OURS):
                raise _error(manifest, f"{key} is written by this tool alone", "metadata", field, key)


def _error(manifest: Manifest, message: str, *path: str | int, hint: str | None = None) -> DocumentError:
    return manifest.source.error(message, *manifest.path, *path, hint=hint)
