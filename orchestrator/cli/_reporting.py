"""Holds and orders as tables for people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.cli._render import describe, print_document
from orchestrator.cli._terminal import console, plain_table
from orchestrator.core.text import printable

if TYPE_CHECKING:
    from orchestrator.core.order_report import HoldEntry, HoldList, OrderEntry, OrderList, SilentCluster


def print_holds(found: HoldList) -> None:
    """A line for each (order, model), then why, then what is missing."""
    out = console()
    table = plain_table(("HOLD", "TYPE", "MODEL", "STATE", "UNTIL", "LIES IN", "OWING"))
    for hold in found.holds:
        cells = (hold.name, hold.type, hold.model, _state(hold), _time(hold.until), _few(hold.clusters))
        table.add_row(*(printable(cell, 60) for cell in cells), printable(_few(hold.owing), 60))
    if found.holds:
        out.print(table)
    for hold in found.holds:
        if hold.reason:
            out.print(f"  {printable(hold.name, 60)}: {printable(hold.reason, 300)}")
        if hold.type == "unknown":
            words = "is not understood by this version; it holds its model everywhere until it is deleted"
            out.print(f"  {printable(hold.name, 60)} {words}")
    _print_silent(found.unreachable)
    console(stderr=True).print(f"{sum(not hold.lifted for hold in found.holds)} holds stand")


def print_orders(found: OrderList, form: str, *, whole: bool = False) -> int:
    """The orders as a table, `whole` ones with everything that is known, or as one document; the exit code."""
    if form != "table":
        print_document(found, form)
        return found.exit_code
    out = console()
    table = plain_table(("ORDER", "DIGEST", "STATE", "MODELS", "DEADLINE", "OWED", "FILE"))
    for order in found.orders:
        cells = (
            order.name,
            order.digest[:12],
            _standing(order),
            ",".join(order.models),
            _time(order.deadline),
            str(len(order.debt)) if order.debt else "-",
            order.file or "only in clusters",
        )
        table.add_row(*(printable(cell, 60) for cell in cells))
    if found.orders:
        out.print(table)
    for order in found.orders if whole else ():
        _print_whole(order)
    for order in found.orders:
        if order.not_restored:
            where, file = printable(_few(order.not_restored), 200), printable(order.file or "FILE", 300)
            words = f"{printable(order.name, 60)} is lifted and still held in {where}"
            out.print(f"{words}: next: `orchestrator restore --order {file}`", soft_wrap=True)
    _print_silent(found.unreachable)
    return found.exit_code


def _print_whole(order: OrderEntry) -> None:
    out = console()
    out.print(f"digest: {printable(order.digest, 64)}")
    for words in order.words:
        out.print(f"scope: {printable(words, 400)}")
    if order.received:
        out.print(f"received: {_time(order.received)}")
    for model in order.unknown_models:
        out.print(f"unknown: neither workspace nor a reachable catalogue has {printable(model, 60)}")
    for debt in order.debt:
        out.print(f"owed: {printable(debt.model, 60)} in {printable(debt.cluster, 60)}: {printable(debt.standing, 30)}")
    if order.superseded_by:
        where = printable(_few(order.clusters), 200)
        out.print(f"superseded by {printable(order.superseded_by, 64)}; what that does not cover it holds in {where}")
    if order.lift:
        lift = order.lift
        where = printable(_few(lift.clusters), 200)
        out.print(f"lifted: {printable(lift.reference, 300)}, by {printable(lift.actor, 100)}, known to {where}")
    for said in order.attestations:
        who = f"{printable(said.by, 100)} ({printable(said.at, 40)}, recorded by {printable(said.actor, 100)})"
        whose = f" of {printable(said.model, 60)}" if said.model else ""
        out.print(f"attested: {printable(said.subject, 100)}{whose}: {printable(said.note, 300)}, by {who}")


def _print_silent(clusters: Iterable[SilentCluster]) -> None:
    for one in clusters:
        console().print(f"out of reach: {printable(one.cluster, 60)}: {describe(one.reason)}")


def _state(hold: HoldEntry) -> str:
    if hold.lifted:
        return "lifted"
    return "holds, expired" if hold.expired else "holds"


def _standing(order: OrderEntry) -> str:
    if order.lift:
        return "lifted, not everywhere restored" if order.not_restored else "lifted"
    if order.superseded_by:
        return f"superseded by {order.superseded_by[:12]}"
    if order.clusters:
        return "held, in force" if order.in_force else "held"
    return "in force" if order.in_force else "only a file"


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return (", ".join(names[:5]) or "-") + more


def _time(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else "-"
