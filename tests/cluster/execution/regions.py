"""One cluster of a rollback test, its model, and kubectl beside it."""

from __future__ import annotations

from typing import Any

from orchestrator.core.plan import Plan
from orchestrator.core.playbook import OnFailure
from orchestrator.core.ports import ClusterWriter
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.result import ResultItem
from orchestrator.core.verdict import Verdict
from tests.cluster.execution.conftest import Runner, Witness
from tests.cluster.execution.plans import Release, plan, wave

SYSTEM = "orchestrator-system"


def codes(item: ResultItem) -> list[str]:
    return [reason.code for reason in item.reasons]


def words(item: ResultItem) -> str:
    return "; ".join(reason.message for reason in item.reasons)


class Region:
    """One cluster, its model, and kubectl beside it."""

    def __init__(self, runner: Runner, witness: Witness, writer: ClusterWriter, model: str, namespace: str) -> None:
        self.runner, self.witness, self.writer = runner, witness, writer
        self.model, self.namespace = model, namespace

    async def bring_to(self, release: Release) -> None:
        await self._run(wave("before", (self.writer, await release.plan(self.writer, "before"))))

    async def switch_off(self, release: Release) -> None:
        await self._run(wave("before", (self.writer, await release.plan_off(self.writer, "before"))))

    async def _run(self, only: Any) -> None:
        outcome = await self.runner.run(plan(self.model, only))
        assert [item.verdict for item in outcome.items] == [Verdict.VERIFIED], outcome.items

    def deployment(self) -> dict[str, Any] | None:
        return self.witness.get("deployment", self.model, "-n", self.namespace)

    def entry(self) -> CatalogueEntry | None:
        found = self.witness.get("configmap", f"model.{self.model}", "-n", SYSTEM)
        return CatalogueEntry.from_config_map(found) if found else None

    def image(self) -> str:
        live = self.deployment()
        assert live is not None
        return str(live["spec"]["template"]["spec"]["containers"][0]["image"])

    def config_maps(self) -> set[str]:
        found = self.witness.get("configmaps", "-n", self.namespace) or {"items": []}
        return {item["metadata"]["name"] for item in found["items"]} - {"kube-root-ca.crt"}


async def staged(regions: list[Region], releases: list[Release], on_failure: OnFailure) -> Plan:
    """One step per region, each to its release."""
    waves = [
        wave(f"step-{number}", (region.writer, await release.plan(region.writer, f"step-{number}")))
        for number, (region, release) in enumerate(zip(regions, releases, strict=True))
    ]
    return plan(releases[0].model, *waves, on_failure=on_failure)
