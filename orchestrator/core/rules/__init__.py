"""The rule behind each reason code, in words: what `--explain` prints. A test walks over every code that exists.

A rule says what must hold, and what follows where it does not. The object and the field stand in the reason itself.
"""

from __future__ import annotations

from typing import Final

from orchestrator.core.rules.cluster import CLUSTER
from orchestrator.core.rules.disabled import DISABLED
from orchestrator.core.rules.enabled import ENABLED
from orchestrator.core.rules.orders import ORDERS
from orchestrator.core.rules.runs import RUNS
from orchestrator.core.verdict import Verdict

RULES: Final[dict[str, str]] = {**ENABLED, **DISABLED, **ORDERS, **CLUSTER, **RUNS}
"""By code."""

VERDICTS: Final[dict[Verdict, str]] = {
    Verdict.VERIFIED: "Everything that the rules ask for was seen, in one consistent list made after the last change.",
    Verdict.HELD: "A hold keeps the model off here, and it was seen to be off.",
    Verdict.FAILED: "It was seen that what is wanted cannot come about without another change, or that it was refused.",
    Verdict.RESIDUE: "Something of the model was seen running where it should be off.",
    Verdict.UNREACHABLE: "The cluster gave no answer that can be trusted, so nothing is known of it.",
    Verdict.UNVERIFIED: "Something could not be seen, asked or understood; what is not proven is not verified.",
    Verdict.NOT_RUN: "Nothing was sent here: what stopped the run came first.",
}


def rule_of(code: str) -> str:
    """The rule behind a code; of one that this version does not know, that."""
    return RULES.get(code, "This version knows no rule by this code; the reason was recorded by another one.")
