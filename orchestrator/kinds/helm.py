"""Helm: puts its objects back at the next upgrade, and does nothing on its own."""

from __future__ import annotations

from orchestrator.core.kind import Kind, Reverter
from orchestrator.core.objects import JsonObject, Resource, dig


def reverter(live: JsonObject) -> Reverter | None:
    """The release named by Helm's annotations. https://helm.sh/docs/faq/changes_since_helm_2/"""
    notes = dig(live, "metadata", "annotations", default={})
    release, namespace = (notes.get(f"meta.helm.sh/release-{key}") for key in ("name", "namespace"))
    if dig(live, "metadata", "labels", "app.kubernetes.io/managed-by") != "Helm" or not release:
        return None
    return Reverter("Helm", f"release {namespace}/{release}", continuous=False)


# Releases lie in Secrets and have no resource of their own; this name is only the key under which the rules are found.
PLUGIN = Kind(resource=Resource("helm.sh", "v3", "releases", "Release"), reverter=reverter)
