"""`orchestrator evidence`: export, verify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import _completing, _options

if TYPE_CHECKING:
    from orchestrator.cli._settings import Settings
    from orchestrator.core.evidence import EvidenceReport

SECTION = "Orders"


@click.group()
def command() -> None:
    """Make evidence of a run that an outsider can check, and check it."""


@command.command()
@click.argument("run", shell_complete=_completing.runs)
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Private key in PEM that signs it: Ed25519, ECDSA or RSA. Without one it proves integrity only.",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Where to write it; else RUN.evidence.jsonl in the workspace. Never replaces a file.",
)
@_options.output
@click.pass_obj
def export(settings: Settings, /, *, run: str, key: Path | None, save: Path | None, form: str) -> int:
    """Write all that is kept of RUN into one file, chained by hashes and signed.

    \b
    Examples:
      openssl genpkey -algorithm ed25519 -out evidence.key; openssl pkey -in evidence.key -pubout -out evidence.pub
      orchestrator evidence export 20261123T204500Z-3f9a --key evidence.key
    """
    from orchestrator.cli._settings import state_directory
    from orchestrator.workflow.evidence import export_evidence, read_signing_key

    signing = read_signing_key(settings.path(key), _ask_password if sys.stdin.isatty() else None) if key else None
    target = settings.path(save or Path(f"{run}.evidence.jsonl"))
    report = export_evidence(state_directory(), run, target, signing)
    if signing is None:
        words = "WARNING: this evidence is NOT SIGNED: whoever can change the file can make all of it anew; use --key"
        click.echo(words, err=True)
    _print(report, form)
    # Not to sign is the user's choice, and said above; what the run did not record is nobody's.
    return 0 if report.complete else report.exit_code


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--public-key",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Public key in PEM that must have signed it, from somewhere else than the file came from.",
)
@_options.output
@click.pass_obj
def verify(settings: Settings, /, *, file: Path, public_key: Path | None, form: str) -> int:
    """Whether FILE is as it was written, complete, and signed by the key. Needs no cluster, no state, no network.

    \b
    Exit code 0: all of that. 1: changed, removed, reordered or cut off anywhere, or signed by another key.
    3: integrity only (nobody signed it, or no key to compare with), or the run could not record everything.

    \b
    Examples:
      orchestrator evidence verify 20261123T204500Z-3f9a.evidence.jsonl --public-key evidence.pub
    """
    from orchestrator.workflow.evidence import read_public_key, verify_evidence

    key = read_public_key(settings.path(public_key)) if public_key else None
    report = verify_evidence(settings.path(file), key)
    _print(report, form)
    return report.exit_code


def _ask_password() -> str:
    answer: str = click.prompt("Password of the key", hide_input=True, err=True)
    return answer


def _print(report: EvidenceReport, form: str) -> None:
    from orchestrator.cli._render import print_document
    from orchestrator.core.text import printable

    if form != "table":
        print_document(report, form)
        return
    whose = f"{report.action or 'run'} {report.run or ''}" + (f", order {report.order}" if report.order else "")
    rows = {
        "file": report.file,
        "of": whose if report.integrity == "intact" else "not to be believed",
        "records": str(report.records),
        "integrity": report.integrity,
        "authenticity": report.authenticity,
        "complete": "yes" if report.complete else "no",
        "head": report.head or "-",
    }
    for name, value in rows.items():
        click.echo(f"{name:<13} {printable(value)}")
    for reason in report.reasons:
        click.echo(f"  ? {printable(reason.message, 600)} [{reason.code}]")
