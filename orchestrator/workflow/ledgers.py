"""What each cluster owes to an order: every hold keeps a ledger, and a cluster's own word on itself counts.

The ledgers of the others are copies for the day on which a cluster does not answer, or has left the fleet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from orchestrator.core.holds import Hold, Standing
from orchestrator.core.objects import SYSTEM_NAMESPACE, ObjectRef
from orchestrator.core.records import canonical_json
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.errors import ClusterError
from orchestrator.workflow.session import Session, ask_all

_RANK = {standing.value: rank for rank, standing in enumerate(Standing)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What one order, or one operator's hold, demands of each cluster on one model."""

    digest: str
    order: str
    model: str
    standings: Mapping[str, str] = field(default_factory=dict)
    """By cluster: its `Standing`, or whatever word a later version has for it."""

    @property
    def owing(self) -> tuple[str, ...]:
        """Clusters that are not proven; a word that is not understood proves nothing."""
        done = (Standing.VERIFIED.value, Standing.RESTORED.value)
        return tuple(sorted(cluster for cluster, standing in self.standings.items() if standing not in done))


def merge_ledgers(snapshots: Iterable[ClusterSnapshot]) -> tuple[Ledger, ...]:
    """One ledger for each (order, model): what a cluster says of itself, else the most that others know of it.

    Holds that are not understood have no ledger.
    """
    merged: dict[tuple[str, str], Ledger] = {}
    own: set[tuple[str, str, str]] = set()
    for snapshot in snapshots:
        for hold in snapshot.holds:
            key = (hold.digest, hold.model)
            if not hold.digest:
                continue
            standings = dict(merged[key].standings) if key in merged else {}
            for cluster, standing in hold.ledger.items():
                is_own = cluster == snapshot.cluster.name
                if is_own or ((*key, cluster) not in own and _is_more(standing, standings.get(cluster))):
                    standings[cluster] = standing
                if is_own:
                    own.add((*key, cluster))
            merged[key] = Ledger(digest=hold.digest, order=hold.name, model=hold.model, standings=standings)
    return tuple(merged.values())


async def share_ledgers(session: Session, digest: str, snapshots: Iterable[ClusterSnapshot]) -> None:
    """Tell every cluster what the others have come to under one order; nothing is written where nothing is new.

    It is a copy for later, so that a cluster that cannot be written is no failure of anything.
    """
    found = {snapshot.cluster.name: snapshot for snapshot in snapshots if snapshot.failure is None}
    merged = {ledger.model: ledger for ledger in merge_ledgers(found.values()) if ledger.digest == digest}

    async def tell(name: str) -> None:
        for hold in found[name].holds:
            if hold.digest == digest and hold.model in merged:
                await _write(session, name, hold, merged[hold.model])

    await ask_all(found, tell)


async def _write(session: Session, cluster: str, hold: Hold, ledger: Ledger) -> None:
    # What this cluster says of itself is its own pipeline's business, which may be writing just now.
    news = {name: word for name, word in ledger.standings.items() if name != cluster}
    if all(hold.ledger.get(name) == word for name, word in news.items()):
        return
    writer = session.writer(cluster)
    ref = ObjectRef("v1", "ConfigMap", SYSTEM_NAMESPACE, hold.object_name)
    written = replace(hold, ledger={**hold.ledger, **news})
    try:
        live = await writer.get(ref)
        if live is None:
            return
        metadata = {"uid": live["metadata"]["uid"], "resourceVersion": live["metadata"]["resourceVersion"]}
        patch = {"metadata": metadata, "data": {"ledger": canonical_json(dict(written.ledger))}}
        await writer.patch(ref, patch)
    except ClusterError:
        return


def _is_more(standing: str, known: str | None) -> bool:
    return known is None or _RANK.get(standing, -1) > _RANK.get(known, -1)
