"""The order of work: steps as they are written, clusters inside a step in the fleet's order."""

from __future__ import annotations

from orchestrator.core.fleet import Fleet
from orchestrator.core.wish import PlanRequest, Wish, WishedWave
from orchestrator.errors import UsageError


def clusters_of(wave: WishedWave, fleet: Fleet) -> dict[str, list[Wish]]:
    """The wishes of a step by cluster name, clusters in the fleet's order whatever the order of the wishes."""
    places = {cluster.name: place for place, cluster in enumerate(fleet.clusters)}
    by_cluster: dict[str, list[Wish]] = {}
    for wish in sorted(wave.wishes, key=lambda wish: places.get(wish.cluster.name, len(places))):
        by_cluster.setdefault(wish.cluster.name, []).append(wish)
    return by_cluster


def check_set_once(request: PlanRequest) -> None:
    """Raise UsageError where two steps set the same model in the same cluster: which of them would count?"""
    steps: dict[tuple[str, str], str] = {}
    for wave in request.waves:
        for wish in wave.wishes:
            earlier = steps.setdefault((wish.model.name, wish.cluster.name), wave.step)
            if earlier != wave.step:
                raise UsageError(
                    f"{wish.model.name} in {wish.cluster.name} is set by the steps {earlier} and {wave.step}",
                    hint="narrow one of them with `except`",
                )
