"""Where no guard can be made: who undoes a pause while the takedown runs is paused once more, and named."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from orchestrator.core.events import Event
from orchestrator.core.objects import JsonObject
from tests.cluster.everything import FOREIGN_KINDS, definition
from tests.cluster.execution.dark import Takedown
from tests.cluster.orders import wait_until

API = "argoproj.io/v1alpha1"
AUTOMATED = {"selfHeal": True}


@pytest.fixture
def argo(takedown: Takedown) -> Iterator[Takedown]:
    """Argo CD's kinds, as far as their shape matters, and an Application of a set that tracks the model."""
    definitions = [definition(*parts) for parts in FOREIGN_KINDS if parts[0] == "argoproj.io"]
    names = [f"crd/{one['metadata']['name']}" for one in definitions]
    for one in definitions:
        takedown.create(one)
    for name in names:
        wait_until(partial(_is_served, takedown, name.removeprefix("crd/")))
    yield takedown
    takedown.kubectl("delete", *names)


def _is_served(takedown: Takedown, plural: str) -> bool:
    return "error" not in takedown.kubectl("get", plural, "-A", check=False)


def _object(kind: str, name: str, namespace: str, spec: JsonObject, **metadata: object) -> JsonObject:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, "namespace": namespace, **metadata},
            "spec": spec}  # fmt: skip


async def test_an_application_that_its_set_puts_back_is_paused_again_and_named(argo: Takedown) -> None:
    """Its controller may not have heard yet that it is to leave sync policies alone."""
    place = ("-n", argo.namespace)
    await argo.region.bring_to(argo.release)
    above = argo.create(_object("ApplicationSet", "models", argo.namespace, {"generators": []}))
    owner = {"apiVersion": API, "kind": "ApplicationSet", "name": "models", "controller": True,
             "uid": above["metadata"]["uid"]}  # fmt: skip
    spec = {"syncPolicy": {"automated": AUTOMATED}}
    argo.create(_object("Application", "fable", argo.namespace, spec, ownerReferences=[owner]))
    tracked = f"argocd.argoproj.io/instance={argo.namespace}_fable"
    argo.kubectl("label", "deployment", argo.release.deployment.name, tracked, *place)
    argo.is_guarded = False
    undone: list[str] = []

    def put_back(event: Event) -> None:
        written = f"{event.data.get('verb')} {event.data.get('object')}"
        if event.type == "answered" and written.startswith("patch argoproj.io/Application ") and not undone:
            patch = '[{"op": "remove", "path": "/spec/syncPolicy/automated/enabled"}]'
            undone.append(argo.kubectl("patch", "application", "fable", *place, "--type=json", "-p", patch))

    argo.on_event = put_back

    item = await argo.run()

    assert len(undone) == 1
    assert (item.verdict.value, item.guard) == ("unverified", "absent"), item.reasons
    (reason,) = [one for one in item.reasons if one.code == "reverted"]
    assert "owned by argoproj.io/ApplicationSet" in reason.message
    live = argo.region.witness.get("application", "fable", *place)
    assert live is not None and live["spec"]["syncPolicy"]["automated"] == {**AUTOMATED, "enabled": False}
