"""The nodes on which pods of a model ran: only a node can tell that a process ended, so each has to be able to.

A pod disappears from an API server without a word from its node where it is deleted by force or asks for no grace at
all, and a node that is silent may run it on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from orchestrator.core.objects import JsonObject, ObjectRef, Resource, dig
from orchestrator.core.ports import ClusterReader
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason

_NODES: Final = Resource("", "v1", "nodes", "Node", namespaced=False)
_ONE_BY_ONE: Final = 16
"""Up to here nodes are asked for by name; a list of all of them costs more."""


def nodes_of(pods: Iterable[JsonObject]) -> frozenset[str]:
    """Names of the nodes that these pods were given."""
    return frozenset(str(name) for pod in pods if (name := dig(pod, "spec", "nodeName")))


async def silent_nodes(reader: ClusterReader, names: Iterable[str]) -> tuple[str, ...]:
    """Those of these nodes that are not Ready now, or are gone. Raises `ClusterError`."""
    wanted = sorted(set(names))
    if len(wanted) > _ONE_BY_ONE:
        chosen = frozenset(wanted)
        listing = await reader.list(_NODES, keep=lambda node: dig(node, "metadata", "name") in chosen)
        live = {str(dig(node, "metadata", "name")): node for node in listing.items}
        return tuple(name for name in wanted if not _is_ready(live.get(name)))
    found = await asyncio.gather(*(reader.get(ObjectRef("v1", "Node", "", name)) for name in wanted))
    return tuple(name for name, node in zip(wanted, found, strict=True) if not _is_ready(node))


def doubt_about(node: str) -> Reason:
    """Why nothing is proven of the pods that a silent node ran."""
    words = "it ran pods of the model and does not answer, or is not there any more: nobody saw them end"
    return Reason(code="node-not-ready", message=words, object=f"Node {printable(node, 253)}")


def _is_ready(node: JsonObject | None) -> bool:
    conditions = dig(node, "status", "conditions", default=[])
    return any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in conditions)
