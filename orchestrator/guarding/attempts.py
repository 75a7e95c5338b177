"""What a guard is tried with, in our own namespace: pods of the model by each of its signs, and neutral objects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

from orchestrator.core.model import Match
from orchestrator.core.objects import LABEL_MODEL, JsonObject
from orchestrator.core.ports import ClusterWriter
from orchestrator.core.takedown import Guard
from orchestrator.guarding.neutral import neutral_deployment, neutral_pod
from orchestrator.guarding.policy import ANNOTATION_TRY, key_of

Send = Callable[[ClusterWriter], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One dry run, and what is expected of it."""

    words: str
    send: Send
    is_required: bool = False
    """Whether the guard counts as proven only when this has come out as expected."""


def create(obj: JsonObject) -> Send:
    """The dry run of a creation."""
    return lambda writer: writer.create(obj, dry_run=True)


def tag(guard: Guard | None) -> dict[str, str]:
    """The annotation that makes our other guards step aside."""
    return {ANNOTATION_TRY: key_of(guard)} if guard is not None else {}


def neutral_attempts(guard: Guard | None) -> tuple[Attempt, ...]:
    """What has to be admitted, with a guard and without."""
    notes = tag(guard)
    return (
        Attempt(words="a neutral pod", send=create(neutral_pod(notes)), is_required=True),
        Attempt(words="a neutral Deployment", send=create(neutral_deployment(notes)), is_required=True),
    )


def label_attempt(guard: Guard) -> Attempt:
    """The pod that is refused as soon as the guard is active."""
    pod = neutral_pod(tag(guard), labels={LABEL_MODEL: guard.model})
    return Attempt(words=f"a pod labelled as {guard.model}", send=create(pod), is_required=True)


def match_attempts(guard: Guard, match: Match) -> Iterator[Attempt]:
    """A pod for each further sign by which the model is recognised."""
    notes = tag(guard)
    if match.labels:
        pod = neutral_pod(notes, labels=match.labels)
        yield Attempt(words="a pod with the labels of `match`", send=create(pod), is_required=True)
    for image in match.images:
        pod = neutral_pod(notes, container={"image": tagged(image)})
        yield Attempt(words=f"a pod with the image {image}", send=create(pod), is_required=True)
    for number, uri in enumerate(match.weights):
        for place, pod in _pods_with(uri, notes):
            # Every URI is tried; every place where one may stand is tried with the first.
            if number == 0 or place == "an argument":
                yield Attempt(words=f"a pod with {uri} in {place}", send=create(pod), is_required=True)


def _pods_with(uri: str, notes: Mapping[str, str]) -> Iterator[tuple[str, JsonObject]]:
    yield "an argument", neutral_pod(notes, container={"args": [f"--weights={uri}/"]})
    yield "a variable", neutral_pod(notes, container={"env": [{"name": "WEIGHTS", "value": uri}]})
    yield "an annotation", neutral_pod({**notes, "orchestrator.dev/weights": uri})
    source = {"driver": "weights.example", "volumeAttributes": {"uri": uri}}
    yield "a volume", neutral_pod(notes, volumes=[{"name": "weights", "csi": source}])


def tagged(image: str) -> str:
    """An image with a tag: its own, or one that nobody has."""
    last = image.rpartition("/")[2]
    return image if ":" in last or "@" in last else f"{image}:orchestrator-try"
