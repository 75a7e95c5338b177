"""What else a takedown may have held: autoscalers that were deleted, jobs that were suspended, annotations; and holds
of operators, and clusters whose nodes come by themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.events import Event, EventType
from orchestrator.core.holds import RestoreRecord
from orchestrator.core.objects import ref_of
from orchestrator.core.plan import ClusterPlan, Plan
from orchestrator.core.scope import Scope
from orchestrator.core.verdict import Verdict
from orchestrator.workflow.holds import order_of_hold
from orchestrator.workflow.restoring import plan_restore_of_hold
from tests.cluster.restoring.conftest import REFERENCE, Stage

CRON_JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "nightly", "annotations": {"team": "serving"}},
    "spec": {
        "schedule": "0 3 1 1 *",
        "jobTemplate": {
            "spec": {
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{"name": "server", "image": "registry.example/server:1"}],
                    }
                }
            }
        },
    },
}


def _less_identity(objects: dict[str, Any], name: str) -> dict[str, Any]:
    """The objects, in which one that had to be deleted may have another uid and age."""
    metadata = {
        key: value for key, value in objects[name]["metadata"].items() if key not in ("uid", "creationTimestamp")
    }
    return {**objects, name: {**objects[name], "metadata": metadata}}


@pytest.mark.slow
async def test_deleted_autoscalers_and_suspended_jobs_come_back(stage: Stage) -> None:
    """An HPA from its whole record, a CronJob's suspend and an annotation as they were."""
    darkness, cluster = stage.darkness, stage.clusters[0]
    planes, place = darkness.planes, ("-n", darkness.namespace)
    darkness.create(cluster, {**CRON_JOB, "metadata": {**CRON_JOB["metadata"], "namespace": darkness.namespace}})
    before = darkness.objects(cluster)
    order = stage.order()
    scaler = planes.read(cluster, "hpa/fable", *place)
    job = planes.read(cluster, "cronjob/nightly", *place)
    darkness.keep(cluster, RestoreRecord(model=darkness.model, ref=ref_of(scaler), uid=scaler["metadata"]["uid"],
                                         before={}, whole=scaler))  # fmt: skip
    suspended = {"/spec/suspend": False, "/metadata/annotations/orchestrator.dev~1note": None}
    darkness.keep(cluster, RestoreRecord(model=darkness.model, ref=ref_of(job), uid=job["metadata"]["uid"],
                                         before=suspended))  # fmt: skip
    planes.kubectl(cluster, "delete", "hpa/fable", *place)
    planes.kubectl(cluster, "patch", "cronjob/nightly", *place, "-p", '{"spec":{"suspend":true}}')
    planes.kubectl(cluster, "annotate", "cronjob/nightly", *place, "orchestrator.dev/note=held")
    darkness.take_dark(cluster, order)

    (item,) = (await stage.restore(order)).items

    assert (item.verdict, item.reasons) == (Verdict.VERIFIED, ())
    name = "HorizontalPodAutoscaler/fable"
    assert _less_identity(darkness.objects(cluster), name) == _less_identity(before, name)


async def test_where_nodes_come_by_themselves_one_replica_goes_first(stage: Stage) -> None:
    """An elastic cluster: `/scale` to 1, a pod on a node, then the number on record.

    The Deployment's autoscaler wants two replicas at least, and may be the first to write them.
    """
    darkness, cluster = stage.darkness, stage.clusters[0]
    before = darkness.objects(cluster)
    order = stage.order()
    darkness.take_dark(cluster, order)
    plan = await stage.plan(order)
    scaled: list[int] = []

    def hear(event: Event) -> None:
        took_effect = event.type is EventType.ANSWERED and "error" not in event.data
        if took_effect and event.data.get("verb") == "scale":
            scaled.append(event.data["replicas"]["after"])

    stage.on_event = hear
    (item,) = (await stage.carry_out(_elastic(plan))).items
    assert item.verdict is Verdict.VERIFIED
    assert scaled[:2] == [1, 1]
    assert scaled[2:] in ([2, 3], [3])
    assert darkness.objects(cluster) == before


@pytest.mark.long
async def test_an_operators_hold_is_lifted_without_a_file(stage: Stage) -> None:
    """The records in the clusters tell what it was; its models come back as they were."""
    darkness, cluster = stage.darkness, stage.clusters[0]
    before = darkness.objects(cluster)
    order = order_of_hold([darkness.model], Scope(clusters=(cluster,)), "suspected of leaking")
    stage.orders.append(order)
    darkness.take_dark(cluster, order, kind="operator", reason="suspected of leaking")

    found, plan = await plan_restore_of_hold(stage.session, order.name, REFERENCE)

    assert found.digest == order.digest
    (item,) = (await stage.carry_out(plan)).items
    assert item.verdict is Verdict.VERIFIED
    assert darkness.objects(cluster) == before


def _elastic(plan: Plan) -> Plan:
    def one(part: ClusterPlan) -> ClusterPlan:
        items = tuple(replace(item, subject=replace(item.subject, capacity="elastic")) for item in part.items)
        return replace(part, items=items)

    return replace(plan, waves=tuple(replace(wave, clusters=tuple(map(one, wave.clusters))) for wave in plan.waves))
