"""What somebody's word covers: one model's channel under one order, never that of another model by the same name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass

from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.documents.problems import shown, suggestion
from orchestrator.errors import UsageError
from orchestrator.workflow.recognising import Knowledge


@dataclass(frozen=True, slots=True)
class Attested:
    """The channels of which somebody says that they are off under one order."""

    subjects: frozenset[tuple[str, str]]
    """(model, channel); without a model in records of before that was asked for."""

    @classmethod
    def under(cls, digest: str, snapshots: Iterable[ClusterSnapshot]) -> Attested:
        """What any of these clusters keeps of it."""
        found = (one for snapshot in snapshots for one in snapshot.attestations if one.digest == digest)
        return cls(frozenset((one.model, one.subject) for one in found))

    def covers(self, model: str, channel: str, channels: Collection[tuple[str, str]]) -> bool:
        """Whether the channel of this model is attested, `channels` being those of all models of the order.

        A record without a model counts only while a single model has a channel of that name.
        """
        if (model, channel) in self.subjects:
            return True
        owners = {owner for owner, name in channels if name == channel}
        return ("", channel) in self.subjects and owners == {model}


def channels_of(knowledge: Knowledge, models: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """By channel, which of these models have one of that name, by any definition."""
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys(models):
        for channel in dict.fromkeys(one.name for model in knowledge.models.get(name, ()) for one in model.channels):
            found.setdefault(channel, []).append(name)
    return {channel: tuple(owners) for channel, owners in found.items()}


def models_meant(
    subject: str, asked: Iterable[str], channels: Mapping[str, tuple[str, ...]], gone: Set[str]
) -> tuple[str, ...]:
    """For which models a channel is attested; one empty name for a cluster that is gone.

    `asked` are the models that were named, `channels` those of the order by name. A misspelt channel would be attested
    in vain, and the real one would stay unproven. Raises UsageError for a subject that there is not, a model that has
    no such channel, and where no model was named and more than one thing may be meant.
    """
    named, owners = tuple(dict.fromkeys(asked)), channels.get(subject, ())
    if not owners and subject not in gone:
        message = f"{shown(subject)} is neither a channel of an ordered model nor a cluster that owes and is gone"
        what = "channels of the models of the order, and clusters that left the fleet"
        raise UsageError(message, hint=suggestion(subject, {*channels, *gone}, what))
    for model in named:
        if model not in owners:
            message = f"{shown(model)} is no ordered model with a channel {shown(subject)}"
            raise UsageError(message, hint=suggestion(model, owners, "models with that channel"))
    if named or not owners:
        return named or ("",)
    if len(owners) > 1 or subject in gone:
        what = f"of {len(owners)} models" if len(owners) > 1 else "and a cluster that is gone"
        raise UsageError(
            f"{shown(subject)} is a channel {what}: {', '.join(owners)}",
            hint="say of which it is off: --model MODEL, several times for several",
            code="ambiguous",
        )
    return owners
