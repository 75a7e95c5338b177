"""A namespace of a real control plane, with a model in it, as the verification tests see it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.kind import Wanted
from orchestrator.core.model import Model
from orchestrator.core.objects import LABEL_MODEL, JsonObject, ref_of
from orchestrator.core.observation import Expectation, Settled, Subject
from orchestrator.core.ports import ClusterReader
from orchestrator.core.verdict import Judgement, Readiness, Want
from orchestrator.delivery import SystemClock
from orchestrator.verification import LiveVerifier

MODEL = "fable-5"


@dataclass
class Stage:
    """One namespace of one real control plane, and a model in it."""

    kubectl: Callable[..., str]
    namespace: str
    reader: ClusterReader
    verifier: LiveVerifier
    clock: SystemClock
    told: list[Judgement] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints, without holding up the loop."""
        return await asyncio.to_thread(self.kubectl, "-n", self.namespace, *arguments, stdin=stdin)

    async def apply(self, manifest: JsonObject) -> None:
        await self.run("apply", "--server-side", "-f", "-", stdin=json.dumps(manifest))

    async def get(self, kind: str, *arguments: str) -> Any:
        return json.loads(await self.run("get", kind, *arguments, "-o", "json"))

    def deployment(self, *, replicas: int = 2, notes: dict[str, str] | None = None, **container: Any) -> JsonObject:
        """A Deployment of the model; `notes` tell the simulated kubelet what to do with its pods."""
        labels = {"app": MODEL, LABEL_MODEL: MODEL}
        notes = {f"sandbox.orchestrator.dev/{key}": value for key, value in (notes or {}).items()}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": MODEL, "namespace": self.namespace, "labels": labels},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": MODEL}},
                "template": {
                    "metadata": {"labels": labels, "annotations": notes},
                    "spec": {"containers": [{"name": "server", "image": "registry.example/fable:1", **container}]},
                },
            },
        }

    def subject(self, want: Want, *manifests: JsonObject, model: Model | None = None) -> Subject:
        """What is wanted of the model; replicas are wanted apart from manifests, as planning does it."""
        expectations = []
        for manifest in manifests:
            spec = {key: value for key, value in manifest.get("spec", {}).items() if key != "replicas"}
            replicas = manifest.get("spec", {}).get("replicas") if want is Want.ENABLED else None
            bare = {**manifest, "spec": spec} if "spec" in manifest else manifest
            expectations.append(Expectation(ref_of(manifest), bare, Wanted(replicas=replicas)))
        return Subject(
            model=model or Model(name=MODEL),
            cluster="here",
            region="here",
            want=want,
            expectations=tuple(expectations),
            namespaces=(self.namespace,),
        )

    async def settle(self, subject: Subject, *, within: float = 30.0, soak: float = 0.0) -> Settled:
        deadline = self.clock.elapsed() + within
        return await self.verifier.settle(self.reader, subject, deadline=deadline, soak=soak, tell=self._hear)

    def _hear(self, judgement: Judgement) -> None:
        self.told.append(judgement)
        self._news.set()

    async def heard(self, readiness: Readiness) -> None:
        """Return when the verifier has told of such a judgement."""
        while not any(judgement.readiness is readiness for judgement in self.told):
            self._news.clear()
            await self._news.wait()
