"""Ways to a model that this tool cannot switch: asked by their own probe, or attested by somebody."""

from __future__ import annotations

from orchestrator import plugins
from orchestrator.core.check import CheckContext
from orchestrator.core.model import Channel
from orchestrator.core.plan import Plan
from orchestrator.core.ports import Prober
from orchestrator.core.result import ChannelResult
from orchestrator.core.verdict import Readiness, Verdict
from orchestrator.errors import OrchestratorError
from orchestrator.workflow.applying import items_of
from orchestrator.workflow.attesting import Attested
from orchestrator.workflow.holds import look_for_records
from orchestrator.workflow.session import Session

_EVERYWHERE = "-"
"""Stands for the cluster and region of a channel's probe: a channel belongs to none."""


async def judge_channels(session: Session, digest: str, plan: Plan, prober: Prober) -> tuple[ChannelResult, ...]:
    """Every channel of the models of a takedown, once: verified when its probe refuses, or when somebody attested it.

    `digest` is the order's: what is attested counts for that order alone. A restore asks nothing of channels.
    """
    channels: dict[tuple[str, str], Channel] = {}
    for item in items_of(plan):
        for channel in item.subject.model.channels:
            channels.setdefault((item.subject.model.name, channel.name), channel)
    if plan.action != "takedown" or not channels:
        return ()
    attested = Attested.under(digest, (await look_for_records(session, ())).values())
    results = []
    for (model, name), channel in channels.items():
        is_refused = await _refuses(session, model, channel, prober)
        verdict = Verdict.VERIFIED if is_refused or attested.covers(model, name, channels) else Verdict.UNVERIFIED
        results.append(ChannelResult(name=name, model=model, verdict=verdict, contact=channel.contact))
    return tuple(results)


async def _refuses(session: Session, model: str, channel: Channel, prober: Prober) -> bool:
    if channel.probe is None:
        return False
    check = plugins.checks()["http"]
    context = CheckContext(cluster=_EVERYWHERE, region=_EVERYWHERE, model=model, clock=session.clock)
    try:
        params = check.read(channel.probe.http)
        seen = await check.gather(params, context, prober)
    except OrchestratorError:
        return False
    return check.judge(params, seen).readiness is Readiness.DONE
