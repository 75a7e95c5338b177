"""Whether an order is kept, now: its guards tried again, absence looked for anew. Changes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from orchestrator import guarding
from orchestrator.core.explaining import explained, of_grounds
from orchestrator.core.fleet import Cluster
from orchestrator.core.holds import Hold, read_hold
from orchestrator.core.objects import ref_of
from orchestrator.core.order import Order
from orchestrator.core.plan import ItemPlan
from orchestrator.core.ports import ClusterWriter, GuardProver, Verifier
from orchestrator.core.result import StatusDocument, StatusItem, exit_code_of, outcome_of
from orchestrator.core.takedown import Guard, GuardProof, seal_of
from orchestrator.core.verdict import Judgement, Reason, State, Verdict, Want
from orchestrator.core.verdicts import verdict_of
from orchestrator.delivery import HttpProber
from orchestrator.errors import ClusterError, Unreachable
from orchestrator.execution.keeping import keeps_off
from orchestrator.execution.nodes import doubt_about, silent_nodes
from orchestrator.verification import LiveVerifier
from orchestrator.workflow.channels import judge_channels
from orchestrator.workflow.session import Session
from orchestrator.workflow.taking_down import TakedownOptions, plan_takedown

_PROOF_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Auditor:
    session: Session
    verifier: Verifier
    prover: GuardProver


async def verify_order(
    session: Session, order: Order, options: TakedownOptions, *, explains: bool = False
) -> StatusDocument:
    """Every (model, cluster) that the order concerns, judged from consistent lists and by trying its guard both ways.

    Its channels count as in a takedown: what only somebody else can switch off is not off because our clusters are.
    Raises what `plan_takedown` raises.
    """
    started = session.clock.elapsed()
    plan = await plan_takedown(session, order, options)
    async with HttpProber() as prober:
        verifier = LiveVerifier(session.clock, prober, explains=explains)
        auditor = _Auditor(session, verifier, guarding.DryRunProver(session.clock))
        parts = [(part.cluster, item) for wave in plan.waves for part in wave.clusters for item in part.items]
        judged = await asyncio.gather(*(_audit(auditor, cluster, item) for cluster, item in parts))
        channels = await judge_channels(session, order.digest, plan, prober)
    unreachable = [
        replace(_blank(model, cluster), verdict=Verdict.UNREACHABLE, reasons=(reason,))
        for wave in plan.waves
        for cluster, reason in wave.unreachable
        for model in wave.models
    ]
    items = (*judged, *unreachable)
    code = exit_code_of((*(item.verdict for item in items), *(channel.verdict for channel in channels)))
    found = StatusDocument(
        rehearsal=plan.rehearsal,
        outcome=outcome_of(code),
        exit_code=code,
        seconds=round(session.clock.elapsed() - started, 3),
        items=items,
        channels=channels,
        not_covered=plan.not_covered,
    )
    return explained(found) if explains else found


async def _audit(auditor: _Auditor, cluster: Cluster, item: ItemPlan) -> StatusItem:
    """One item: is it held, is its guard what it should be, does it refuse, and is nothing of the model there?"""
    writer = auditor.session.writer(cluster.name)
    blank = _blank(item.subject.model.name, cluster)
    try:
        missing, proof, editors = await asyncio.gather(
            _why_not_held(writer, item), _try_guard(auditor, writer, item), guarding.editors(writer)
        )
        subject = replace(item.subject, guard=proof.status)
        judgement = await auditor.verifier.look(writer, subject)
    except ClusterError as error:
        verdict = Verdict.UNREACHABLE if isinstance(error, Unreachable) else Verdict.UNVERIFIED
        return replace(blank, verdict=verdict, reasons=(Reason(code=error.code, message=error.message),))
    who = Reason(code="guard-editors", message=f"who may change or delete guards here: {'; '.join(editors)}")
    judged = _judged(blank, replace(item, doubts=(*item.doubts, *missing)), proof, judgement)
    return replace(judged, reasons=(*judged.reasons, who))


async def _why_not_held(writer: ClusterWriter, item: ItemPlan) -> tuple[Reason, ...]:
    """What of the hold and the cuts is not there, and what the hold says that nobody saw; empty when all is well."""
    if item.darkening is None:
        return ()
    found = [
        Reason(code="not-cut", message="it is not cut, or not any more", object=str(cut.ref))
        for cut in item.darkening.cuts
        if cut.patch()
    ]
    hold = item.darkening.hold
    ref = ref_of(hold.to_config_map())
    live = await writer.get(ref)
    if live is None or not keeps_off(live, hold):
        found.append(Reason(code="hold-missing", message="this cluster does not know of the hold", object=str(ref)))
    elif (kept := read_hold(live)) is not None:
        found += map(doubt_about, await silent_nodes(writer, kept.silent_nodes))
    return tuple(found)


async def _try_guard(auditor: _Auditor, writer: ClusterWriter, item: ItemPlan) -> GuardProof:
    guard = item.darkening.guard if item.darkening else None
    if guard is None:
        words = "no guard can be made for this model here"
        return GuardProof(status="absent", reasons=(Reason(code="guard-absent", message=words),))
    if changed := await _why_not_ours(writer, guard, item.darkening.hold if item.darkening else None):
        return GuardProof(status="absent", reasons=changed)
    before = await auditor.prover.survey(writer)
    deadline = auditor.session.clock.elapsed() + _PROOF_SECONDS
    return await auditor.prover.prove(writer, guard, item.subject, before, deadline=deadline)


async def _why_not_ours(writer: ClusterWriter, guard: Guard, hold: Hold | None) -> tuple[Reason, ...]:
    """Why what is in the cluster is no guard as we wrote it; empty when it is.

    Its own digest tells an accident; who changes a guard on purpose can write that anew, so the hold has one as well.
    """
    refs = (ref_of(guard.policy), ref_of(guard.binding), *((ref_of(hold.to_config_map()),) if hold else ()))
    policy, binding, *kept = await asyncio.gather(*(writer.get(ref) for ref in refs))
    found = guarding.differences(guard, policy, binding)
    known = next((one.guard for live in kept if live and (one := read_hold(live)) is not None), "")
    if not found and known and known != seal_of(policy, binding):
        words = "the guard is not the one that was proven, as the hold records it: run the takedown again"
        return (Reason(code="guard-altered", message=words, object=guard.name),)
    return found


def _judged(blank: StatusItem, item: ItemPlan, proof: GuardProof, judgement: Judgement) -> StatusItem:
    verdict = verdict_of(judgement, item.want)
    stays = item.darkening.not_cut if item.darkening else ()
    if verdict is Verdict.VERIFIED and (item.doubts or proof.status != "proven"):
        verdict = Verdict.UNVERIFIED
    if verdict is Verdict.VERIFIED and stays:
        verdict = Verdict.RESIDUE
    return replace(
        blank,
        state=judgement.state,
        verdict=verdict,
        reasons=tuple(dict.fromkeys((*proof.reasons, *judgement.reasons, *item.doubts, *stays))),
        replicas=judgement.replicas,
        holds=(item.darkening.hold.name,) if item.darkening else (),
        guard=proof.status,
        explanation=of_grounds(judgement.grounds),
    )


def _blank(model: str, cluster: Cluster) -> StatusItem:
    return StatusItem(
        model=model,
        cluster=cluster.name,
        region=cluster.region,
        country=cluster.country,
        want=Want.DISABLED,
        state=State.UNKNOWN,
        verdict=Verdict.UNVERIFIED,
    )
