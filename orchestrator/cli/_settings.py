"""What the root of the command line hands to every command."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.delivery import Timeouts


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of the root command."""

    workspace: Path
    connect_timeout: str = "5s"
    request_timeout: str = "15s"

    def timeouts(self) -> Timeouts:
        """How long each cluster is waited for. Raises UsageError."""
        from orchestrator.cli._planning import seconds
        from orchestrator.delivery import Timeouts

        return Timeouts(connect=seconds(self.connect_timeout), request=seconds(self.request_timeout))

    def path(self, given: Path) -> Path:
        """A path of the command line: relative ones are the workspace's, as in git and make."""
        return given if given.is_absolute() else self.workspace / given


def state_directory() -> Path:
    """Where runs are kept: `$ORCHESTRATOR_STATE`, else `$XDG_STATE_HOME/orchestrator`."""
    if own := os.environ.get("ORCHESTRATOR_STATE"):
        return Path(own)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "orchestrator"
