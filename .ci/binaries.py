"""Finds, downloads or builds the control-plane programs before a test needs them, and says how far it is."""

from __future__ import annotations

import sys

import click

from orchestrator.errors import SandboxError
from orchestrator.sandbox.binaries import ensure_toolbox

try:
    ensure_toolbox(click.echo)
except SandboxError as error:
    click.echo(f"error: {error}", err=True)
    if error.hint:
        click.echo(f"  next: {error.hint}", err=True)
    sys.exit(1)
