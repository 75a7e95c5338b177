"""Who else is hit: pods of a takedown's models that serve other models as well, named before anybody confirms."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from orchestrator.core.objects import ref_of
from orchestrator.core.plan import ItemPlan, Plan
from orchestrator.core.ports import Verifier
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.delivery import HttpProber
from orchestrator.errors import ClusterError
from orchestrator.verification import LiveVerifier
from orchestrator.workflow.session import Session


async def with_collateral(session: Session, plan: Plan) -> Plan:
    """The plan with a note for each pod that serves others as well; what could not be searched is a note, too."""
    async with HttpProber() as prober:
        verifier = LiveVerifier(session.clock, prober)
        waves = []
        for wave in plan.waves:
            noted = await asyncio.gather(
                *(
                    asyncio.gather(*(_noted(session, verifier, part.cluster.name, item) for item in part.items))
                    for part in wave.clusters
                )
            )
            clusters = tuple(
                replace(part, items=tuple(items)) for part, items in zip(wave.clusters, noted, strict=True)
            )
            waves.append(replace(wave, clusters=clusters))
    return replace(plan, waves=tuple(waves))


async def _noted(session: Session, verifier: Verifier, cluster: str, item: ItemPlan) -> ItemPlan:
    # Asked as if they were to be left alone: only then the search says with whom they are shared.
    subject = replace(item.subject, include_shared=False)
    try:
        traces = await verifier.search(session.writer(cluster), subject)
    except ClusterError as error:
        return replace(item, notes=(*item.notes, Reason(code="collateral-unknown", message=printable(error.message))))
    fate = "it is stopped, too" if item.subject.include_shared else "it is left alone, as residue"
    shared = tuple(
        Reason(
            code="collateral",
            message=printable(f"it serves others as well ({trace.shared_with}): {fate}"),
            object=printable(ref_of({"apiVersion": "v1", "kind": "Pod", **trace.pod})),
        )
        for trace in traces.pods
        if trace.shared_with is not None
    )
    return replace(item, notes=(*item.notes, *shared, *traces.unseen))
