"""What is known of models: every definition counts, in a workspace or any cluster, for descent and for marks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from orchestrator.core.fleet import Cluster
from orchestrator.core.model import Match
from orchestrator.core.observation import Subject
from orchestrator.core.order import About, Order
from orchestrator.core.plan import ClusterPlan, ItemPlan, Plan, WavePlan
from orchestrator.core.records import CatalogueEntry
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.core.verdict import Want
from orchestrator.geo.orders import models_under
from orchestrator.workflow.doubts import with_marks_of_others
from orchestrator.workflow.recognising import Knowledge, gather_knowledge
from orchestrator.workflow.session import load_workspace
from tests.unit.workflow.test_holds import EVERYWHERE, FABLE, NAMES, held
from tests.unit.workflow.test_holds import snapshot as cluster

ORDER = Order(name="o", authority="a", reference="r", models=("fable-5",), about=About(everyone=True))


def snapshot(name: str, **definitions: dict[str, Any]) -> ClusterSnapshot:
    """A cluster whose catalogue says this of these models, `_` standing for `-` in their names."""
    entries = {
        (model := key.replace("_", "-")): CatalogueEntry(model=model, want=Want.ENABLED, definition=definition)
        for key, definition in definitions.items()
    }
    return ClusterSnapshot(cluster=Cluster(name=name, region=name), entries=entries)


def knowledge(root: Path, *snapshots: ClusterSnapshot, **specs: dict[str, Any]) -> Knowledge:
    """What a workspace with these models, and these clusters, know."""
    for key, spec in specs.items():
        name = key.replace("_", "-")
        folder = root / "manifests" / name
        folder.mkdir(parents=True)
        document = {
            "apiVersion": "orchestrator/v1",
            "kind": "Model",
            "metadata": {"name": name},
            "spec": {"manifests": ["."], **spec},
        }
        (folder / "model.yaml").write_text(yaml.safe_dump(document))
    return gather_knowledge(load_workspace(root), snapshots)


def in_scope(known: Knowledge) -> list[str]:
    return [name for name, _ in models_under(ORDER, known.lineage)]


class TestDescent:
    PLAIN: ClassVar[dict[str, Any]] = {"match": {"images": ["registry.example/mini"]}}
    DERIVED: ClassVar[dict[str, Any]] = {**PLAIN, "derivedFrom": ["fable-5"]}

    def test_a_derivative_that_only_a_catalogue_calls_one_is_in_scope(self, tmp_path: Path) -> None:
        """The workspace's file has lost the line, or is somebody else's."""
        known = knowledge(tmp_path, snapshot("us", fable_5_mini=self.DERIVED), fable_5_mini=self.PLAIN)
        assert in_scope(known) == ["fable-5", "fable-5-mini"]

    def test_a_derivative_that_only_the_workspace_calls_one_is_in_scope(self, tmp_path: Path) -> None:
        known = knowledge(tmp_path, snapshot("us", fable_5_mini=self.PLAIN), fable_5_mini=self.DERIVED)
        assert in_scope(known) == ["fable-5", "fable-5-mini"]

    def test_one_of_many_clusters_suffices(self, tmp_path: Path) -> None:
        plain, derived = snapshot("us", fable_5_mini=self.PLAIN), snapshot("ie", fable_5_mini=self.DERIVED)
        assert in_scope(knowledge(tmp_path, plain, derived)) == ["fable-5", "fable-5-mini"]

    def test_descent_counts_also_in_a_definition_that_is_not_understood(self, tmp_path: Path) -> None:
        """A later version may have written it: the model is in scope, and in doubt, never left out."""
        known = knowledge(tmp_path, snapshot("us", fable_5_mini={**self.DERIVED, "planet": "Mars"}))
        assert in_scope(known) == ["fable-5", "fable-5-mini"]
        recognised = known.recognise("fable-5-mini", ORDER)
        assert not recognised.is_known
        assert [reason.code for reason in recognised.doubts] == ["damaged-entry"]

    def test_a_descent_of_wrong_type_is_none(self, tmp_path: Path) -> None:
        for said in ("fable-5", {"fable-5": True}, [5, None], None):
            assert in_scope(knowledge(tmp_path, snapshot("us", fable_5_mini={"derivedFrom": said}))) == ["fable-5"]


class TestHolds:
    @pytest.mark.parametrize("where", NAMES)
    async def test_descent_that_only_a_catalogue_tells_holds_too(self, where: str, tmp_path: Path) -> None:
        """Whoever deletes the line from the workspace's file has lifted nothing, nor has who never had the file."""
        entries = {
            name: CatalogueEntry(model=name, want=Want.DISABLED, definition={"derivedFrom": [parent]})
            for name, parent in (("fable-5-nano", "fable-5-mini"), ("fable-5-mini", "fable-5"))
        }
        snapshots = {name: cluster(name) for name in NAMES} | {where: cluster(where, entries=entries)}
        snapshots["us"] = replace(snapshots["us"], holds=(EVERYWHERE,))
        silent = replace(FABLE, name="fable-5-nano")
        found = await held(tmp_path, list(snapshots.values()), model=silent, only=("ie",))
        assert found == {"ie": ("directive",)}

    async def test_a_document_that_concerns_none_of_the_models_is_not_read(self, tmp_path: Path) -> None:
        """A broken file of another model stops nobody, though a catalogue knows of that model."""
        folder = tmp_path / "manifests" / "mythos-5"
        folder.mkdir(parents=True)
        (folder / "model.yaml").write_text("kind: Nonsense\n")
        entry = CatalogueEntry(model="mythos-5", want=Want.ENABLED, definition={"derivedFrom": ["other"]})
        snapshots = [cluster("us", holds=(EVERYWHERE,), entries={"mythos-5": entry})]
        assert await held(tmp_path, snapshots) == dict.fromkeys(NAMES, ("directive",))


class TestMarksOfOthers:
    def others(self, known: Knowledge) -> dict[str, Match]:
        subject = Subject(
            model=known.recognise("fable-5", ORDER).model,
            cluster="us",
            region="us",
            want=Want.DISABLED,
            expectations=(),
            namespaces=(),
        )
        item = ItemPlan(step="s", subject=subject, entry=CatalogueEntry(model="fable-5", want=Want.DISABLED))
        part = ClusterPlan(cluster=Cluster(name="us", region="us"), items=(item,))
        wave = WavePlan(step="s", want=Want.DISABLED, words=(), clusters=(part,))
        plan = Plan(action="takedown", name="o", fleet="f", models=("fable-5",), waves=(wave,))
        return dict(with_marks_of_others(plan, known).waves[0].clusters[0].items[0].subject.others)

    def test_who_carries_a_mark_by_any_definition_serves_that_model_too(self, tmp_path: Path) -> None:
        """What the workspace no longer lists may run all the same, and is not killed silently."""
        ours, theirs = {"match": {"images": ["registry.example/new"]}}, {"match": {"images": ["registry.example/old"]}}
        others = self.others(knowledge(tmp_path, snapshot("us", mythos_5=theirs), mythos_5=ours, fable_5={}))
        assert others == {"mythos-5": Match(images=("registry.example/new", "registry.example/old"))}

    def test_labels_that_differ_are_each_a_mark_of_their_own(self, tmp_path: Path) -> None:
        """Joined into one they would demand that a pod carries both."""
        clusters = [
            snapshot(str(number), mythos_5={"match": {"labels": {"app": str(number % 3)}}}) for number in range(5)
        ]
        assert list(self.others(knowledge(tmp_path, *clusters)).values()) == [
            Match(labels={"app": "0"}),
            Match(labels={"app": "1"}),
            Match(labels={"app": "2"}),
        ]
