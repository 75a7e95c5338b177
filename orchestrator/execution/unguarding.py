"""Taking a guard away, and binding it again.

The binding goes first and comes last: a policy without one refuses nothing, a binding without a policy is an error.
"""

from __future__ import annotations

from typing import Final

from orchestrator.core.holds import LABEL_ORDER
from orchestrator.core.objects import LABEL_MODEL, JsonObject, Resource, ref_of
from orchestrator.core.takedown import Guard
from orchestrator.errors import NotFound
from orchestrator.execution import changes
from orchestrator.execution.sending import Sender, digest_of

_GROUP: Final = "admissionregistration.k8s.io"
BINDINGS: Final = Resource(
    _GROUP, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", namespaced=False
)
POLICIES: Final = Resource(_GROUP, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False)


async def take_guard_away(sender: Sender, digest: str) -> None:
    """Delete every binding, then every policy, of this order over the sender's model, whatever their names."""
    labels = f"{LABEL_ORDER}={digest[:16]},{LABEL_MODEL}={sender.model}"
    for resource in (BINDINGS, POLICIES):
        try:
            found = (await sender.ports.writer.list(resource, labels=labels)).items
        except NotFound:
            # A server without such policies has none of ours.
            continue
        for live in found:
            await changes.delete(sender, ref_of(live), uid=str(live["metadata"]["uid"]))


async def bind_again(sender: Sender, guard: Guard) -> None:
    """Make the policy and the binding of a guard as they were."""
    await _apply(sender, guard.policy)
    await _apply(sender, guard.binding)


async def _apply(sender: Sender, manifest: JsonObject) -> None:
    writer = sender.ports.writer
    await sender.send("apply", ref_of(manifest), lambda: writer.apply(manifest, force=True), digest=digest_of(manifest))
