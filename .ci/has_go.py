"""Exits 0 when a Go that can build the control planes is at hand; `make install` brings one where it is not."""

from __future__ import annotations

import os
import sys

from orchestrator.errors import SandboxError
from orchestrator.sandbox.gobuild import find_go

try:
    find_go(os.environ)
except SandboxError:
    sys.exit(1)
