"""Locks that a run left behind which is known to be dead: released by their holder's exact words, and only those."""

from __future__ import annotations

from typing import Final

from orchestrator.core.objects import SYSTEM_NAMESPACE, ObjectRef, dig
from orchestrator.core.ports import ClusterWriter
from orchestrator.errors import Conflict, NotFound

_TRIES: Final = 3


async def release_abandoned(writer: ClusterWriter, model: str, holder: str) -> bool:
    """Release the lock on a model in one cluster where this very holder left it; whether there was one.

    Anybody else's stays, also one that is taken over meanwhile: what was read is replaced and deleted, nothing later.
    Raises `ClusterError`.
    """
    ref = ObjectRef("coordination.k8s.io/v1", "Lease", SYSTEM_NAMESPACE, f"lock.{model}")
    for _ in range(_TRIES):
        lease = await writer.get(ref)
        if lease is None or dig(lease, "spec", "holderIdentity") != holder:
            return False
        spec = {key: value for key, value in lease["spec"].items() if key != "holderIdentity"}
        try:
            await writer.replace({**lease, "spec": spec})
        except Conflict:
            continue
        except NotFound:
            return False
        # Without a holder nobody takes it over, so its deletion cannot hit another's lock.
        await writer.delete(ref, uid=str(lease["metadata"]["uid"]))
        return True
    return False
