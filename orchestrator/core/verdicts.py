"""The last word: from what the rules saw to a verdict, for every room that has to give one."""

from __future__ import annotations

from orchestrator.core.verdict import Judgement, Readiness, Reason, State, Verdict, Want


def verdict_of(judgement: Judgement, want: Want, *, late: bool = False) -> Verdict:
    """The verdict on one model in one cluster.

    | readiness | enable | disable |
    |---|---|---|
    | done | verified | verified |
    | done, but too late to have held | unverified | unverified |
    | failed | failed | failed |
    | progressing, and the time is up | failed | residue where something was seen running, else unverified |
    | progressing, only looked at | unverified | the same |
    | unknown | unverified | the same |

    Only what was seen counts: `state` says whether something of the model was running.
    """
    match judgement.readiness:
        case Readiness.DONE:
            return Verdict.UNVERIFIED if late else Verdict.VERIFIED
        case Readiness.FAILED:
            return Verdict.FAILED
        case Readiness.PROGRESSING if want is Want.ENABLED and late:
            return Verdict.FAILED
        case _:
            runs = want is Want.DISABLED and judgement.state in (State.ENABLED, State.MIXED)
            return Verdict.RESIDUE if runs else Verdict.UNVERIFIED


def verdict_under_hold(state: State) -> Verdict:
    """The verdict on a model that a hold keeps off: `held`, which costs nothing, only where it was seen to be off."""
    match state:
        case State.DISABLED:
            return Verdict.HELD
        case State.UNKNOWN:
            return Verdict.UNVERIFIED
        case _:
            return Verdict.RESIDUE


def reasons_under_hold(holds: tuple[str, ...], state: State, seen: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """What there is to say of a model that a hold keeps off; `seen` counts only where its state is not known."""
    held = Reason(code="held", message="kept off by " + ", ".join(holds))
    match state:
        case State.DISABLED:
            return (held,)
        case State.UNKNOWN:
            return (held, *seen)
        case _:
            return (held, Reason(code="running-under-hold", message="it was seen running all the same"))
