"""What verification is to look at: expectations for every object of a model in a cluster."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator import plugins
from orchestrator.core.fleet import Cluster
from orchestrator.core.kind import Wanted
from orchestrator.core.model import Model
from orchestrator.core.objects import JsonObject, ObjectRef, ref_of
from orchestrator.core.observation import Expectation, Subject
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.verdict import Want
from orchestrator.core.wish import Wish
from orchestrator.planning.rendering import render
from orchestrator.planning.scaling import Scalers, scalers_among


def subject_of(
    model: Model,
    cluster: Cluster,
    want: Want,
    expectations: Iterable[Expectation],
    revision: str | None,
) -> Subject:
    """A subject with its namespaces; a revision is asked for only of what is enabled."""
    looked_at = tuple(expectations)
    return Subject(
        model=model,
        cluster=cluster.name,
        region=cluster.region,
        want=want,
        expectations=looked_at,
        namespaces=tuple(sorted({one.ref.namespace for one in looked_at if one.ref.namespace})),
        revision=revision if want is Want.ENABLED else None,
        capacity=cluster.capacity,
    )


def subject_of_wish(wish: Wish) -> Subject:
    """Everything that the documents name, to be looked for where nobody said whether it should be there."""
    refs = render(wish).refs
    expectations = [
        Expectation(ref, None, Wanted(replicas=0 if ref.group_kind in plugins.switched() else None)) for ref in refs
    ]
    return subject_of(wish.model, wish.cluster, Want.DISABLED, expectations, None)


def subject_of_entry(
    entry: CatalogueEntry,
    model: Model,
    cluster: Cluster,
    manifests: tuple[JsonObject, ...],
    scalers: tuple[JsonObject, ...] = (),
) -> Subject:
    """What a cluster's own catalogue says should be there.

    `manifests` are those kept in the cluster under the entry's revision; without them every object is looked at by
    name only, and kinds that are judged by their content stay unverified. `scalers` are the cluster's autoscalers:
    the replicas of what they aim at are theirs.
    """
    by_ref = {ref_of(manifest): manifest for manifest in manifests}
    owners = Scalers(scalers, scalers_among(manifests))
    expectations = [
        Expectation(ref, by_ref.get(ref), Wanted(replicas=_recorded_replicas(entry, ref, owners)))
        for ref in refs_of(entry)
    ]
    return subject_of(model, cluster, entry.want, expectations, entry.revision)


def _recorded_replicas(entry: CatalogueEntry, ref: ObjectRef, owners: Scalers) -> int | None:
    if entry.want is Want.DISABLED:
        return 0 if ref.group_kind in plugins.switched() else None
    return None if owners.own(ref) else entry.replicas.get(str(ref))


def refs_of(entry: CatalogueEntry) -> tuple[ObjectRef, ...]:
    """The objects that a catalogue entry names."""
    return tuple(ObjectRef(*parts) for parts in entry.objects)
