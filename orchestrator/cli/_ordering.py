"""What the commands about orders share: from options to an order and a session, and a takedown's plan in words."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

from orchestrator.core.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.cli._settings import Settings
    from orchestrator.core.drill import DrillReport
    from orchestrator.core.order import Order
    from orchestrator.core.plan import ItemPlan, Plan
    from orchestrator.core.result import RunResult
    from orchestrator.workflow.session import Session
    from orchestrator.workflow.taking_down import TakedownOptions


def takedown_options(options: dict[str, Any]) -> TakedownOptions:
    """What the options add to an order; raises UsageError."""
    from orchestrator.cli._planning import seconds
    from orchestrator.core.takedown import DEFAULT_TAKEDOWN_SOAK
    from orchestrator.workflow.taking_down import TakedownOptions

    return TakedownOptions(
        soak=seconds(options["soak"]) if "soak" in options else DEFAULT_TAKEDOWN_SOAK,
        include_shared=options.get("include_shared", False),
        shows_collateral=options.get("shows_collateral", False),
        rehearse=options["rehearse"],
    )


@asynccontextmanager
async def open_order(settings: Settings, options: dict[str, Any]) -> AsyncIterator[tuple[Session, Order]]:
    """The order of `--order`, and a session with the workspace's fleet, or with the contexts of `--contexts`."""
    from orchestrator.documents.orders import load_order

    async with open_fleet(settings, options["kubeconfig"], options["contexts"]) as session:
        yield session, load_order(settings.path(options["order_file"]), session.workspace.vocabulary).value


@asynccontextmanager
async def open_fleet(settings: Settings, kubeconfig: Path | None, contexts: tuple[str, ...]) -> AsyncIterator[Session]:
    """A session with the workspace's fleet, or, from a laptop without one, with the contexts of `--contexts`."""
    from orchestrator.workflow.contexts import fleet_of_contexts
    from orchestrator.workflow.session import load_workspace, open_session

    fleet = await fleet_of_contexts(kubeconfig, contexts) if contexts else None
    workspace = load_workspace(settings.workspace)
    async with open_session(workspace, kubeconfig, settings.timeouts(), fleet=fleet) as session:
        yield session


def announce_takedown(plan: Plan) -> None:
    """Say on stderr what is about to happen to whom: words, clusters, collateral, and what will stay open."""
    from orchestrator.cli._plan_text import summary
    from orchestrator.cli._render import describe
    from orchestrator.cli._terminal import console

    out = console(stderr=True)
    for wave in plan.waves:
        clusters = [part.cluster.name for part in wave.clusters]
        models, places = ", ".join(plan.models), ", ".join(printable(name, 60) for name in clusters)
        out.print(f"order {plan.name}: {models} go dark in {len(clusters)} clusters: {places or 'none'}")
        for words in wave.words:
            out.print(f"scope: {printable(words, 400)}")
        if wave.awaited:
            late = ", ".join(printable(cluster.name, 60) for cluster in wave.awaited)
            out.print(f"no answer yet: {late}: joins once everybody has answered or given up")
        for cluster, reason in wave.unreachable:
            if cluster in wave.awaited:
                continue
            out.print(f"out of reach: {printable(cluster.name, 60)}: {describe(reason)}")
        for part in wave.clusters:
            for item in part.items:
                _announce_item(item)
    for reason in plan.overridden:
        out.print(f"safety: {describe(reason)}")
    if plan.not_covered:
        names = ", ".join(printable(name, 60) for name in plan.not_covered)
        out.print(f"not covered: contexts outside the fleet: {names}")
    out.print(summary(plan))


def _announce_item(item: ItemPlan) -> None:
    from orchestrator.cli._render import describe
    from orchestrator.cli._terminal import console

    place = f"{printable(item.subject.model.name, 60)} in {printable(item.subject.cluster, 60)}"
    darkening = item.darkening
    stays = darkening.not_cut if darkening else ()
    for reason in (*item.notes, *stays, *item.doubts):
        console(stderr=True).print(f"  {place}: {describe(reason)}")


def point_onwards(result: RunResult, order_file: object, contexts: tuple[str, ...] = ()) -> None:
    """What to type next, on stderr: where something is owed, and how an outsider can check the run."""
    if result.exit_code in (1, 3):
        words = "works off what is owed" if result.action == "takedown" else "goes on with what is left"
        flags = [*(word for name in contexts for word in ("--contexts", name))]
        if result.action == "takedown":
            flags += ["--follow", *(["--rehearse"] if result.rehearsal else [])]
        typed = printable(shlex.join(["orchestrator", result.action, "--order", str(order_file), *flags]), 1000)
        click.echo(f"next: `{typed}` {words}", err=True)
    click.echo(f"evidence: `orchestrator evidence export {printable(result.run)} --key FILE`", err=True)


def print_drill(report: DrillReport) -> None:
    """A line for each cluster and step with the slowest answer, then what would not work."""
    from orchestrator.cli._render import describe
    from orchestrator.cli._terminal import console, plain_table

    out = console()
    for words in report.words:
        out.print(f"scope: {printable(words, 400)}")
    table = plain_table(("CLUSTER", "STEP", "TRIED", "WORKS", "SLOWEST"))
    for cluster in dict.fromkeys(step.cluster for step in report.steps):
        for name in dict.fromkeys(step.step for step in report.steps if step.cluster == cluster):
            steps = [step for step in report.steps if (step.cluster, step.step) == (cluster, name)]
            works = sum(step.works for step in steps)
            slowest = max(step.seconds for step in steps)
            table.add_row(printable(cluster, 40), name, str(len(steps)), str(works), f"{slowest * 1000:.0f} ms")
    out.print(table)
    for step in report.steps:
        if step.reason is not None:
            out.print(f"  ✘ {step.model} in {step.cluster}, {step.step}: {describe(step.reason)}")
    for reason in report.collateral:
        out.print(f"  ! {describe(reason)}")
    console(stderr=True).print(f"drill: {report.outcome.value} in {report.seconds:.1f} s; nothing was changed")
