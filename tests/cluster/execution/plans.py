"""Plans written by hand, against what is live: planning is tested elsewhere, carrying out is tested here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.kind import Wanted
from orchestrator.core.model import Match, Model
from orchestrator.core.objects import ANNOTATION_REVISION, LABEL_MODEL, JsonObject, ObjectRef, dig, ref_of
from orchestrator.core.observation import Expectation, Subject
from orchestrator.core.plan import Change, ClusterPlan, ItemPlan, Plan, Verb, WavePlan
from orchestrator.core.playbook import OnFailure, Strategy
from orchestrator.core.ports import ClusterWriter
from orchestrator.core.records import CatalogueEntry, revision_of
from orchestrator.core.schema import Seconds
from orchestrator.core.verdict import Want

CRASHING = {"sandbox.orchestrator.dev/fail": "crash-loop"}
SLOW_TO_GO = {"sandbox.orchestrator.dev/gone-after": "2s"}


@dataclass(frozen=True)
class Release:
    """One revision of a model's manifests: a Deployment, a ConfigMap, and whatever a test adds."""

    model: str
    namespace: str
    version: str = "1"
    replicas: int = 2
    pod_annotations: dict[str, str] = field(default_factory=dict)
    more: tuple[JsonObject, ...] = ()

    @property
    def deployment(self) -> ObjectRef:
        return ObjectRef("apps/v1", "Deployment", self.namespace, self.model)

    @property
    def config(self) -> ObjectRef:
        return ObjectRef("v1", "ConfigMap", self.namespace, f"{self.model}-{self.version}")

    @property
    def manifests(self) -> tuple[JsonObject, ...]:
        labels = {LABEL_MODEL: self.model}
        container = {"name": "server", "image": f"registry.example/fable:{self.version}"}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.model, "namespace": self.namespace, "labels": labels},
            "spec": {
                "selector": {"matchLabels": {"app": self.model}},
                "template": {
                    "metadata": {"labels": {"app": self.model, **labels}, "annotations": self.pod_annotations},
                    "spec": {"terminationGracePeriodSeconds": 3, "containers": [container]},
                },
            },
        }
        config = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self.config.name, "namespace": self.namespace, "labels": labels},
            "data": {"version": self.version},
        }
        plain = (config, deployment, *self.more)
        return tuple(_annotated(manifest, revision_of(plain)) for manifest in plain)

    @property
    def revision(self) -> str:
        return str(self.manifests[0]["metadata"]["annotations"][ANNOTATION_REVISION])

    async def plan(self, writer: ClusterWriter, step: str = "enable", **changed: Any) -> ItemPlan:
        """What enabling this release takes in a cluster as it is now."""
        live = {ref_of(manifest): await writer.get(ref_of(manifest)) for manifest in self.manifests}
        changes: list[Change] = []
        for manifest in self.manifests:
            ref, found = ref_of(manifest), live[ref_of(manifest)]
            if dig(found, "metadata", "annotations", ANNOTATION_REVISION) != self.revision:
                uid = dig(found, "metadata", "uid")
                verb = Verb.APPLY if found else Verb.CREATE
                changes.append(Change(verb=verb, ref=ref, manifest=manifest, uid=uid))
            if ref == self.deployment and dig(found, "spec", "replicas", default=1) != self.replicas:
                uid = dig(found, "metadata", "uid")
                changes.append(Change(verb=Verb.SCALE, ref=ref, replicas=self.replicas, uid=uid))
        previous = await previous_entry(writer, self.model)
        entry = CatalogueEntry(
            model=self.model,
            want=Want.ENABLED,
            revision=self.revision,
            playbook="p",
            objects=tuple(sorted((ref.api_version, ref.kind, ref.namespace, ref.name) for ref in live)),
            replicas={str(self.deployment): self.replicas},
            soaked={} if previous is None or previous.revision != self.revision else previous.soaked,
        )
        values: dict[str, Any] = {
            "step": step,
            "subject": self.subject(writer, Want.ENABLED, live),
            "changes": tuple(changes),
            "entry": entry,
            "entry_changes": entry != previous,
            "manifests": self.manifests,
            "previous": previous,
            "absent_before": tuple(ref for ref, found in live.items() if found is None),
            **changed,
        }
        return ItemPlan(**values)

    async def plan_off(self, writer: ClusterWriter, step: str = "disable", **changed: Any) -> ItemPlan:
        """What switching this release off takes."""
        live = await writer.get(self.deployment)
        previous = await previous_entry(writer, self.model)
        off = Change(verb=Verb.SCALE, ref=self.deployment, replicas=0, uid=dig(live, "metadata", "uid"))
        before = previous or CatalogueEntry(model=self.model, want=Want.DISABLED)
        entry = CatalogueEntry(
            model=self.model,
            want=Want.DISABLED,
            revision=before.revision,
            playbook="p",
            objects=before.objects,
            replicas=before.replicas,
            soaked={key: mark for key, mark in before.soaked.items() if mark.startswith("disabled ")},
        )
        values: dict[str, Any] = {
            "step": step,
            "subject": self.subject(writer, Want.DISABLED, [ref_of(manifest) for manifest in self.manifests]),
            "changes": (off,) if dig(live, "spec", "replicas", default=0) else (),
            "entry": entry,
            "entry_changes": entry != previous,
            "previous": previous,
            **changed,
        }
        return ItemPlan(**values)

    def subject(self, writer: ClusterWriter, want: Want, refs: Iterable[ObjectRef]) -> Subject:
        on = want is Want.ENABLED
        manifests = {ref_of(manifest): manifest for manifest in self.manifests}
        number = self.replicas if on else 0
        return Subject(
            model=Model(name=self.model, match=Match(labels={"app": self.model})),
            cluster=writer.cluster.name,
            region=writer.cluster.region,
            want=want,
            expectations=tuple(
                Expectation(
                    ref, manifests[ref] if on else None, Wanted(replicas=number if ref == self.deployment else None)
                )
                for ref in refs
            ),
            namespaces=(self.namespace,),
            revision=self.revision if on else None,
        )


async def previous_entry(writer: ClusterWriter, model: str) -> CatalogueEntry | None:
    """What the cluster's catalogue says of a model now."""
    found = await writer.get(ObjectRef("v1", "ConfigMap", "orchestrator-system", f"model.{model}"))
    return CatalogueEntry.from_config_map(found) if found else None


def wave(step: str, *parts: tuple[ClusterWriter, ItemPlan], **changed: Any) -> WavePlan:
    """A step over these clusters."""
    deadline = Seconds(changed.pop("progress_deadline", 60))
    return WavePlan(
        step=step,
        want=parts[0][1].want,
        words=(),
        clusters=tuple(ClusterPlan(cluster=writer.cluster, items=(item,)) for writer, item in parts),
        strategy=Strategy(progress_deadline=deadline),
        **changed,
    )


def plan(model: str, *waves: WavePlan, on_failure: OnFailure = OnFailure.STOP) -> Plan:
    """A plan of these steps, of playbook `p`."""
    return Plan(action="apply", name="p", fleet="test", models=(model,), waves=waves, on_failure=on_failure)


def _annotated(manifest: JsonObject, revision: str) -> JsonObject:
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": {ANNOTATION_REVISION: revision}}}
