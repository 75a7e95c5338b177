"""What a verdict rests on when there is nothing to object: every object, endpoint and part that the rules looked at.

Pure, and asked only by whoever wants a verdict explained. It tells fields that a kind's rules name and counts, never
a value that could be a secret.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from orchestrator import plugins
from orchestrator.core.kind import Basis
from orchestrator.core.objects import ANNOTATION_REVISION, JsonObject, dig, find_condition
from orchestrator.core.observation import Expectation, Observation, Subject
from orchestrator.core.text import printable
from orchestrator.core.verdict import Ground, Want
from orchestrator.verification.enabled import health_rule
from orchestrator.verification.findings import READING_ERRORS
from orchestrator.verification.needs import matters_when_off
from orchestrator.verification.recognition import model_pods

_OWN_RULE = Basis("The rule of its kind, which names no fields, calls it healthy.")
_EXISTS = Basis("It is there, and every field that was applied stands as it was applied.")


def grounds_of(subject: Subject, observation: Observation) -> tuple[Ground, ...]:
    """Everything that was looked at, object by object, with the fields that count and what stands in them."""
    found = [ground for one in subject.expectations for ground in _on_object(subject, observation, one)]
    with contextlib.suppress(*READING_ERRORS):  # the judgement says so
        found += _on_pods(subject, observation)
    found += _on_probes(subject, observation)
    if subject.want is Want.DISABLED:
        found += _on_returning(subject, observation)
    return tuple(found)


def _on_object(subject: Subject, observation: Observation, expectation: Expectation) -> Iterator[Ground]:
    ref, live = printable(expectation.ref), observation.objects.get(expectation.ref)
    if live is None:
        if subject.want is Want.DISABLED and _was_looked_for(expectation, observation):
            yield Ground(object=ref, field=None, seen="not there", rule="What is not there runs nothing.")
        return
    kind = plugins.kinds().get(expectation.ref.group_kind)
    if subject.want is Want.DISABLED:
        if kind is not None and kind.workload is not None:
            yield from _fields(ref, live, kind.workload.stopped)
        return
    if expectation.manifest is not None:
        rule = "Nothing differs from what was applied, at the wanted revision."
        revision = dig(live, "metadata", "annotations", ANNOTATION_REVISION)
        yield Ground(
            object=ref,
            field=f"metadata.annotations[{ANNOTATION_REVISION}]",
            seen=printable(revision or "-", 64),
            rule=rule,
        )
    custom = health_rule(subject, expectation.ref.group_kind)
    if custom is not None:
        yield from _fields(ref, live, _custom(custom.inert, custom.ready.condition if custom.ready else ""))
    elif kind is not None:
        yield from _fields(ref, live, kind.basis or (_EXISTS if kind.assess is None else _OWN_RULE))


def _was_looked_for(expectation: Expectation, observation: Observation) -> bool:
    """What runs nothing is not read where the model is wanted off, and what may not be read is not known to be gone."""
    refused = {reason.object for reason in observation.unseen if reason.field == "objects"}
    return matters_when_off(expectation) and expectation.ref.kind not in refused


def _custom(is_inert: bool, condition: str) -> Basis:
    if is_inert:
        return Basis("The model's `health` calls this kind inert: being there is enough.")
    name = printable(condition, 100)
    return Basis(
        f"The model's `health` asks for {name} at the object's own generation.",
        ("metadata.generation", f"status.conditions[{name}]"),
    )


def _fields(ref: str, live: JsonObject, basis: Basis) -> Iterator[Ground]:
    if not basis.fields:
        yield Ground(object=ref, field=None, seen="there", rule=basis.rule)
    for field in basis.fields:
        yield Ground(object=ref, field=field, seen=_seen(live, field), rule=basis.rule)


def _seen(live: JsonObject, field: str) -> str:
    """What stands there: a number, a word, a condition's status; of anything larger how many entries it has."""
    path, _, condition = field.removesuffix("]").partition("[")
    value = dig(live, *path.split("."))
    if condition:
        value = find_condition(value, condition).get("status")
    if isinstance(value, list | dict):
        return f"{len(value)} entries"
    return "absent" if value is None else printable(value, 100)


def _on_pods(subject: Subject, observation: Observation) -> Iterator[Ground]:
    pods = model_pods(subject, observation)
    if subject.is_everywhere:
        where = "all namespaces"
    else:
        names = ", ".join(subject.namespaces[:5])
        where = f"{names} and {len(subject.namespaces) - 5} more" if len(subject.namespaces) > 5 else names
    rule = (
        "No pod of the model is left in any phase, by label, selector, owner or marks."
        if subject.want is Want.DISABLED
        else "No pod of the model is doomed."
    )
    seen = f"{len(pods)} of the model among {len(observation.pods)} listed"
    yield Ground(
        object=f"pods in {printable(where or 'no namespace', 300)}", field="status.phase", seen=seen, rule=rule
    )
    if subject.want is Want.DISABLED:
        slices = len(observation.endpoint_slices)
        yield Ground(
            object="discovery.k8s.io/EndpointSlice",
            field="endpoints[].conditions",
            seen=f"{slices} slices looked at",
            rule="No endpoint of the model is ready, or serves while it terminates.",
        )


def _on_probes(subject: Subject, observation: Observation) -> Iterator[Ground]:
    for outcome in observation.probes:
        names = "refuses" if outcome.refused else f"lists {len(outcome.names or ())} names"
        rule = (
            "It lists no name that the model serves, or refuses."
            if subject.want is Want.DISABLED
            else "It lists every name that the model serves."
        )
        yield Ground(object=printable(outcome.url, 200), field="data[].id", seen=names, rule=rule)


def _on_returning(subject: Subject, observation: Observation) -> Iterator[Ground]:
    if subject.guard == "proven":
        rule = "The API server itself refuses a new start; it was tried by dry run, both ways."
        yield Ground(object="ValidatingAdmissionPolicy", field=None, seen="proven", rule=rule)
    else:
        seen = f"{len(observation.scalers)} autoscalers, {len(observation.reverters)} owners of GitOps tools looked at"
        rule = "Nothing can start the model again by itself."
        yield Ground(object="autoscalers and GitOps tools", field=None, seen=seen, rule=rule)
