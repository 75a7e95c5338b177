"""Finds, downloads or builds what a test starts, before it needs it, and says how far it is.

The programs of the control planes; with the argument `gateways` those of the gateway as well.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from orchestrator.errors import SandboxError
from orchestrator.sandbox.binaries import ensure_toolbox

try:
    ensure_toolbox(click.echo)
    if "gateways" in sys.argv[1:]:
        sys.path.insert(0, str(Path(__file__).parents[1]))
        from tests.traffic.gateway_programs import ensure_gateway_programs

        ensure_gateway_programs(click.echo)
except SandboxError as error:
    click.echo(f"error: {error}", err=True)
    if error.hint:
        click.echo(f"  next: {error.hint}", err=True)
    sys.exit(1)
