"""What a real API server does with replicas: the facts on which our ownership of them rests.

Each was measured before a line of the planner was written. Should a release of Kubernetes change one of them, the
planner's rules have to change with it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.objects import LABEL_MODEL, JsonObject, ObjectRef
from orchestrator.core.ports import ClusterWriter
from orchestrator.delivery import connect
from orchestrator.errors import Conflict
from tests.cluster.conftest import ControlPlanes


@dataclass(frozen=True)
class Bench:
    """One namespace of one control plane: our writer, and kubectl as somebody else."""

    planes: ControlPlanes
    writer: ClusterWriter
    namespace: str

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef("apps/v1", "Deployment", self.namespace, "server")

    def manifest(self, replicas: int | None = None, image: str = "registry.example/server:1") -> JsonObject:
        spec: JsonObject = {
            "selector": {"matchLabels": {"app": "server"}},
            "template": {
                "metadata": {"labels": {"app": "server"}},
                "spec": {"containers": [{"name": "server", "image": image}]},
            },
        }
        if replicas is not None:
            spec["replicas"] = replicas
        metadata = {"name": "server", "namespace": self.namespace}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return self.planes.kubectl(
            self.planes.clusters[0], "--namespace", self.namespace, *arguments, stdin=stdin, check=check
        )

    def live(self) -> Any:
        return json.loads(self.kubectl("get", "deployment", "server", "-o", "json", "--show-managed-fields"))

    def replicas(self) -> int:
        return int(self.live()["spec"]["replicas"])

    def owners(self) -> list[str]:
        """Managers that own spec.replicas."""
        entries = self.live()["metadata"]["managedFields"]
        return [one["manager"] for one in entries if "f:replicas" in one.get("fieldsV1", {}).get("f:spec", {})]

    def apply_as_another(self, replicas: int, *options: str, check: bool = True) -> str:
        manifest = json.dumps(self.manifest(replicas))
        command = ("apply", "--server-side", "--field-manager", "somebody", *options, "-f", "-")
        return self.kubectl(*command, stdin=manifest, check=check)


@pytest.fixture
async def bench(control_planes: ControlPlanes, namespace: str) -> AsyncIterator[Bench]:
    name = control_planes.clusters[0]
    fleet = Fleet(name="tests", clusters=(Cluster(name=name, region="here"),))
    async with connect(fleet, kubeconfig=control_planes.kubeconfig) as connection:
        yield Bench(control_planes, connection.writer(name), namespace)


async def test_an_object_created_without_replicas_has_one_that_nobody_owns(bench: Bench) -> None:
    await bench.writer.apply(bench.manifest())
    assert (bench.replicas(), bench.owners()) == (1, [])


async def test_after_our_scale_to_zero_nobody_owns_the_number(bench: Bench) -> None:
    """Another server-side applier puts back 3, without a conflict and without force: only a guard can prevent it."""
    bench.apply_as_another(3)
    await bench.writer.scale(bench.ref, 0)
    assert (bench.replicas(), bench.owners()) == (0, [])
    bench.apply_as_another(3)
    assert bench.replicas() == 3


async def test_a_zero_by_merge_patch_makes_us_conflict_with_ourselves(bench: Bench) -> None:
    """An apply and an update are two managers, even under one name: hence `/scale`, never a patch of spec.replicas."""
    await bench.writer.apply(bench.manifest(3))
    await bench.writer.patch(bench.ref, {"spec": {"replicas": 0}})
    with pytest.raises(Conflict) as caught:
        await bench.writer.apply(bench.manifest(3))
    assert caught.value.fields == ((".spec.replicas", "orchestrator"),)


async def test_an_apply_with_replicas_over_a_scalers_number_conflicts_and_force_resets_it(bench: Bench) -> None:
    await bench.writer.apply(bench.manifest(3))
    bench.kubectl("scale", "deployment/server", "--replicas=7")
    with pytest.raises(Conflict) as caught:
        await bench.writer.apply(bench.manifest(3))
    assert [field for field, _ in caught.value.fields] == [".spec.replicas"]
    assert bench.replicas() == 7
    await bench.writer.apply(bench.manifest(3), force=True)
    assert bench.replicas() == 3


@pytest.mark.parametrize("number", [3, 0])
async def test_leaving_out_replicas_that_we_owned_gives_one(bench: Bench, number: int) -> None:
    """Even from 0: a manifest that once carried replicas would switch a model on by leaving them out."""
    await bench.writer.apply(bench.manifest(number))
    assert bench.owners() == ["orchestrator"]
    await bench.writer.apply(bench.manifest())
    assert bench.replicas() == 1


async def test_leaving_them_out_after_a_scaler_wrote_keeps_its_number(bench: Bench) -> None:
    await bench.writer.apply(bench.manifest(3))
    bench.kubectl("scale", "deployment/server", "--replicas=7")
    await bench.writer.apply(bench.manifest())
    assert bench.replicas() == 7


async def test_leaving_them_out_after_our_own_zero_stays_zero(bench: Bench) -> None:
    """For ever: an enable that only applied would leave the model off."""
    await bench.writer.apply(bench.manifest())
    await bench.writer.scale(bench.ref, 3)
    await bench.writer.scale(bench.ref, 0)
    await bench.writer.apply(bench.manifest(image="registry.example/server:2"))
    assert bench.replicas() == 0


async def test_an_object_applied_without_replicas_keeps_every_number_that_scale_writes(bench: Bench) -> None:
    """The way we go: applies never carry the number, and `/scale` alone writes it."""
    await bench.writer.apply(bench.manifest())
    for number in (3, 0, 5):
        await bench.writer.scale(bench.ref, number)
        await bench.writer.apply(bench.manifest(image=f"registry.example/server:{number}"))
        assert (bench.replicas(), bench.owners()) == (number, [])


async def test_a_label_on_an_adopted_object_changes_no_generation_and_restarts_no_pod(bench: Bench) -> None:
    bench.kubectl("apply", "-f", "-", stdin=json.dumps(bench.manifest(2)))
    bench.kubectl("rollout", "status", "deployment/server", "--timeout=60s")

    def pods() -> dict[str, str]:
        found = json.loads(bench.kubectl("get", "pods", "-o", "json"))["items"]
        return {one["metadata"]["name"]: one["metadata"]["uid"] for one in found}

    before, running = bench.live(), pods()
    patch = {"metadata": {"uid": before["metadata"]["uid"], "labels": {LABEL_MODEL: "fable-5"}}}
    await bench.writer.patch(bench.ref, patch)
    for name in running:
        label = {"metadata": {"labels": {LABEL_MODEL: "fable-5"}}}
        await bench.writer.patch(ObjectRef("v1", "Pod", bench.namespace, name), label)
    after = bench.live()
    assert after["metadata"]["labels"][LABEL_MODEL] == "fable-5"
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["spec"] == before["spec"]
    bench.kubectl("rollout", "status", "deployment/server", "--timeout=60s")
    assert pods() == running


async def test_a_label_for_another_object_of_the_same_name_is_refused(bench: Bench) -> None:
    """The uid in the patch is a precondition: what was looked at is what is labelled."""
    await bench.writer.apply(bench.manifest())
    with pytest.raises(Conflict):
        await bench.writer.patch(bench.ref, {"metadata": {"uid": "another", "labels": {LABEL_MODEL: "fable-5"}}})
