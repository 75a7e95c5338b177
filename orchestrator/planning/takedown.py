"""A plan that switches models off becomes a takedown: hold, guard, cuts and restore records for every item of it.

Pure, like the rest of the room. What the API server is to refuse is drawn elsewhere (`draw_guard`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator import plugins
from orchestrator.core.holds import Hold, RestoreRecord, Standing
from orchestrator.core.objects import ref_of
from orchestrator.core.order import Order, OrderScope
from orchestrator.core.plan import Change, ItemPlan, Plan, Verb, WavePlan
from orchestrator.core.schema import as_document
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.takedown import DEFAULT_TAKEDOWN_SOAK, Darkening, Guard, RouteCut, Workload
from orchestrator.core.verdict import Reason
from orchestrator.planning.cutting import Cuts

DrawGuard = Callable[[ItemPlan, tuple[Workload, ...], tuple[RouteCut, ...]], Guard | Reason]
"""Draws the guard of one item, or says why none is possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakedownTerms:
    """What turns a plan to disable into a takedown."""

    order: Order
    scope: OrderScope
    received: datetime
    """When the order arrived: what its deadline counts from."""
    draw_guard: DrawGuard
    soak: float = DEFAULT_TAKEDOWN_SOAK
    include_shared: bool = False
    supersedes: tuple[str, ...] = ()
    """Digests, or beginnings of them, of the orders of its name that it replaces."""
    is_operators: bool = False
    """Whether it is an operator's hold instead of an order."""
    reason: str = ""
    until: datetime | None = None

    @property
    def ends_at(self) -> datetime | None:
        """When the order's deadline is over."""
        return self.received + timedelta(seconds=self.order.deadline) if self.order.deadline is not None else None


def darken(
    plan: Plan,
    terms: TakedownTerms,
    snapshots: Mapping[str, ClusterSnapshot],
    cuttings: Mapping[tuple[str, str], Cuts],
) -> Plan:
    """The takedown that a plan to disable the order's models becomes; `cuttings` by (model, cluster).

    No safety rule of the fleet stands above an order: those that would refuse the plan are listed as overridden by it.
    """
    waves = tuple(_darken_wave(wave, terms, snapshots, cuttings) for wave in plan.waves)
    overridden = tuple(
        replace(reason, message=f"{reason.message}: the order {terms.order.name} stands above it")
        for reason in plan.refusals
    )
    return replace(
        plan,
        action="takedown",
        name=terms.order.name,
        order_digest=terms.order.digest,
        waves=waves,
        refusals=(),
        overridden=(*plan.overridden, *overridden),
    )


def _darken_wave(
    wave: WavePlan,
    terms: TakedownTerms,
    snapshots: Mapping[str, ClusterSnapshot],
    cuttings: Mapping[tuple[str, str], Cuts],
) -> WavePlan:
    clusters = tuple(
        replace(
            part,
            items=tuple(
                _darken_item(
                    item,
                    terms,
                    snapshots[part.cluster.name],
                    cuttings.get((item.subject.model.name, part.cluster.name), Cuts()),
                )
                for item in part.items
            ),
        )
        for part in wave.clusters
    )
    return replace(wave, clusters=clusters, soak=terms.soak, words=(*terms.scope.words, *terms.scope.collateral))


def _darken_item(item: ItemPlan, terms: TakedownTerms, snapshot: ClusterSnapshot, cutting: Cuts) -> ItemPlan:
    """What `disable` would do, under a hold. The catalogue stays as it is: it says what a restore returns to.

    Who may undo it is no concern of a plan with a guard; what could not be read stays one.
    """
    subject = replace(item.subject, is_everywhere=True, include_shared=terms.include_shared)
    drawn = terms.draw_guard(item, workloads_of(item, snapshot), cutting.cuts)
    ways = tuple(reason for reason in cutting.not_cut if reason.code.startswith("not-cut"))
    unknown = tuple(reason for reason in cutting.not_cut if reason not in ways)
    impossible = (drawn,) if isinstance(drawn, Reason) else ()
    records = (*_records_of(item.changes, subject.model.name), *_records_of_cuts(cutting.cuts, subject.model.name))
    return replace(
        item,
        subject=subject,
        entry_changes=False,
        refusals=(),
        notes=(*item.notes, *cutting.notes, *impossible),
        # A way that is seen to stay open is residue; one that nobody can rule out is a doubt.
        doubts=(*item.doubts, *item.refusals, *unknown),
        soak_due=True,
        darkening=Darkening(
            hold=_hold(terms, subject.model.name),
            guard=None if isinstance(drawn, Reason) else drawn,
            cuts=cutting.cuts,
            not_cut=ways,
            replaces=_replaced(terms, snapshot, subject.model.name),
            records=records,
            include_shared=terms.include_shared,
            soak=terms.soak,
            ends_at=terms.ends_at,
        ),
    )


def workloads_of(item: ItemPlan, snapshot: ClusterSnapshot) -> tuple[Workload, ...]:
    """The workloads of an item, as far as they are in the cluster, with the selectors of their pods."""
    kinds = plugins.kinds()
    found: list[Workload] = []
    for expectation in item.subject.expectations:
        kind, live = kinds.get(expectation.ref.group_kind), snapshot.live.get(expectation.ref)
        if kind is not None and kind.workload is not None:
            obj = live or expectation.manifest
            found.append((expectation.ref, kind.workload.selector(obj) if obj else None))
    for obj in snapshot.adopted.get(item.subject.model.name, ()):
        kind = kinds.get(ref_of(obj).group_kind)
        if kind is not None and kind.workload is not None and all(ref_of(obj) != ref for ref, _ in found):
            found.append((ref_of(obj), kind.workload.selector(obj)))
    return tuple(found)


def _hold(terms: TakedownTerms, model: str) -> Hold:
    order = terms.order
    return Hold(
        name=order.name,
        model=model,
        digest=order.digest,
        kind="operator" if terms.is_operators else "order",
        reason=terms.reason,
        until=terms.until,
        received=terms.received,
        deadline=terms.ends_at,
        words=terms.scope.words,
        about=as_document(order.about),
        derivatives=order.derivatives,
        models=order.models if terms.is_operators else (),
        supersedes=terms.supersedes,
        ledger=dict.fromkeys(terms.scope.clusters, Standing.OWED.value),
        public=order.public_words,
    )


def _replaced(terms: TakedownTerms, snapshot: ClusterSnapshot, model: str) -> tuple[Hold, ...]:
    return tuple(
        hold
        for hold in snapshot.holds
        if hold.model == model and hold.name == terms.order.name and _begins(hold.digest, terms.supersedes)
    )


def _begins(digest: str, prefixes: tuple[str, ...]) -> bool:
    return any(digest.startswith(prefix) for prefix in prefixes)


def _records_of(changes: tuple[Change, ...], model: str) -> tuple[RestoreRecord, ...]:
    """What the writes that stop a model take away: its numbers of replicas."""
    return tuple(
        RestoreRecord(
            model=model,
            ref=change.ref,
            uid=change.uid or "",
            before={
                f"/{field.path.replace('.', '/')}": field.before
                for field in change.fields
                if field.path == "spec.replicas"
            },
        )
        for change in changes
        if change.verb is Verb.SCALE
    )


def _records_of_cuts(cuts: tuple[RouteCut, ...], model: str) -> tuple[RestoreRecord, ...]:
    changed = tuple(
        RestoreRecord(
            model=model, ref=cut.ref, uid=cut.uid, before={field.pointer: field.before for field in cut.fields}
        )
        for cut in cuts
        if cut.fields
    )
    made = tuple(
        RestoreRecord(model=model, ref=ref_of(obj), uid="", before={}, created=True)
        for cut in cuts
        for obj in cut.creates
    )
    return (*changed, *made)
