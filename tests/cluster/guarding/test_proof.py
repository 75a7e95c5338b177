"""The proof: it says `proven` only for what was seen, and never for a guard that has a gap, harms, or was changed."""

# ruff: noqa: ASYNC110  (what is waited for tells of itself by no event)

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from orchestrator.core.model import Match
from orchestrator.core.objects import LABEL_MODEL, SYSTEM_NAMESPACE, JsonObject
from orchestrator.core.takedown import FieldCut, Guard, GuardProof
from orchestrator.guarding import differences, editors
from orchestrator.guarding.policy import ANNOTATION_DIGEST, digest_of
from tests.cluster.guarding.stage import Stage, cut

POLICY, BINDING = "validatingadmissionpolicy", "validatingadmissionpolicybinding"


def codes(proof: GuardProof) -> set[str]:
    return {reason.code for reason in proof.reasons}


def redrawn(guard: Guard, expression: str) -> Guard:
    """The same guard with another first rule, as if we had drawn it that way."""
    rules = [{**guard.policy["spec"]["validations"][0], "expression": expression}]
    spec = {**guard.policy["spec"], "validations": rules}
    metadata = {**guard.policy["metadata"], "annotations": {ANNOTATION_DIGEST: digest_of(spec)}}
    return replace(guard, policy={**guard.policy, "metadata": metadata, "spec": spec})


async def test_a_guard_is_proven_both_ways_on_what_is_there(stage: Stage) -> None:
    """On a running workload, one of its pods with a finalizer, and a Service whose cut comes after the guard."""
    server = stage.workload(replicas=2, image=f"{stage.image}:1")
    loose = stage.pod("loose", labels={LABEL_MODEL: stage.model})
    loose["metadata"]["finalizers"] = ["example.com/hold"]
    front = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "front", "namespace": stage.namespace},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": 80}]},
    }
    await stage.create(loose, server, front)
    await stage.until(lambda found: len(found["items"]) == 3, "pods")
    change = FieldCut(pointer="/spec/selector", before={"app": "server"}, after={"held": "yes"})
    made = cut(front, fields=(change,))
    match = Match(labels={"team": stage.model}, weights=(stage.weights, f"{stage.weights}b"), images=(stage.image,))
    guard = await stage.bind(stage.guard(server, match=match, cuts=(made,)), wait=False)

    async def cut_late() -> None:
        await asyncio.sleep(1)
        await stage.run("patch", "service", "front", "--type=json", "-p", json.dumps(made.patch()))

    proof, _ = await asyncio.gather(stage.prove(guard, server, match=match), cut_late())
    assert proof.status == "proven", proof.reasons
    assert not proof.has_to_go
    ref = f"apps/Deployment {stage.namespace}/server"
    assert {
        f"a pod labelled as {stage.model}",
        "a pod with the labels of `match`",
        f"a pod with the image {stage.image}",
        f"a pod with {stage.weights} in an argument",
        f"a pod with {stage.weights} in a variable",
        f"a pod with {stage.weights} in an annotation",
        f"a pod with {stage.weights} in a volume",
        f"a pod with {stage.weights}b in an argument",
        f"a pod of {ref}",
        f"scaling {ref} up",
        f"raising replicas of {ref}",
        f"taking our label off {ref}",
        f"taking our label off the template of {ref}",
        f"undoing the cut of Service {stage.namespace}/front",
    } <= set(proof.denied)
    assert any(words.startswith("another image of the model in Pod") for words in proof.denied)
    assert {"a neutral pod", "a neutral Deployment", f"scaling {ref} down"} <= set(proof.admitted)
    assert any(words.startswith("an update of Pod") for words in proof.admitted)
    assert (await stage.get("deployment", "server"))["spec"]["replicas"] == 2, "nothing is changed"


async def test_a_guard_that_is_not_there_proves_nothing(stage: Stage) -> None:
    proof = await stage.prove(stage.guard(), within=1)
    assert proof.status == "absent"
    assert codes(proof) == {"guard-missing", "guard-gap"}
    assert not proof.has_to_go


async def test_a_guard_that_lets_one_sign_pass_is_not_proven(stage: Stage) -> None:
    """The order knows an image that the guard was not drawn with."""
    guard = await stage.bind(stage.guard(match=Match()))
    proof = await stage.prove(guard, within=1, match=Match(images=(stage.image,)))
    assert proof.status == "absent"
    assert [reason.message for reason in proof.reasons] == [f"a pod with the image {stage.image} is admitted"]


@pytest.mark.parametrize("expression", ["false", "object.spec.nothing == 1"])
async def test_a_guard_of_ours_that_refuses_neutral_objects_has_to_go(stage: Stage, expression: str) -> None:
    """Whether a rule of it is too wide, or one of its expressions fails."""
    # Restricted to our own dry runs: nobody else's tests are to notice.
    only = f"object.metadata.?annotations[?'orchestrator.dev/try'].orValue('') == '' || {expression}"
    guard = redrawn(stage.guard(), only)
    before = await stage.prover.survey(stage.writer)
    assert before.admitted == ("a neutral pod", "a neutral Deployment")
    await stage.bind(guard, wait=False)
    deadline = stage.clock.elapsed() + 15
    proof = await stage.prover.prove(stage.writer, guard, stage.subject(), before, deadline=deadline)
    assert proof.status == "absent"
    assert proof.has_to_go
    assert "guard-harms" in codes(proof)


@pytest.fixture
async def foreign(stage: Stage) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Binds somebody else's policy, which admits no pod and no Deployment to our namespace."""
    name = f"foreign.{stage.model}"
    rule = {"apiGroups": ["", "apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["*"]}
    where = {"matchLabels": {"kubernetes.io/metadata.name": SYSTEM_NAMESPACE}}
    pods_only = {"name": "pods", "expression": "request.kind.kind in ['Pod', 'Deployment']"}
    spec: JsonObject = {
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": where},
        "matchConditions": [pods_only],
        "validations": [{"expression": "false", "message": "nothing runs here"}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}

    async def bind() -> str:
        await stage.create(
            {**head, "kind": "ValidatingAdmissionPolicy", "spec": spec},
            {**head, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
        )
        async with asyncio.timeout(20):
            while not (await stage.prover.survey(stage.writer)).refused:
                await asyncio.sleep(0.1)
        return name

    yield bind
    await stage.run("delete", f"{BINDING},{POLICY}", name, "--ignore-not-found")


async def test_a_policy_of_somebody_else_that_admits_nothing_is_named_and_ours_stays(
    stage: Stage, foreign: Callable[[], Awaitable[str]]
) -> None:
    name = await foreign()
    guard = await stage.bind(stage.guard(), wait=False)
    proof = await stage.prove(guard, within=3)
    assert proof.status == "absent"
    assert "unprovable" in codes(proof)
    assert not proof.has_to_go
    assert any(f"the policy {name}" in reason.message for reason in proof.reasons)


async def test_a_guard_that_somebody_changed_is_not_proven(stage: Stage) -> None:
    """An exemption for somebody else would pass every dry run of ours."""
    guard = await stage.bind(stage.guard())
    assert (await stage.prove(guard)).status == "proven"
    exempt = {"name": "friends", "expression": "request.userInfo.username != 'friend'"}
    patch = json.dumps([{"op": "add", "path": "/spec/matchConditions/-", "value": exempt}])
    await stage.run("patch", POLICY, guard.name, "--type=json", "-p", patch)
    proof = await stage.prove(guard, within=2)
    assert (proof.status, codes(proof)) == ("absent", {"guard-altered"})


async def test_differences_tell_what_was_changed(stage: Stage) -> None:
    guard = await stage.bind(stage.guard())
    policy, binding = await stage.get(POLICY, guard.name), await stage.get(BINDING, guard.name)
    assert differences(guard, policy, binding) == ()
    weak = {**binding, "spec": {**binding["spec"], "validationActions": ["Audit"]}}
    assert [reason.code for reason in differences(guard, policy, weak)] == ["guard-altered"]
    assert [reason.code for reason in differences(guard, None, None)] == ["guard-missing"] * 2


async def test_two_orders_over_one_model_are_proven_each_by_itself(stage: Stage) -> None:
    """Only the first refusal is ever told, so in a dry run the other guard steps aside; never in earnest."""
    server = stage.workload(replicas=0)
    await stage.create(server)
    first = await stage.bind(stage.guard(server))
    second = stage.guard(server, digest="fedcba9876543210" * 4)
    await stage.bind(second, wait=False)
    for guard in (first, second):
        proof = await stage.prove(guard, server)
        assert proof.status == "proven", proof.reasons
    pod = stage.pod("p", labels={LABEL_MODEL: stage.model}, annotations={"orchestrator.dev/try": "another"})
    assert "orchestrator guard" in await stage.ask("create", "-f", "-", stdin=json.dumps(pod))


async def test_pod_security_restricted_admits_what_is_neutral(stage: Stage) -> None:
    label = "pod-security.kubernetes.io/enforce"
    await stage.run("label", "namespace", SYSTEM_NAMESPACE, f"{label}=restricted", "--overwrite")
    try:
        guard = await stage.bind(stage.guard())
        proof = await stage.prove(guard)
        assert proof.status == "proven", proof.reasons
    finally:
        await stage.run("label", "namespace", SYSTEM_NAMESPACE, f"{label}-")


async def test_whoever_may_edit_guards_is_listed(stage: Stage) -> None:
    """Through cluster roles; the group of all administrators is always among them."""
    role = f"policies-{stage.model}"
    await stage.run(
        "create", "clusterrole", role, "--verb=patch", f"--resource={BINDING}s.admissionregistration.k8s.io"
    )
    try:
        await stage.run("create", "clusterrolebinding", role, f"--clusterrole={role}", "--user=editor@example.com")
        found = await editors(stage.writer)
        assert f"User editor@example.com through {role}" in found
        assert "Group system:masters through cluster-admin" in found
        assert not any("system:kube-scheduler" in one for one in found)
    finally:
        await stage.run("delete", "clusterrolebinding,clusterrole", role)
