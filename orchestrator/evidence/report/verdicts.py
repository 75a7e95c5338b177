"""How verdicts are spelt, ordered and drawn, everywhere in a report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from orchestrator.core.verdict import Verdict

WORST_FIRST: Final = (
    Verdict.FAILED,
    Verdict.RESIDUE,
    Verdict.UNVERIFIED,
    Verdict.UNREACHABLE,
    Verdict.NOT_RUN,
    Verdict.HELD,
    Verdict.VERIFIED,
)
LABELS: Final = {**{verdict: verdict.value for verdict in Verdict}, Verdict.NOT_RUN: "not run"}
MEANINGS: Final = {
    Verdict.VERIFIED: "proven to be as it was wanted",
    Verdict.HELD: "kept off by a hold, and seen to be off",
    Verdict.FAILED: "seen not to be as it was wanted",
    Verdict.RESIDUE: "something of the model was still seen running",
    Verdict.UNREACHABLE: "the cluster did not answer, or is another one: nothing is known",
    Verdict.UNVERIFIED: "not proven either way",
    Verdict.NOT_RUN: "nothing was done there",
}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The one that weighs most; `unverified` of none at all."""
    return min(verdicts, key=WORST_FIRST.index, default=Verdict.UNVERIFIED)


def counted(verdicts: Iterable[Verdict]) -> tuple[tuple[Verdict, int], ...]:
    """How often each is there, worst first."""
    found = list(verdicts)
    return tuple((one, count) for one in WORST_FIRST if (count := found.count(one)))


def in_words(counts: Iterable[tuple[Verdict, int]]) -> str:
    """`2 unreachable, 10 verified`."""
    return ", ".join(f"{count} {LABELS[verdict]}" for verdict, count in counts)
