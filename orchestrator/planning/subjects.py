"""What verification is to look at: expectations for every object of a model in a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator import plugins
from orchestrator.core.fleet import Cluster
from orchestrator.core.kind import Wanted
from orchestrator.core.model import Model
from orchestrator.core.objects import JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.observation import Expectation, Subject
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.verdict import Want
from orchestrator.core.wish import Wish
from orchestrator.planning.rendering import SCALED_KINDS, render


def subject_of(
    model: Model,
    cluster: Cluster,
    want: Want,
    expectations: Iterable[Expectation],
    revision: str | None,
) -> Subject:
    """A subject with its namespaces."""
    looked_at = tuple(expectations)
    return Subject(
        model=model,
        cluster=cluster.name,
        region=cluster.region,
        want=want,
        expectations=looked_at,
        namespaces=tuple(sorted({one.ref.namespace for one in looked_at if one.ref.namespace})),
        revision=revision if want is Want.ENABLED else None,
    )


def subject_of_wish(wish: Wish) -> Subject:
    """Everything that the documents name, to be looked for where nobody said whether it should be there."""
    refs = render(wish).refs
    expectations = [
        Expectation(ref, None, Wanted(replicas=0 if ref.group_kind in SCALED_KINDS else None)) for ref in refs
    ]
    return subject_of(wish.model, wish.cluster, Want.DISABLED, expectations, None)


def subject_of_entry(
    entry: CatalogueEntry, model: Model, cluster: Cluster, manifests: tuple[JsonObject, ...]
) -> Subject:
    """What a cluster's own catalogue says should be there.

    `manifests` are those kept in the cluster under the entry's revision; without them every object is looked at by
    name only, and kinds that are judged by their content stay unverified.
    """
    by_ref = {ref_of(manifest): manifest for manifest in manifests}
    scaled_by_others = targets_of(manifests)
    expectations = [
        Expectation(
            ref,
            by_ref.get(ref),
            Wanted(replicas=None if is_target(ref, scaled_by_others) else entry.replicas.get(str(ref))),
        )
        for ref in refs_of(entry)
    ]
    return subject_of(model, cluster, entry.want, expectations, entry.revision)


def refs_of(entry: CatalogueEntry) -> tuple[ObjectRef, ...]:
    """The objects that a catalogue entry names."""
    return tuple(ObjectRef(*parts) for parts in entry.objects)


def targets_of(objects: Iterable[JsonObject]) -> tuple[ObjectRef, ...]:
    """Workloads whose replicas the scalers among these objects own."""
    targets: list[ObjectRef] = []
    for obj in objects:
        kind = plugins.kinds().get(ref_of(obj).group_kind)
        if kind and kind.scaler:
            targets += kind.scaler.targets(obj)
    return tuple(targets)


def is_target(ref: ObjectRef, targets: Iterable[ObjectRef]) -> bool:
    """Whether a workload is among the targets; scalers name another apiVersion of the same kind at times."""
    return any(
        (target.group_kind, target.namespace, target.name) == (ref.group_kind, ref.namespace, ref.name)
        for target in targets
    )


def live_replicas(obj: Mapping[str, object] | None) -> int | None:
    """spec.replicas of a live object, with the API's default; None for no object."""
    return None if obj is None else int(dig(obj, "spec", "replicas", default=1))
