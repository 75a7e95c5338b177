"""Pods: none of the model's may start, by whichever sign it is known; everybody else's may."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from orchestrator.core.model import Match
from orchestrator.core.objects import LABEL_MODEL
from tests.cluster.guarding.stage import DRY_RUN, Stage

MIRROR = {"kubernetes.io/config.mirror": "0123", "kubernetes.io/config.source": "file"}


async def test_a_pod_of_the_model_is_refused_by_each_of_its_signs(stage: Stage) -> None:
    """Our label, all labels of `match`, the image however it is written, and the weights wherever they stand."""
    match = Match(labels={"team": stage.model, "tier": "gpu"}, weights=(stage.weights,), images=(stage.image,))
    await stage.bind(stage.guard(match=match))
    uri, image = stage.weights, stage.image
    signs: dict[str, dict[str, Any]] = {
        "our label": {"labels": {LABEL_MODEL: stage.model}},
        "all labels": {"labels": {"team": stage.model, "tier": "gpu", "other": "x"}},
        "image": {"image": image},
        "image with a tag": {"image": f"{image}:v2"},
        "image with a digest": {"image": f"{image}@sha256:{'a' * 64}"},
        "image with both": {"image": f"{image}:v2@sha256:{'a' * 64}"},
        "image with the port of HTTPS": {"image": image.replace("/", ":443/", 1)},
        "image of an init container": {"spec": {"initContainers": [{"name": "i", "image": image}]}},
        "image volume": {"spec": {"volumes": [{"name": "v", "image": {"reference": f"{image}:1"}}]}},
        "argument": {"args": ["serve", f"--model={uri}/shard-1"]},
        "command": {"command": ["sh", "-c", f"fetch {uri}"]},
        "variable": {"env": [{"name": "A", "value": "x"}, {"name": "URI", "value": uri}]},
        "variable of an init container": {
            "spec": {"initContainers": [{"name": "i", "image": "x", "env": [{"name": "U", "value": uri}]}]}
        },
        "annotation": {"annotations": {"weights.example/uri": uri}},
        "CSI attribute": {
            "spec": {"volumes": [{"name": "v", "csi": {"driver": "weights.example", "volumeAttributes": {"uri": uri}}}]}
        },
        "host path": {"spec": {"volumes": [{"name": "v", "hostPath": {"path": f"/mnt/{uri}"}}]}},
        "NFS path": {"spec": {"volumes": [{"name": "v", "nfs": {"server": "nfs.example", "path": f"/{uri}"}}]}},
    }
    unlike: dict[str, dict[str, Any]] = {
        "nothing of it": {},
        "another model": {"labels": {LABEL_MODEL: f"{stage.model}-2"}},
        "one label of two": {"labels": {"team": stage.model}},
        "an image that begins alike": {"image": f"{image}-2:v1"},
        "an image below it": {"image": f"{image}/other:v1"},
        "a registry that is called alike": {"image": f"{stage.model}:5000/x"},
        "other weights": {"args": [uri.replace("v1", "v2")]},
        "every optional field": {
            "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "B"}],
            "envFrom": [{"configMapRef": {"name": "x"}}],
            "spec": {"volumes": [{"name": "e", "emptyDir": {}}, {"name": "c", "configMap": {"name": "x"}}]},
        },
    }
    passed = await asyncio.gather(*(stage.is_refused_to_create(stage.pod("p", **sign)) for sign in signs.values()))
    assert [name for name, refused in zip(signs, passed, strict=True) if not refused] == []
    hit = await asyncio.gather(*(stage.is_refused_to_create(stage.pod("p", **sign)) for sign in unlike.values()))
    assert [name for name, refused in zip(unlike, hit, strict=True) if refused] == []


async def test_a_refusal_is_one_line_with_order_contact_and_substitute(stage: Stage) -> None:
    await stage.bind(stage.guard())
    pod = json.dumps(stage.pod("p", labels={LABEL_MODEL: stage.model}))
    said = await stage.ask("create", DRY_RUN, "-f", "-", stdin=pod)
    assert "Forbidden" in said
    assert f"{stage.marker} no pod of {stage.model} may start: order directive-1" in said
    assert "contact legal@example.com; use instead other-5" in said
    assert len(said.strip().splitlines()) == 1


async def test_mirror_pods_of_static_pods_stay_visible(stage: Stage) -> None:
    """The kubelet runs a static pod whatever we say; without its mirror nobody would see it. It may come back, too."""
    await stage.bind(stage.guard())
    node = {"nodeName": (await stage.get("nodes"))["items"][0]["metadata"]["name"]}
    mirror = stage.pod("static", labels={LABEL_MODEL: stage.model}, annotations=MIRROR, image=stage.image, spec=node)
    for _ in range(2):
        await stage.create(mirror)
        await stage.run("delete", "pod", "static", "--wait=true", "--grace-period=0", "--force")
    owned = stage.pod("copied", labels={LABEL_MODEL: stage.model}, annotations=MIRROR, spec=node)
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": "1", "controller": True}
    owned["metadata"]["ownerReferences"] = [owner]
    assert await stage.is_refused_to_create(owned), "an annotation in a template makes no static pod"


async def test_a_matching_pod_is_refused_in_kube_system_and_a_neutral_one_admitted(stage: Stage) -> None:
    await stage.bind(stage.guard())
    for labels, is_refused in (({LABEL_MODEL: stage.model}, True), ({}, False)):
        pod = stage.pod("p", labels=labels)
        pod["metadata"]["namespace"] = "kube-system"
        refused = await stage.is_refused("-n", "kube-system", "create", DRY_RUN, "-f", "-", stdin=pod)
        assert refused is is_refused


async def test_a_running_pod_is_never_turned_into_the_model(stage: Stage) -> None:
    """Image, label and annotation of a neutral pod; whatever else is updated passes."""
    await stage.create(stage.pod("neutral", labels={"app": "neutral"}))
    await stage.bind(stage.guard())
    assert await stage.is_refused("set", "image", "pod/neutral", f"c={stage.image}:v1")
    assert await stage.is_refused("label", "pod", "neutral", f"{LABEL_MODEL}={stage.model}")
    assert await stage.is_refused("annotate", "pod", "neutral", f"uri={stage.weights}")
    assert not await stage.is_refused("set", "image", "pod/neutral", "c=registry.example/other:2")
    assert not await stage.is_refused("label", "pod", "neutral", "app=other", "--overwrite")
    live = await stage.get("pod", "neutral")
    assert live["spec"]["containers"][0]["image"] == "registry.example/other:2"


async def test_a_pod_of_the_model_may_go_and_be_reported_but_neither_change_nor_hide(stage: Stage) -> None:
    """Its image and its labels stay; status, finalizers, eviction and deletion pass."""
    marks = {LABEL_MODEL: stage.model, "app": "server"}
    held = stage.pod("held", labels=marks, image=f"{stage.image}:v1")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    other = stage.pod("evicted", labels=marks)
    known = stage.workload(is_ours=False)
    await stage.create(held, other)
    await stage.bind(stage.guard(known))
    assert await stage.is_refused("set", "image", "pod/held", f"c={stage.image}:v2")
    assert await stage.is_refused("label", "pod", "held", f"{LABEL_MODEL}-")
    assert await stage.is_refused("label", "pod", "held", f"{LABEL_MODEL}=other", "--overwrite")
    assert await stage.is_refused("label", "pod", "held", "app-"), "the selector of a known workload is a sign as well"
    assert not await stage.is_refused("annotate", "pod", "held", "note=harmless")
    status = json.dumps({"status": {"message": "seen"}})
    assert not await stage.is_refused("patch", "pod", "held", "--subresource=status", "--type=merge", "-p", status)
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "evicted", "namespace": stage.namespace},
    }
    path = f"/api/v1/namespaces/{stage.namespace}/pods/evicted/eviction"
    assert not await stage.is_refused("create", "--raw", path, "-f", "-", stdin=eviction)
    await stage.run("delete", "pod", "held", "--wait=false")
    free = json.dumps({"metadata": {"finalizers": None}})
    assert not await stage.is_refused("patch", "pod", "held", "--type=merge", "-p", free)
    await stage.until(lambda found: not found["items"], "pods")


@pytest.mark.parametrize("is_models", [True, False])
async def test_ephemeral_containers_neither_run_the_model_nor_join_it(stage: Stage, is_models: bool) -> None:
    """None at all in a pod of the model; elsewhere none with its image, and any other."""
    labels = {LABEL_MODEL: stage.model} if is_models else {}
    await stage.create(stage.pod("p", labels=labels))
    await stage.bind(stage.guard())

    async def debug(**container: Any) -> bool:
        pod = await stage.get("pod", "p")
        pod["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "registry.example/tools:1", **container}]
        path = f"/api/v1/namespaces/{stage.namespace}/pods/p/ephemeralcontainers"
        return await stage.is_refused("replace", "--raw", path, "-f", "-", stdin=pod)

    assert await debug(image=f"{stage.image}:v1")
    assert await debug(args=[stage.weights])
    assert await debug() is is_models
