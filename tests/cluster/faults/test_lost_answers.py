"""Every kind of write, carried out by a real API server and never answered: nothing twice, nothing missing.

What a run leaves behind in the cluster whose answers were lost is held against what it leaves in a healthy one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import ControlPlanes
from tests.cluster.faults.every_fault import standing
from tests.cluster.faults.stand import Stand
from tests.cluster.faults.telling import told_of
from tests.faults import failing
from tests.faults.behaviours import reset
from tests.faults.failing import Asked
from tests.faults.proxy import ProxyThread, is_write

_OWN = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")


@pytest.fixture
def stand(control_planes: ControlPlanes, proxies: ProxyThread, tmp_path: Path) -> Iterator[Stand]:
    with standing(control_planes, proxies, tmp_path) as found:
        found.write()
        yield found


def lose(stand: Stand, command: str, when: str) -> set[tuple[str, str]]:
    """Run a command while the first answer to each write is lost; verb and resource of each write that was."""
    behave = {"before": lambda api: reset, "during": failing.reset_during, "after": failing.reset_after}[when]
    stand.proxy.do(failing.once(is_write, behave)(stand.proxy.api_server))
    done = stand.do(command, stand.kubeconfig()).expect(0)
    assert {item["verdict"] for item in done.json["items"]} == {"verified"}
    told = told_of(done, stand.model)
    assert [stand.truth(cluster, command, told[cluster]) for cluster in stand.planes.clusters] == [""] * 3
    written = (Asked.of(seen) for seen in stand.proxy.requests if is_write(seen))
    return {(asked.verb, asked.plural) for asked in written if asked}


def ours(stand: Stand, cluster: str) -> dict[str, Any]:
    """What we keep about the model in a cluster, by kind and name, less what differs from cluster to cluster."""
    kept: dict[str, Any] = {}
    for kinds, place in (
        ("configmaps,secrets,leases", ("-n", "orchestrator-system")),
        ("validatingadmissionpolicies,validatingadmissionpolicybindings", ()),
    ):
        for one in stand.planes.read(cluster, kinds, *place)["items"]:
            if stand.model in one["metadata"]["name"]:
                name = one["metadata"]["name"]
                labels = one["metadata"].get("labels")
                kept[f"{one['kind']}/{name}"] = {"labels": labels, "spec": one.get("spec"), "data": _data(one)}
    return kept


def _data(obj: dict[str, Any]) -> Any:
    """Which keys there are; what they hold names times and the cluster itself."""
    return sorted(obj.get("data") or {})


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.long), "after"])
def test_nothing_twice_and_nothing_missing(stand: Stand, when: str) -> None:
    """From nothing to enabled, dark and back: each write is lost once, and everything ends verified and equal."""
    assert lose(stand, "enable", when) >= {
        ("create", "leases"),
        ("patch", "deployments"),
        ("patch", "deployments/scale"),
        ("delete", "leases"),
    }
    assert ours(stand, stand.ill) == ours(stand, stand.well[0])

    lost = lose(stand, "takedown", when)
    assert lost >= {
        ("create", "validatingadmissionpolicies"),
        ("create", "validatingadmissionpolicybindings"),
        ("create", "configmaps"),
        ("create", "secrets"),
        ("patch", "deployments/scale"),
    }
    assert ours(stand, stand.ill) == ours(stand, stand.well[0])
    assert any(name.startswith("ConfigMap/hold.") for name in ours(stand, stand.ill))
    assert any(name.startswith("Secret/restore.") for name in ours(stand, stand.ill))

    assert lose(stand, "restore", when) >= {("delete", "validatingadmissionpolicies"), ("delete", "secrets")}
    left = ours(stand, stand.ill)
    assert left == ours(stand, stand.well[0])
    assert not any("hold." in name or "restore." in name or "Policy" in name or "Lease" in name for name in left)
