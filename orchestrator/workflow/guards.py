"""Which guard an order demands for one model in one cluster."""

from __future__ import annotations

from orchestrator.core.order import Order
from orchestrator.core.plan import ItemPlan
from orchestrator.core.takedown import Guard, RouteCut, Workload
from orchestrator.core.verdict import Reason
from orchestrator.guarding import GuardImpossible, GuardRequest, build_guard
from orchestrator.planning.takedown import DrawGuard


def draw_guard(order: Order) -> DrawGuard:
    """A function that draws the guard of one item, or says why none is possible."""

    def draw(item: ItemPlan, workloads: tuple[Workload, ...], cuts: tuple[RouteCut, ...]) -> Guard | Reason:
        request = GuardRequest(
            order=order.name,
            digest=order.digest,
            model=item.subject.model.name,
            public=order.public_words,
            match=item.subject.model.match,
            workloads=workloads,
            cuts=cuts,
        )
        try:
            return build_guard(request)
        except GuardImpossible as error:
            return Reason(code=error.code, message=error.message)

    return draw
