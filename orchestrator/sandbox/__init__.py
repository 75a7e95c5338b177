"""Real Kubernetes control planes on this machine: etcd, API server, controller manager, scheduler, simulated nodes.

It serves demos, tests and rehearsals. It never reads or changes a kubeconfig of the user, never needs root or
containers, ends only processes that it started, and is never anybody's default target.
"""

from orchestrator.sandbox.apiserver import ApiServer, ApiServerError
from orchestrator.sandbox.cluster import Cluster, ComponentStatus
from orchestrator.sandbox.lifecycle import ClusterStatus, Sandbox, SandboxStatus, attach, down, status, up
from orchestrator.sandbox.regions import DEFAULT_REGIONS, RegionSpec

__all__ = [
    "DEFAULT_REGIONS",
    "ApiServer",
    "ApiServerError",
    "Cluster",
    "ClusterStatus",
    "ComponentStatus",
    "RegionSpec",
    "Sandbox",
    "SandboxStatus",
    "attach",
    "down",
    "status",
    "up",
]
