"""A sender for the way back: before each write it asks whether somebody holds the model."""

from __future__ import annotations

from orchestrator.execution.ports import ClusterPorts
from orchestrator.execution.recording import holds_on
from orchestrator.execution.sending import Sender


class HeldAgain(Exception):
    """Somebody holds the model since the restore began."""

    def __init__(self, holds: tuple[str, ...]) -> None:
        super().__init__(", ".join(holds))
        self.holds = holds


class WatchfulSender(Sender):
    """A sender that sends nothing while a hold that is not lifted stands on its model.

    `lifted` has digests that are known to be lifted, whether or not this cluster has heard of it.
    """

    def __init__(self, ports: ClusterPorts, model: str, step: str, lifted: frozenset[str]) -> None:
        super().__init__(ports, model, step)
        self._lifted = lifted

    async def holds(self) -> tuple[str, ...]:
        """Names of the holds that stand on the model now. Raises `ClusterError`."""
        return await holds_on(self.ports.writer, self.model, self._lifted)

    async def check(self) -> None:
        """Before each try to send. Raises `HeldAgain`, `ClusterError`, and `Interrupted` as `Sender.check`."""
        await super().check()
        if holds := await self.holds():
            raise HeldAgain(holds)
