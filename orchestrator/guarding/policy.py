"""Draws the policy and binding of a guard. Pure: the same request gives the same bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from orchestrator import plugins
from orchestrator.core.holds import LABEL_ORDER
from orchestrator.core.model import Match
from orchestrator.core.objects import LABEL_MODEL, JsonObject, dig
from orchestrator.core.records import canonical_json
from orchestrator.core.takedown import ANNOTATION_WORKLOADS, Guard, Workload, workloads_text
from orchestrator.core.text import printable
from orchestrator.core.verdict import Reason
from orchestrator.guarding import weights
from orchestrator.guarding.expressions import literal
from orchestrator.guarding.request import GuardImpossible, GuardRequest, marker_of
from orchestrator.guarding.rules import resource_rules, rules
from orchestrator.guarding.signs import variables

__all__ = ["ANNOTATION_DIGEST", "ANNOTATION_TRY", "GuardImpossible", "GuardRequest", "build_guard", "differences"]

API_VERSION = "admissionregistration.k8s.io/v1"
ANNOTATION_TRY = "orchestrator.dev/try"
"""On the object of a dry run: the key of the guard that is being tried; the others of ours then step aside."""
ANNOTATION_DIGEST = "orchestrator.dev/spec-digest"
"""On policy and binding: SHA-256 of the spec that we wrote."""
MOST_URIS = 400
"""Beyond this not even the search for anchors is worth its time."""
_SIZE_LIMIT = 900 * 1024
"""Bytes of a policy: etcd takes 1.5 MB, and the object is stored with its managed fields."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_WORDS = (("contact", "contact"), ("substitute", "use instead"), ("noticeUrl", "see"))


def build_guard(request: GuardRequest) -> Guard:
    """The guard of one order over one model in one cluster.

    Raises `GuardImpossible` when an API server could not carry it: too many weights for the cost limit of CEL
    (`RuntimeCELCostBudget`), a name that is none. It is never made weaker instead.
    """
    _check(request)
    labels = {LABEL_ORDER: request.short_digest, LABEL_MODEL: request.model}
    policy = _object("ValidatingAdmissionPolicy", request.name, labels, _policy_spec(request))
    if (known := workloads_text(request.workloads)) is not None:
        policy["metadata"]["annotations"][ANNOTATION_WORKLOADS] = known
    binding = _object(
        "ValidatingAdmissionPolicyBinding",
        request.name,
        labels,
        {"policyName": request.name, "validationActions": ["Deny", "Audit"]},
    )
    size = len(canonical_json(policy).encode())
    if size > _SIZE_LIMIT:
        raise GuardImpossible(f"the guard over {request.model} has {size} bytes, more than an API server keeps")
    return Guard(
        name=request.name,
        model=request.model,
        order=request.order,
        digest=request.digest,
        policy=policy,
        binding=binding,
        marker=request.marker,
        cuts=request.cuts,
        public=request.public,
        workloads=request.workloads,
    )


def widened(guard: Guard, match: Match, workloads: Iterable[Workload]) -> Guard:
    """The same guard over these workloads as well; itself where it knows them all. Raises `GuardImpossible`.

    It has to be drawn anew from the model's `match`: no policy tells that.
    """
    kinds = plugins.kinds()
    new = [
        one
        for one in workloads
        if one not in guard.workloads and (kind := kinds.get(one[0].group_kind)) is not None and kind.workload
    ]
    if not new:
        return guard
    # In an order of their own, so that the next takedown draws the same bytes from what it finds.
    new.sort(key=lambda one: (one[0], canonical_json(one[1])))
    return build_guard(
        GuardRequest(
            order=guard.order,
            digest=guard.digest,
            model=guard.model,
            public=guard.public,
            match=match,
            workloads=(*guard.workloads, *new),
            cuts=guard.cuts,
        )
    )


def _check(request: GuardRequest) -> None:
    if not _NAME.fullmatch(request.name) or len(request.name) > 253 or len(request.model) > 63:
        raise GuardImpossible(f"{printable(request.name, 100)} is no name that an object may have")
    for uri in request.match.weights:
        if not uri.strip():
            raise GuardImpossible("empty weights would match every pod")
    if not all(image.strip() for image in request.match.images):
        raise GuardImpossible("an empty image would match pods that name none")
    allowed = weights.BUDGET - weights.RESERVE
    uris = request.match.weights
    if len(uris) > MOST_URIS or weights.cost(uris) > allowed:
        raise GuardImpossible(
            f"{len(uris)} weights of {request.model} are more than an API server would look for in a pod of 1 MiB",
            hint="name what their URIs have in common: a bucket, a folder",
        )


def _policy_spec(request: GuardRequest) -> JsonObject:
    key = literal(f"{request.short_digest}.{request.model}")
    tried = f"object.?metadata.?annotations[?{literal(ANNOTATION_TRY)}].orValue({key})"
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
            "resourceRules": resource_rules(request),
        },
        # Nothing is stored by a dry run, so this lets nobody past; without it two guards hide each other's refusals.
        "matchConditions": [
            {
                "name": "unless-another-guard-is-tried",
                "expression": f"!(has(request.dryRun) && request.dryRun) || {tried} == {key}",
            }
        ],
        "variables": [{"name": name, "expression": expression} for name, expression in variables(request)],
        "validations": [
            {"expression": condition, "message": _message(request, words), "reason": "Forbidden"}
            for words, condition in rules(request)
        ],
    }


def _message(request: GuardRequest, words: str) -> str:
    """One line, the marker first: a long message is cut at its end."""
    found = [f"{request.marker} {words}: order {request.order}"]
    found += [f"{label} {request.public[key]}" for key, label in _WORDS if request.public.get(key)]
    return printable("; ".join(found), 1000)


def _object(kind: str, name: str, labels: dict[str, str], spec: JsonObject) -> JsonObject:
    metadata = {"name": name, "labels": labels, "annotations": {ANNOTATION_DIGEST: digest_of(spec)}}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def digest_of(spec: JsonObject) -> str:
    """SHA-256 of a spec in canonical JSON."""
    return hashlib.sha256(canonical_json(spec).encode("utf-8", "surrogatepass")).hexdigest()


def differences(guard: Guard, policy: JsonObject | None, binding: JsonObject | None) -> tuple[Reason, ...]:
    """Why the live policy and binding are not a guard of ours as it was written; empty when they are.

    A guard that was drawn from other knowledge (more workloads, other weights) is as good as this one, as long as
    nobody has changed it since.
    """
    found = []
    for wanted, live in ((guard.policy, policy), (guard.binding, binding)):
        name = f"{wanted['kind']} {guard.name}"
        if live is None:
            found.append(Reason(code="guard-missing", message=f"the {wanted['kind']} is not there", object=name))
        elif dig(live, "metadata", "deletionTimestamp"):
            found.append(Reason(code="guard-missing", message=f"the {wanted['kind']} is being deleted", object=name))
        elif digest_of(dig(live, "spec", default={})) != dig(live, "metadata", "annotations", ANNOTATION_DIGEST):
            message = f"the {wanted['kind']} was changed after we wrote it"
            found.append(Reason(code="guard-altered", message=message, object=name))
    return tuple(found)


def key_of(guard: Guard) -> str:
    """What `ANNOTATION_TRY` says for this guard."""
    return f"{guard.digest[:16]}.{guard.model}"


def is_marked(message: str, model: str) -> bool:
    """Whether a refusal comes from some guard of ours over this model, whatever the order."""
    return re.search(re.escape(marker_of("?/" + model)).replace(re.escape("?"), "[0-9a-f]{16}"), message) is not None
