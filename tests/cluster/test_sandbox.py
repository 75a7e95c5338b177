"""What a sandbox cluster contains from the start."""

import pytest

from orchestrator import sandbox
from orchestrator.sandbox import pins

CLUSTER = "eu-west-1"


@pytest.fixture(scope="module")
def api(control_planes):
    with sandbox.attach(control_planes.directory).cluster(CLUSTER).api() as connection:
        yield connection


def test_a_cluster_says_that_it_is_a_sandbox(api, control_planes):
    """Others read this label: results there are a rehearsal."""
    namespace = api.get("/api/v1/namespaces/kube-system")

    assert namespace["metadata"]["labels"]["orchestrator.dev/sandbox"] == "true"
    uids = {each.spec.cluster: each.uid for each in sandbox.status(control_planes.directory).clusters}
    assert uids[CLUSTER] == namespace["metadata"]["uid"]
    assert len(set(uids.values())) == len(control_planes.clusters)


def test_the_server_has_the_pinned_version(api):
    assert api.get("/version")["gitVersion"] == pins.PROGRAMS[pins.APISERVER].version


def test_nodes_are_labelled_like_a_clouds_and_have_gpus(api):
    nodes = api.get("/api/v1/nodes")["items"]

    labels = [node["metadata"]["labels"] for node in nodes]
    assert {each["topology.kubernetes.io/region"] for each in labels} == {"eu-west"}
    assert {each["topology.kubernetes.io/zone"] for each in labels} == {"eu-west-a", "eu-west-b", "eu-west-c"}
    assert {each["orchestrator.dev/country"] for each in labels} == {"IE"}
    assert all(each["node.kubernetes.io/instance-type"] for each in labels)
    assert all(node["metadata"]["name"] == node["metadata"]["labels"]["kubernetes.io/hostname"] for node in nodes)
    assert {node["status"]["allocatable"]["nvidia.com/gpu"] for node in nodes} == {"8"}


def test_gateway_api_is_served_and_its_rules_are_enforced(api, namespace):
    """The definitions were put into etcd as an API server stored them once: they must be as good as installed ones."""
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes"
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "route"}}
    api.create(path, {**route, "spec": {"parentRefs": [{"name": "gateway"}]}})
    invalid = {"metadata": {"name": "bad"}, "spec": {"rules": [{"matches": [{"path": {"value": "no-slash"}}]}]}}

    with pytest.raises(sandbox.ApiServerError, match="must be an absolute path"):
        api.create(path, {**route, **invalid})

    assert api.get(f"{path}/route")["spec"]["rules"], "the schema's defaults were not filled in"
    older = api.get(f"/apis/gateway.networking.k8s.io/v1beta1/namespaces/{namespace}/httproutes/route")
    assert older["apiVersion"] == "gateway.networking.k8s.io/v1beta1"
    definitions = api.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
    pinned = [file for file in pins.pinned_files() if file.module == pins.GATEWAY_API]
    assert len([each for each in definitions if each["spec"]["group"] == "gateway.networking.k8s.io"]) == len(pinned)
    assert len({each["metadata"]["uid"] for each in definitions}) == len(definitions)


def test_kubectl_explains_a_gateway_resource(control_planes):
    """The published OpenAPI covers the definitions."""
    assert "hostnames" in control_planes.kubectl(CLUSTER, "explain", "httproute.spec")


def test_rbac_is_real(control_planes):
    """Somebody without a role may do nothing."""
    answer = control_planes.kubectl(CLUSTER, "get", "pods", "--as", "nobody", check=False)

    assert 'User "nobody" cannot list resource "pods"' in answer


def test_controllers_are_users_of_their_own(control_planes):
    """A guard in front of the API server sees who writes, as in a real cluster."""
    args = ("auth", "can-i", "create", "pods", "-n", "default", "--as")

    assert control_planes.kubectl(CLUSTER, *args, "system:serviceaccount:kube-system:replicaset-controller") == "yes\n"
