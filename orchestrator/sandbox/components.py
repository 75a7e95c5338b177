"""The command lines of one control plane. Why each flag stands there is said beside it.

Nothing here starts anything.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.sandbox import pins
from orchestrator.sandbox.certificates import Authority, Pair

Argument = str | os.PathLike[str]

_QPS = ("--kube-api-qps=500", "--kube-api-burst=1000")  # the defaults (20, 30) make rollouts of 100s of pods crawl
SERVICE_RANGE = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"
_SOCKET = "etcd.sock"
_PEER_SOCKET = "etcd-peer.sock"


@dataclass(frozen=True)
class Credentials:
    """Everything that lies in a cluster's `pki` directory."""

    authority: Path
    apiserver: Pair
    service_accounts: Path
    admin: Pair
    components: Mapping[str, Pair]

    @classmethod
    def in_directory(cls, directory: Path) -> Credentials:
        """Make what is missing in `directory`."""
        authority = Authority(directory)
        names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
        return cls(
            authority=authority.certificate,
            apiserver=authority.server("kube-apiserver", names, ("127.0.0.1", SERVICE_ADDRESS)),
            service_accounts=authority.signing_key("service-accounts"),
            admin=authority.client("admin", "sandbox-admin", "system:masters"),
            components={
                # Their own users, so that RBAC and audit see them as in a real cluster.
                pins.CONTROLLER_MANAGER: authority.client("controller-manager", "system:kube-controller-manager"),
                pins.SCHEDULER: authority.client("scheduler", "system:kube-scheduler"),
                pins.KWOK: authority.client("kwok", "sandbox-kubelets", "system:masters"),
            },
        )


@dataclass(frozen=True)
class Layout:
    """Where the files of one cluster lie."""

    directory: Path

    @property
    def directories(self) -> tuple[Path, ...]:
        """Every directory to make before the first start, outer ones first."""
        return (self.directory, self.pki, self.log("").parent, self.record("").parent)

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.directory / "pki"

    @property
    def data(self) -> Path:
        """etcd's data: the only thing that makes the cluster the same cluster after a restart."""
        return self.directory / "etcd"

    @property
    def socket(self) -> Path:
        """Where etcd listens: a Unix socket, so that the directory's mode protects it and no TLS costs time."""
        return self.directory / _SOCKET

    @property
    def stages(self) -> Path:
        """The stages that kwok plays."""
        return self.directory / "stages.yaml"

    def kubeconfig(self, component: str) -> Path:
        """With which a component reaches its API server."""
        return self.directory / f"{component}.kubeconfig"

    def log(self, component: str) -> Path:
        """What a component said, over all its starts."""
        return self.directory / "logs" / f"{component}.log"

    def record(self, component: str) -> Path:
        """Which process a component is."""
        return self.directory / "run" / f"{component}.pid"


def arguments(
    component: str, layout: Layout, port: int, credentials: Credentials, pod_range: str
) -> Sequence[Argument]:
    """What follows the program's name on the command line of `component`, which runs in the cluster's directory."""
    if component == pins.ETCD:
        return _etcd(layout)
    if component == pins.APISERVER:
        return _apiserver(port, credentials)
    kubeconfig = layout.kubeconfig(component)
    if component == pins.CONTROLLER_MANAGER:
        return _controller_manager(kubeconfig, credentials)
    if component == pins.SCHEDULER:
        return [f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0", *_QPS]
    return [
        f"--kubeconfig={kubeconfig}", f"--config={layout.stages}", "--manage-all-nodes=true",
        f"--cidr={pod_range}",
        "--node-port=0",  # no pretended kubelet server: it would listen on all interfaces
        "--node-lease-duration-seconds=40",
        "--v=WARN",  # not a line for each change of each pod
    ]  # fmt: skip


def _etcd(layout: Layout) -> list[Argument]:
    # Relative sockets: an absolute path may be longer than the 104 bytes that a socket's name can have.
    client, peer = f"unix://{_SOCKET}", f"unix://{_PEER_SOCKET}"
    return [
        "--name=sandbox",
        f"--data-dir={layout.data}",
        "--log-level=error",
        "--unsafe-no-fsync",  # a sandbox may lose data when the machine dies; it survives kills
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=sandbox={peer}",
    ]


def _apiserver(port: int, credentials: Credentials) -> list[Argument]:
    return [
        f"--etcd-servers=unix://{_SOCKET}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        "--endpoint-reconciler-type=none",  # the kubernetes Service may not have a loopback endpoint
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=RBAC",
        f"--client-ca-file={credentials.authority}",
        f"--tls-cert-file={credentials.apiserver.certificate}",
        f"--tls-private-key-file={credentials.apiserver.key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={credentials.service_accounts}",
        f"--service-account-signing-key-file={credentials.service_accounts}",
        "--allow-privileged=true",
        "--profiling=false",
    ]


def _controller_manager(kubeconfig: Path, credentials: Credentials) -> list[Argument]:
    return [
        f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0", *_QPS,
        # nodelifecycle included: without it the not-ready taint stays and nothing is scheduled. Not the one that checks
        # the types in policies: 1.5 s of processor for each guard (measured on 1.37), for warnings in its status alone.
        "--controllers=*,-validatingadmissionpolicy-status-controller",
        "--horizontal-pod-autoscaler-sync-period=2s",  # its default, 15 s, would be most of every rehearsed restore
        "--use-service-account-credentials=true",  # each controller is its own user, as a guard will see it
        f"--service-account-private-key-file={credentials.service_accounts}",
        f"--root-ca-file={credentials.authority}", "--profiling=false",
    ]  # fmt: skip
