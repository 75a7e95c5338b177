"""Guards: what makes the API server itself refuse a held model, and the proof that it does.

`policy` draws a ValidatingAdmissionPolicy from plain values; `proof` tries it with server-side dry runs. This room
writes nothing into any cluster: whoever carries out a plan sends what is drawn here, and takes it away again.
"""

from __future__ import annotations

from orchestrator.guarding.editors import editors
from orchestrator.guarding.policy import GuardImpossible, GuardRequest, build_guard, differences
from orchestrator.guarding.proof import DryRunProver

__all__ = ["DryRunProver", "GuardImpossible", "GuardRequest", "build_guard", "differences", "editors"]
