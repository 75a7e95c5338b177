"""A guard in force on a real control plane, restricted to a model that is named after the test's own namespace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from orchestrator.core.model import Match, Model
from orchestrator.core.objects import LABEL_MODEL, JsonObject, ref_of
from orchestrator.core.observation import Expectation, Subject
from orchestrator.core.ports import ClusterWriter
from orchestrator.core.takedown import Guard, GuardProof, RouteCut
from orchestrator.core.verdict import Want
from orchestrator.delivery import SystemClock
from orchestrator.errors import Invalid
from orchestrator.guarding import DryRunProver, GuardRequest, build_guard

DIGEST = "0123456789abcdef" * 4
DRY_RUN = "--dry-run=server"
# ruff: noqa: ASYNC110  (what is waited for tells of itself by no event)


class Stage:
    """One namespace, its model, and kubectl beside them."""

    def __init__(self, kubectl: Callable[..., str], namespace: str, writer: ClusterWriter) -> None:
        self._kubectl = kubectl
        self.namespace = self.model = namespace
        self.writer = writer
        self.clock = SystemClock()
        self.prover = DryRunProver(self.clock)

    @property
    def image(self) -> str:
        return f"registry.example/{self.model}"

    @property
    def weights(self) -> str:
        return f"s3://weights/{self.model}/v1"

    @property
    def marker(self) -> str:
        return f"[orchestrator guard {DIGEST[:16]}/{self.model}]"

    def guard(self, *known: JsonObject, digest: str = DIGEST, **request: Any) -> Guard:
        """A guard over the model: by default it is recognised by label, image and weights."""
        workloads = tuple((ref_of(obj), obj["spec"].get("selector")) for obj in known)
        match = request.pop("match", Match(weights=(self.weights,), images=(self.image,)))
        public = {"contact": "legal@example.com", "substitute": "other-5"}
        return build_guard(
            GuardRequest(
                order="directive-1",
                digest=digest,
                model=self.model,
                public=public,
                match=match,
                workloads=workloads,
                **request,
            )
        )

    async def bind(self, guard: Guard, *, wait: bool = True) -> Guard:
        """Write policy and binding, and wait until the API server has loaded them."""
        for obj in (guard.policy, guard.binding):
            await self.run("apply", "--server-side", "-f", "-", stdin=json.dumps(obj))
        probe = self.pod("probe", labels={LABEL_MODEL: self.model})
        async with asyncio.timeout(20):
            while wait and not await self.is_refused_to_create(probe):
                await asyncio.sleep(0.1)
        return guard

    async def run(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints, when it succeeds."""
        return await asyncio.to_thread(self._kubectl, "-n", self.namespace, *arguments, stdin=stdin)

    async def ask(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints, or what it says when it fails."""
        return await asyncio.to_thread(self._kubectl, "-n", self.namespace, *arguments, stdin=stdin, check=False)

    async def is_refused(self, *arguments: str, stdin: JsonObject | None = None) -> bool:
        """Whether our guard refuses; another failure is an error of the test, unless a controller wrote first."""
        text = json.dumps(stdin) if stdin is not None else None
        while "the object has been modified" in (said := await self._refusal(*arguments, stdin=text)):
            await asyncio.sleep(0.1)
        assert not said or self.marker in said, said
        return bool(said)

    async def _refusal(self, *arguments: str, stdin: str | None) -> str:
        try:
            await self.run(*arguments, stdin=stdin)
        except AssertionError as error:
            return str(error)
        return ""

    async def is_refused_to_create(self, obj: JsonObject) -> bool:
        """The same for a creation, as a dry run and without kubectl, which takes half a second each time."""
        try:
            await self.writer.create(obj, dry_run=True)
        except Invalid as error:
            assert self.marker in error.message, error
            return True
        return False

    async def create(self, *objects: JsonObject) -> None:
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        await self.run("create", "-f", "-", stdin=json.dumps(document))

    async def get(self, kind: str, *arguments: str) -> Any:
        return json.loads(await self.run("get", kind, *arguments, "-o", "json"))

    async def until(self, question: Callable[[Any], bool], kind: str, *arguments: str, seconds: float = 30) -> Any:
        """What `kubectl get` reads, as soon as it is as expected."""
        async with asyncio.timeout(seconds):
            while not question(found := await self.get(kind, *arguments)):
                await asyncio.sleep(0.2)
        return found

    async def prove(self, guard: Guard, *known: JsonObject, within: float = 20, **model: Any) -> GuardProof:
        before = await self.prover.survey(self.writer)
        subject = self.subject(*known, **model)
        return await self.prover.prove(self.writer, guard, subject, before, deadline=self.clock.elapsed() + within)

    def subject(self, *known: JsonObject, **model: Any) -> Subject:
        match = model.pop("match", Match(weights=(self.weights,), images=(self.image,)))
        return Subject(
            model=Model(name=self.model, match=match, **model),
            cluster="here",
            region="here",
            want=Want.DISABLED,
            expectations=tuple(Expectation(ref_of(obj)) for obj in known),
            namespaces=(self.namespace,),
        )

    def pod(
        self,
        name: str,
        *,
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        image: str = "registry.example/neutral:1",
        spec: JsonObject | None = None,
        **container: Any,
    ) -> JsonObject:
        """A pod with one container, which is none of the model's unless the arguments say so."""
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": labels or {},
                "annotations": annotations or {},
            },
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "c", "image": image, **container}],
                **(spec or {}),
            },
        }

    def workload(
        self,
        kind: str = "Deployment",
        name: str = "server",
        *,
        replicas: int | None = 1,
        is_ours: bool = True,
        labels: dict[str, str] | None = None,
        **pod: Any,
    ) -> JsonObject:
        """A workload that carries our label on object and template, as we apply it, or an unlabelled one."""
        own = {LABEL_MODEL: self.model} if is_ours else {}
        pod_labels = {"app": name, **own, **(labels or {})}
        made = self.pod("template", labels=pod_labels, **pod)
        template = {"metadata": {"labels": pod_labels, "annotations": made["metadata"]["annotations"]}}
        template["spec"] = made["spec"]
        spec: JsonObject = {"template": template}
        match kind:
            case "Job":
                template["spec"]["restartPolicy"] = "Never"
            case "CronJob":
                template["spec"]["restartPolicy"] = "Never"
                spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}
            case "ReplicationController":
                spec["selector"] = {"app": name}
            case _:
                spec["selector"] = {"matchLabels": {"app": name}}
        if kind == "StatefulSet":
            spec["serviceName"] = name
        if replicas is not None and kind not in ("DaemonSet", "Job", "CronJob"):
            spec["replicas"] = replicas
        return {
            "apiVersion": {"Job": "batch/v1", "CronJob": "batch/v1", "ReplicationController": "v1"}.get(
                kind, "apps/v1"
            ),
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace, "labels": own},
            "spec": spec,
        }


def cut(obj: JsonObject, **rest: Any) -> RouteCut:
    """A cut of a route that is there."""
    return RouteCut(ref=ref_of(obj), uid="", answer="5xx", **rest)
