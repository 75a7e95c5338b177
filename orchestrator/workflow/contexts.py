"""A fleet from nothing but a kubeconfig: for an incident on a laptop that has no workspace."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.delivery import connect
from orchestrator.errors import UsageError
from orchestrator.workflow.fleet_names import cluster_names

NAME = "contexts"


async def fleet_of_contexts(kubeconfig: Path | None, patterns: Iterable[str]) -> Fleet:
    """A cluster for every context that fits a pattern (`all` for every one). Nothing is asked of any cluster.

    Country and audience are undeclared, so that every order concerns every one of them. Raises UsageError when no
    context fits.
    """
    wanted = tuple("*" if pattern == "all" else pattern for pattern in patterns)
    async with connect(Fleet(name=NAME, clusters=()), kubeconfig=kubeconfig) as connection:
        contexts = connection.contexts_outside_fleet()
    chosen = [name for name in contexts if any(fnmatchcase(name, one) for one in wanted)]
    if not chosen:
        raise UsageError(
            f"no context of the kubeconfig fits {', '.join(wanted)}",
            hint="`kubectl config get-contexts` lists them; --kubeconfig FILE chooses another file",
        )
    names = cluster_names(chosen, ())
    clusters = tuple(Cluster(name=names[context], region=names[context], context=context) for context in chosen)
    return Fleet(name=NAME, clusters=clusters)


def without_twins(fleet: Fleet, snapshots: Iterable[ClusterSnapshot]) -> Fleet:
    """The fleet with one context for each cluster: in a kubeconfig several contexts may well lead to the same one."""
    seen: dict[str, str] = {}
    twins = set()
    for snapshot in snapshots:
        if snapshot.identity is not None and seen.setdefault(snapshot.identity.uid, snapshot.cluster.name) != (
            snapshot.cluster.name
        ):
            twins.add(snapshot.cluster.name)
    return replace(fleet, clusters=tuple(cluster for cluster in fleet.clusters if cluster.name not in twins))
