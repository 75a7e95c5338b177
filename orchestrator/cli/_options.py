"""Options that several commands share, so that they are spelt and explained the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from orchestrator.cli import _completing

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

output = click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="What is printed on stdout: a table for people, or exactly one document.",
)
JUNIT = "orchestrator.junit"
"""Where the context keeps the file of `--junit`."""


def _keep_junit(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    ctx.meta[JUNIT] = value


junit = click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    expose_value=False,
    callback=_keep_junit,
    help="Also write the result as JUnit XML: a test case for each model in each cluster.",
)
METRICS = "orchestrator.metrics"
"""Where the context keeps the file of `--metrics`."""


def _keep_metrics(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    if value is not None and value.suffix != ".prom":
        raise click.BadParameter("expected a name ending in .prom: node-exporter collects no other", ctx, parameter)
    ctx.meta[METRICS] = value


metrics = click.option(
    "--metrics",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.prom",
    expose_value=False,
    callback=_keep_metrics,
    help="Also leave metrics there for node-exporter; else where the fleet's `metrics` says.",
)
EXPLAINS = "orchestrator.explain"
"""Where the context keeps whether `--explain` was given."""


def _keep_explain(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    ctx.meta[EXPLAINS] = value


explain = click.option(
    "--explain",
    is_flag=True,
    expose_value=False,
    callback=_keep_explain,
    help="Also say on what each verdict rests: rule, object, field, and what stood there.",
)


def asks_for_explanation() -> bool:
    """Whether this command was given `--explain`."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(EXPLAINS))


kubeconfig = click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Kubeconfig; else the fleet's own, else $KUBECONFIG, else ~/.kube/config.",
)


def scope(command: Decorated) -> Decorated:
    """`--region --cluster --label --in --serves --all` and their `--except-…` twins."""
    for name, metavar, text in reversed(_NARROWING):
        command = click.option(
            f"--except-{name}",
            multiple=True,
            metavar=metavar,
            help=f"Leave out: {text}",
            shell_complete=_OFFERED.get(name),
        )(command)
    command = click.option("--all", "all_", is_flag=True, help="Every cluster of the fleet.")(command)
    for name, metavar, text in reversed(_NARROWING):
        command = click.option(
            f"--{name}", _variable(name), multiple=True, metavar=metavar, help=text, shell_complete=_OFFERED.get(name)
        )(command)
    return command


_NARROWING = (
    ("region", "REGION", "clusters of this region."),
    ("cluster", "CLUSTER", "this cluster."),
    ("label", "KEY=VALUE", "clusters with this label."),
    ("in", "COUNTRY", "clusters that stand in this country or group of countries (NO, EU, G7 …)."),
    ("serves", "COUNTRY", "clusters that serve this audience."),
)


_OFFERED = {"region": _completing.regions, "cluster": _completing.clusters}


def _variable(name: str) -> str:
    return "in_" if name == "in" else name


def overrides(command: Decorated) -> Decorated:
    """Options that let a plan through which would be refused otherwise."""
    for option in reversed(_OVERRIDES):
        command = option(command)
    return command


wait_lock = click.option(
    "--wait-lock",
    metavar="DURATION",
    default=None,
    help="Wait so long for somebody else's lock, for instance 2m.",
)


_OVERRIDES = (
    click.option(
        "--override",
        "overridden",
        multiple=True,
        metavar="RULE=REASON",
        help="Override a safety rule of the fleet by its name, for a reason that is kept.",
    ),
    click.option("--take-over", is_flag=True, help="Take over models that another playbook set."),
    click.option("--force-conflicts", is_flag=True, help="Take the fields that the plan lists as somebody else's."),
    click.option("--prune", is_flag=True, help="Delete objects that are no longer in the manifests."),
    wait_lock,
)


def pace(command: Decorated) -> Decorated:
    """How a single command proceeds; in a playbook each step says it."""
    for option in reversed(_PACE):
        command = option(command)
    return command


_PACE = (
    click.option(
        "--max-concurrent", type=click.IntRange(min=1), default=10, show_default=True, help="Clusters at once."
    ),
    click.option(
        "--max-failures", type=click.IntRange(min=0), default=0, show_default=True, help="Failed clusters tolerated."
    ),
    click.option(
        "--max-unreachable",
        type=click.IntRange(min=0),
        default=None,
        help="Unreachable ones tolerated; else any number.",
    ),
    click.option(
        "--progress-deadline",
        metavar="DURATION",
        default="10m",
        show_default=True,
        help="Time a cluster has to become healthy, or dark.",
    ),
    click.option(
        "--soak", metavar="DURATION", default=None, help="Time that it must hold; 3s for a disable, else none."
    ),
)
cluster_deadline = click.option(
    "--cluster-deadline",
    metavar="DURATION",
    default="10m",
    show_default=True,
    help="Time within which everything has to be sent to one cluster.",
)
order = click.option(
    "--order",
    "order_file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The order; a relative path is the workspace's.",
    shell_complete=_completing.orders,
)
contexts = click.option(
    "--contexts",
    multiple=True,
    metavar="PATTERN",
    help="Instead of a fleet: the kubeconfig's contexts that fit, `all` for every one.",
)


def takedown_terms(command: Decorated) -> Decorated:
    """How absence is proven, and where."""
    command = click.option(
        "--rehearse", is_flag=True, help="These are sandbox clusters; lateness counts from the start of this run."
    )(command)
    return click.option(
        "--soak", metavar="DURATION", default="15s", show_default=True, help="Time that absence must hold."
    )(command)
