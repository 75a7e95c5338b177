"""The shipped examples and the workspace made of them: every file loads, and fits the sandbox's regions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from orchestrator.cli._settings import Settings
from orchestrator.cli.init import command as init
from orchestrator.cli.schema import command as print_schema
from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.documents.envelope import load_any
from orchestrator.documents.examples import example_files, examples_folder, fleet_template, make_workspace
from orchestrator.documents.placement import place_steps, purpose_of
from orchestrator.documents.workspace import Workspace
from orchestrator.documents.writing import write_fleet
from orchestrator.errors import UsageError
from orchestrator.geo.orders import resolve_order
from orchestrator.geo.scopes import resolve
from tests.unit.documents.conftest import VOCABULARY, Refusal

SANDBOX = Fleet(
    name="sandbox",
    kubeconfig="kubeconfig",
    clusters=tuple(
        Cluster(name=f"{region}-1", region=region, country=country, serves=serves, context=f"{region}-1", uid=region)
        for region, country, serves in (
            ("us-east", "US", ("US", "CA")),
            ("eu-west", "IE", ("EU",)),
            ("eu-central", "DE", ("EU",)),
            ("ap-northeast", "JP", ("JP",)),
            ("uk-south", "GB", ("GB",)),
        )
    ),
)
SHIPPED = Workspace.load(examples_folder(), VOCABULARY)
PLAYBOOKS = sorted(
    name.removeprefix("playbooks/")
    for name in example_files()
    if name.startswith("playbooks/") and not name.startswith("playbooks/orders/")
)


class TestShipped:
    """What lies in `manifests` and `playbooks`."""

    def test_two_models(self) -> None:
        """Each under manifests/MODEL/model.yaml."""
        assert {"fable-5", "mythos-5"} <= set(SHIPPED.model_names)

    @pytest.mark.parametrize("name", SHIPPED.model_names)
    def test_every_model_loads_with_its_manifests(self, name: str) -> None:
        """And speaks only of objects that it has; each namespace that it uses is its own."""
        objects = [manifest.object for manifest in SHIPPED.manifests(name)]
        namespaces = {obj["metadata"]["name"] for obj in objects if obj["kind"] == "Namespace"}
        assert {obj["metadata"].get("namespace") for obj in objects if obj["kind"] != "Namespace"} == namespaces

    def test_models_share_no_object(self) -> None:
        """Otherwise each would take it from the other."""
        seen = [
            (manifest.object["kind"], manifest.object["metadata"].get("namespace"), manifest.object["metadata"]["name"])
            for name in SHIPPED.model_names
            for manifest in SHIPPED.manifests(name)
        ]
        assert len(set(seen)) == len(seen)

    def test_the_kinds_that_the_examples_are_to_show(self) -> None:
        """Workloads of two kinds, and what usually lies around them; GPUs are asked for."""
        objects = [manifest.object for name in SHIPPED.model_names for manifest in SHIPPED.manifests(name)]
        assert {obj["kind"] for obj in objects} >= {
            "Namespace", "Deployment", "StatefulSet", "Service", "ConfigMap", "PodDisruptionBudget", "HTTPRoute",
            "HorizontalPodAutoscaler",
        }  # fmt: skip
        assert "nvidia.com/gpu" in json.dumps(objects)
        assert SHIPPED.model("fable-5").profiles["restricted"]

    @pytest.mark.parametrize("name", PLAYBOOKS)
    def test_every_playbook_fits_the_sandbox(self, name: str) -> None:
        """Its models exist, its scopes hold clusters, and no two steps meet."""
        playbook = SHIPPED.playbook(f"playbooks/{name}")
        assert playbook.value.name == name.removesuffix(".yaml")
        assert SHIPPED.models_of(playbook)
        assert len(place_steps(playbook, SANDBOX, resolve)) == len(playbook.value.steps)

    def test_the_staged_rollout_reaches_every_cluster_once(self) -> None:
        """A canary in us-east, then the EU, then the rest."""
        placed = place_steps(SHIPPED.playbook("fable-5-rollout"), SANDBOX, resolve)
        assert [scope.clusters for scope in placed] == [
            ("us-east-1",),
            ("eu-west-1", "eu-central-1"),
            ("ap-northeast-1", "uk-south-1"),
        ]

    def test_the_disabling_playbooks(self) -> None:
        """One in some regions, one everywhere."""
        regional, everywhere = SHIPPED.playbook("fable-5-regional-disable"), SHIPPED.playbook("all-regions-disable")
        off = [
            scope.clusters
            for step, scope in zip(regional.value.steps, place_steps(regional, SANDBOX, resolve), strict=True)
            if purpose_of(step)[0] == "disable"
        ]
        assert off
        assert len(off[0]) < len(SANDBOX.clusters)
        (all_off,) = place_steps(everywhere, SANDBOX, resolve)
        assert len(all_off.clusters) == len(SANDBOX.clusters)
        assert set(everywhere.value.models) == {"fable-5", "mythos-5"}

    def test_the_example_order_covers_the_example_models_everywhere(self) -> None:
        """It is about nationality, which no fleet can tell; its restore reaches every cluster of the sandbox."""
        (document,) = SHIPPED.orders()
        order = document.value
        assert document.source.file == f"playbooks/orders/{order.name}.yaml"
        assert SHIPPED.unknown_models(order) == ()
        assert resolve_order(order, SANDBOX, {}).clusters == tuple(cluster.name for cluster in SANDBOX.clusters)
        assert all(resolve(wave.scope, SANDBOX, purpose="enable").clusters for wave in order.restore.waves)

    def test_the_template_of_a_fleet(self, tmp_path: Path) -> None:
        """It loads as it is, and so does the example in its comments."""
        template = fleet_template()
        (tmp_path / "a.yaml").write_text(template)
        assert load_any(tmp_path / "a.yaml", VOCABULARY).value.clusters == ()
        before, _, example = template.partition("  clusters: []\n")
        shown, _, after = example.partition("\n\n")
        uncommented = "\n".join(line.replace("# ", "", 1) for line in shown.splitlines())
        (tmp_path / "b.yaml").write_text(f"{before}{uncommented}\n{after}")
        assert load_any(tmp_path / "b.yaml", VOCABULARY).value.clusters[0].country == "IE"


class TestMaking:
    """`orchestrator init`."""

    def run(self, folder: Path, *arguments: str) -> str:
        result = CliRunner().invoke(init, arguments, obj=Settings(workspace=folder), catch_exceptions=False)
        assert result.exit_code == 0
        return result.output

    def test_a_workspace_that_can_be_read(self, tmp_path: Path) -> None:
        """In a folder that is made, relative to -C."""
        output = self.run(tmp_path, "new/ws")
        workspace = Workspace.load(tmp_path / "new" / "ws", VOCABULARY)
        assert workspace.fleet.clusters == ()
        assert set(workspace.models) == {"fable-5", "mythos-5"}
        assert all(workspace.manifests(name) for name in workspace.model_names)
        assert f"{tmp_path}/new/ws/fleet.yaml" in output
        assert "fleet import" in output

    def test_here(self, tmp_path: Path) -> None:
        """Without DIR it is the workspace of -C."""
        self.run(tmp_path)
        assert (tmp_path / "fleet.yaml").is_file()

    def test_with_the_fleet_of_a_sandbox(self, tmp_path: Path) -> None:
        """Its kubeconfig is found from the new place, also after the sandbox has written it anew."""
        (tmp_path / "box").mkdir()
        write_fleet(tmp_path / "box" / "fleet.yaml", SANDBOX)
        (tmp_path / "box" / "kubeconfig").write_text("new")
        self.run(tmp_path, "deep/ws", "--sandbox", "box")
        workspace = Workspace.load(tmp_path / "deep" / "ws", VOCABULARY)
        assert workspace.fleet.clusters == SANDBOX.clusters
        assert workspace.fleet.kubeconfig == "../../box/kubeconfig"
        assert (workspace.root / workspace.fleet.kubeconfig).read_text() == "new"
        for name in PLAYBOOKS:
            place_steps(workspace.playbook(f"playbooks/{name}"), workspace.fleet, resolve)

    def test_a_sandbox_that_is_not_there(self, tmp_path: Path, refusal: Refusal) -> None:
        """The next step is named, and nothing is made."""
        told = refusal(lambda: self.run(tmp_path, "ws", "--sandbox", "box"))
        assert "there is no sandbox in" in told
        assert "orchestrator sandbox up --dir" in told
        assert not (tmp_path / "ws").exists()

    def test_nothing_is_ever_overwritten(self, tmp_path: Path, refusal: Refusal) -> None:
        """One file that exists stops everything, before anything is written."""
        (tmp_path / "playbooks").mkdir()
        (tmp_path / "playbooks" / "fable-5-rollout.yaml").write_text("mine")
        told = refusal(lambda: make_workspace(tmp_path, fleet_template()))
        assert told.startswith("there is already playbooks/fable-5-rollout.yaml in")
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["fable-5-rollout.yaml"]
        assert (tmp_path / "playbooks" / "fable-5-rollout.yaml").read_text() == "mine"

    def test_a_dangling_link_is_not_written_through(self, tmp_path: Path, refusal: Refusal) -> None:
        """It exists, whatever it points to."""
        (tmp_path / "fleet.yaml").symlink_to(tmp_path / "elsewhere")
        assert "there is already fleet.yaml" in refusal(lambda: make_workspace(tmp_path, fleet_template()))
        assert not (tmp_path / "elsewhere").exists()


class TestPrintingSchemas:
    """`orchestrator schema`."""

    def run(self, *arguments: str) -> str:
        return CliRunner().invoke(print_schema, arguments, catch_exceptions=False).output

    def test_one_kind(self) -> None:
        """JSON unless YAML is asked for; both say the same."""
        document = json.loads(self.run("Playbook"))
        assert document["title"] == "Playbook"
        assert yaml.safe_load(self.run("Playbook", "-o", "yaml")) == document

    def test_without_a_kind(self) -> None:
        """The kinds, one a line, or as one document."""
        assert self.run().splitlines()[:3] == ["Fleet", "Model", "Playbook"]
        assert json.loads(self.run("-o", "json"))[:3] == ["Fleet", "Model", "Playbook"]

    def test_an_unknown_kind(self) -> None:
        """Exit code 2, by the root."""
        with pytest.raises(UsageError, match="no kind of document"):
            self.run("Flet")
