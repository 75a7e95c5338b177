"""What the plan of an order will have to read of every cluster, as far as the workspace tells: asked for at once.

A guess: nothing rests on it. What it misses is asked for when it is needed, and what is not needed is not looked at.
"""

from __future__ import annotations

from orchestrator import planning, plugins
from orchestrator.core.objects import ObjectRef, Resource
from orchestrator.core.ports import ClusterWriter
from orchestrator.core.wish import PlanRequest
from orchestrator.delivery.onelook import OneLook
from orchestrator.errors import OrchestratorError
from orchestrator.planning.cutting import reads_for_cuts
from orchestrator.workflow.session import Session

Guess = tuple[tuple[tuple[Resource, str], ...], tuple[ObjectRef, ...]]
"""Lists, each with its namespace, and objects."""


def guess_reads(session: Session, request: PlanRequest) -> Guess:
    """What planning this request will read; it concerns one cluster, and the others are taken to be like it."""
    try:
        wanted = planning.reads(request)
    except OrchestratorError:
        # Whatever is wrong is found, and said, when the plan is made.
        return (), ()
    refs = tuple(dict.fromkeys(ref for one in wanted.values() for ref in one.refs))
    namespaces = tuple(sorted({ref.namespace or "default" for ref in refs}))
    models = [wish.model for wave in request.waves for wish in wave.wishes]
    cuts = [read for model in models for read in reads_for_cuts(model, namespaces, session.fleet.notice_service)]
    scalers = [kind.resource for kind in plugins.kinds().values() if kind.scaler is not None]
    lists = [*((resource, place) for place in namespaces for resource in scalers)]
    lists += [(read.resource, read.namespace) for read in cuts]
    return tuple(dict.fromkeys(lists)), refs


def ask_ahead(look: ClusterWriter, guess: Guess) -> None:
    """Ask a cluster for all of it, once it has said who it is."""
    if isinstance(look, OneLook):
        look.ask_ahead(*guess)
