"""What is kept of a command line, so that `runs resume` can ask the same again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.cli._acting import Terms
    from orchestrator.cli._settings import Settings
    from orchestrator.workflow.asked import Asked, Task


def asked_by(settings: Settings, kubeconfig: Path | None, terms: Terms, task: Task) -> Asked:
    """The command line as it is kept; paths are made absolute, since it may be asked again from anywhere."""
    from orchestrator.workflow.asked import Asked

    return Asked(
        workspace=str(settings.workspace.resolve()),
        kubeconfig=str(kubeconfig.resolve()) if kubeconfig else None,
        connect_timeout=settings.connect_timeout,
        request_timeout=settings.request_timeout,
        wait_lock=terms.wait_lock,
        cluster_deadline=terms.cluster_deadline,
        held_fails=terms.held_fails,
        task=task,
    )
