"""What is kept of a run beside its journal: what it was to do, where, by whom; the header of its evidence."""

from __future__ import annotations

import getpass
import os
from datetime import datetime
from typing import Any

import orchestrator
from orchestrator.core.plan import Plan
from orchestrator.documents.plans import digest_of


def about_plan(plan: Plan, began: datetime) -> dict[str, Any]:
    """What any run is about, as JSON."""
    return {
        "action": plan.action,
        "name": None if plan.name == "-" else plan.name,
        "scope": [
            {
                "step": wave.step,
                "clusters": [part.cluster.name for part in wave.clusters],
                "unreachable": [cluster.name for cluster, _ in wave.unreachable if cluster not in wave.awaited],
                **({"awaited": [cluster.name for cluster in wave.awaited]} if wave.awaited else {}),
                "words": list(wave.words),
            }
            for wave in plan.waves
        ],
        "models": list(plan.models),
        "planDigest": digest_of(plan),
        "localUser": local_user(),
        "toolVersion": orchestrator.__version__,
        "startedAt": began.isoformat(),
    }


def local_user() -> str:
    """Who runs this on this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
