"""The shipped roles, read from their only source."""

from __future__ import annotations

from collections import Counter

import pytest

from orchestrator.core.ports import Access
from orchestrator.documents.roles import load_roles, preparation
from orchestrator.errors import UsageError

WRITES = {"create", "update", "patch", "delete", "deletecollection"}


def test_what_is_prepared_comes_with_the_namespace_first() -> None:
    kinds = [obj["kind"] for obj in preparation()]
    assert kinds == ["Namespace", *("ClusterRole", "Role") * 3]


def test_every_role_is_read_with_the_namespace_of_its_rules() -> None:
    viewer, operator, responder = load_roles()
    assert (viewer.name, operator.name, responder.name) == ("viewer", "operator", "responder")
    assert Access("list", "", "pods") in viewer.accesses
    assert Access("get", "", "secrets", "orchestrator-system") in viewer.accesses
    assert Access("patch", "apps", "deployments/scale") in operator.accesses
    assert Access("create", "coordination.k8s.io", "leases", "orchestrator-system") in operator.accesses
    assert Access("create", "admissionregistration.k8s.io", "validatingadmissionpolicies") in responder.accesses
    assert Access("delete", "", "secrets", "orchestrator-system") in responder.accesses


def test_a_viewer_writes_nothing() -> None:
    (viewer,) = load_roles(["viewer"])
    assert not [access for access in viewer.accesses if access.verb in WRITES]


def test_nothing_is_given_twice_and_nothing_wholesale() -> None:
    """A permission that two rules give could be taken away without anybody noticing."""
    accesses = [access for role in load_roles() for access in role.accesses]
    everywhere = {(one.verb, one.group, one.resource) for one in accesses if not one.namespace}
    assert [access for access, count in Counter(accesses).items() if count > 1] == []
    assert [one for one in accesses if one.namespace and (one.verb, one.group, one.resource) in everywhere] == []
    assert not [access for access in accesses if "*" in (access.verb, access.group, access.resource)]


def test_only_a_responder_deletes_pods_and_makes_admission_policies() -> None:
    """Whoever applies playbooks from CI must not be able to refuse other people's writes."""
    viewer, operator, responder = load_roles()
    policies = {one for one in responder.accesses if one.group == "admissionregistration.k8s.io"}
    assert {one.verb for one in policies} == {"get", "list", "create", "update", "patch", "delete"}
    assert not {*policies, Access("delete", "", "pods")} & {*viewer.accesses, *operator.accesses}


def test_secrets_are_seen_in_our_own_namespace_only() -> None:
    accesses = [access for role in load_roles() for access in role.accesses if access.resource == "secrets"]
    assert {access.namespace for access in accesses} == {"orchestrator-system"}
    assert {access.verb for access in accesses} == {"get", "create", "list", "update", "delete"}


def test_an_unknown_role_is_answered_by_those_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        load_roles(["viewr"])
    assert "viewer" in str(caught.value.hint)
