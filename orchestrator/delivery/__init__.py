"""Talks to clusters and endpoints; the only room of the house that does.

It implements the protocols of `core.ports` on plain JSON. It refuses to decide: what an answer means for a model is
judged elsewhere. It never acts on another cluster than the pinned one, never goes anonymous because a credential
failed, follows no redirect, and lets no cluster's text become a path.
"""

from orchestrator.delivery import importing  # noqa: F401 - before anything else imports aiohttp
from orchestrator.delivery.client import KubernetesCluster
from orchestrator.delivery.clock import SystemClock
from orchestrator.delivery.connection import FleetConnection, connect
from orchestrator.delivery.kubeconfig import Kubeconfig, load_kubeconfig
from orchestrator.delivery.probing import HttpProber
from orchestrator.delivery.timeouts import Timeouts

__all__ = [
    "FleetConnection",
    "HttpProber",
    "Kubeconfig",
    "KubernetesCluster",
    "SystemClock",
    "Timeouts",
    "connect",
    "load_kubeconfig",
]
