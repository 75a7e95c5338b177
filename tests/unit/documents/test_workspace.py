"""The workspace: what is found where, and that no path leads out of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from orchestrator.documents.workspace import Workspace
from tests.unit.documents.conftest import VOCABULARY, Refusal, Write

FLEET = "apiVersion: orchestrator/v1\nkind: Fleet\nmetadata: {name: f}\nspec: {clusters: []}\n"
MODEL = "apiVersion: orchestrator/v1\nkind: Model\nmetadata: {name: fable-5}\nspec: {manifests: [.]}\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: fable, namespace: models}\n"
PLAYBOOK = """\
apiVersion: orchestrator/v1
kind: Playbook
metadata: {name: rollout}
spec:
  models: [fable-5]
  steps: [{name: all, enable: {scope: {all: true}}}]
"""


@pytest.fixture
def workspace(tmp_path: Path, write: Write) -> Workspace:
    """A workspace in a folder of its own, so that there is something outside of it."""
    write("ws/fleet.yaml", FLEET)
    write("ws/manifests/fable-5/model.yaml", MODEL)
    write("ws/manifests/fable-5/service.yaml", SERVICE)
    write("ws/manifests/rbac/role.yaml", "kind: ClusterRole\n")
    write("ws/playbooks/rollout.yaml", PLAYBOOK)
    write("ws/playbooks/orders/order.yaml", PLAYBOOK)
    write("outside.yaml", PLAYBOOK)
    return Workspace.load(tmp_path / "ws", VOCABULARY)


class TestFinding:
    """Files are where they belong."""

    def test_fleet_models_and_manifests(self, workspace: Workspace) -> None:
        """A folder without model.yaml is no model."""
        assert workspace.fleet.name == "f"
        assert workspace.model_names == ("fable-5",)
        assert set(workspace.models) == {"fable-5"}
        (service,) = workspace.manifests("fable-5")
        assert service.object["kind"] == "Service"
        assert (service.file, service.line) == ("manifests/fable-5/service.yaml", 1)

    @pytest.mark.parametrize("given", ["rollout", "playbooks/rollout.yaml", Path("playbooks/rollout.yaml")])
    def test_a_playbook_by_name_or_by_path(self, workspace: Workspace, given: str | Path) -> None:
        """Relative paths are the workspace's."""
        document = workspace.playbook(given)
        assert document.value.name == "rollout"
        assert document.source.file == "playbooks/rollout.yaml"

    def test_an_absolute_path_into_the_workspace(self, workspace: Workspace) -> None:
        """Does not leave it."""
        assert workspace.playbook(workspace.root / "playbooks" / "rollout.yaml").value.name == "rollout"

    def test_the_models_of_a_playbook(self, workspace: Workspace, write: Write, refusal: Refusal) -> None:
        """One that is not there is named with the playbook's line."""
        assert [model.name for model in workspace.models_of(workspace.playbook("rollout"))] == ["fable-5"]
        write("ws/playbooks/other.yaml", PLAYBOOK.replace("[fable-5]", "[fable-6]"))
        message = refusal(lambda: workspace.models_of(workspace.playbook("other")))
        assert message.startswith('other.yaml:5: there is no model "fable-6" in this workspace | did you mean fable-5?')

    def test_without_manifests_there_are_no_models(self, tmp_path: Path) -> None:
        """A sandbox's folder is a workspace with a fleet alone."""
        assert Workspace.load(tmp_path, VOCABULARY).models == {}

    def test_the_folder_and_the_model_have_one_name(self, workspace: Workspace, write: Write, refusal: Refusal) -> None:
        """Otherwise a command would switch another model than its folder says."""
        write("ws/manifests/mythos-5/model.yaml", MODEL)
        message = refusal(lambda: workspace.model("mythos-5"))
        assert "model.yaml:3: the model is called fable-5, and its folder mythos-5" in message


class TestMissing:
    """What is not there is named, with the next step."""

    def test_no_folder(self, tmp_path: Path, refusal: Refusal) -> None:
        """`init` makes one."""
        assert "orchestrator init" in refusal(lambda: Workspace.load(tmp_path / "none", VOCABULARY))

    def test_no_fleet(self, tmp_path: Path, refusal: Refusal) -> None:
        """`init` makes one, `-C` chooses another."""
        told = refusal(lambda: Workspace.load(tmp_path, VOCABULARY).fleet)
        assert "there is no fleet.yaml in" in told
        assert "orchestrator init" in told

    def test_no_such_model_or_playbook(self, workspace: Workspace, refusal: Refusal) -> None:
        """With what was probably meant."""
        assert "did you mean fable-5?" in refusal(lambda: workspace.model("fable5"))
        assert "did you mean rollout?" in refusal(lambda: workspace.playbook("rolout"))
        assert "there is no file playbooks/no.yaml" in refusal(lambda: workspace.playbook("playbooks/no.yaml"))

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ("gone", "there is no file or folder gone"),
            ("notes.txt", "notes.txt: manifests are files that end in .yaml, .yml, .json"),
            ("empty", "the manifests hold no object"),
        ],
    )
    def test_manifests_that_are_not_there(
        self, workspace: Workspace, write: Write, refusal: Refusal, given: str, message: str
    ) -> None:
        """Never silently nothing."""
        write("ws/manifests/fable-5/notes.txt", "")
        write("ws/manifests/fable-5/empty/only-comments.yaml", "# nothing\n---\n")
        write("ws/manifests/fable-5/model.yaml", MODEL.replace("[.]", f"[{given}]"))
        assert f"model.yaml:4: {message}" in refusal(lambda: workspace.manifests("fable-5"))


class TestManifestFiles:
    """Which files of a model's folder are read."""

    def test_files_of_the_folder_itself_by_name(self, workspace: Workspace, write: Write) -> None:
        """YAML and JSON; not what is hidden, in folders below, or of another kind."""
        for name in ("a.json", "b.yml", ".hidden.yaml", "below/c.yaml", "README.md"):
            write(f"ws/manifests/fable-5/{name}", SERVICE.replace("fable", name.strip(".").split(".")[0].split("/")[0]))
        write("ws/manifests/fable-5/a.json", '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}')
        files = [Path(manifest.file).name for manifest in workspace.manifests("fable-5")]
        assert files == ["a.json", "b.yml", "service.yaml"]

    def test_a_folder_beside_the_model(self, workspace: Workspace, write: Write) -> None:
        """`..` is no crime as long as it stays in the workspace."""
        write("ws/manifests/shared/x.yaml", SERVICE.replace("fable", "shared"))
        write("ws/manifests/fable-5/model.yaml", MODEL.replace("[.]", "[service.yaml, ../shared]"))
        assert [m.object["metadata"]["name"] for m in workspace.manifests("fable-5")] == ["fable", "shared"]

    def test_adopted_models_have_none(self, workspace: Workspace, write: Write) -> None:
        """Somebody else deployed them."""
        write("ws/manifests/fable-5/model.yaml", MODEL.replace("manifests: [.]", "adopt: {selector: {app: fable}}"))
        assert workspace.manifests("fable-5") == ()


class TestLeaving:
    """A path that leaves the workspace is refused, and nothing is read."""

    @pytest.mark.parametrize(
        "given", ["../outside.yaml", "playbooks/../../outside.yaml", "/etc/passwd", "../ws2/x.yaml"]
    )
    def test_by_dots_or_from_the_root(self, workspace: Workspace, refusal: Refusal, given: str) -> None:
        """For playbooks and for manifests."""
        started = time.monotonic()
        assert "leaves the workspace" in refusal(lambda: workspace.playbook(given))
        assert time.monotonic() - started < 1

    @pytest.mark.parametrize("given", ["../../..", "../../../outside.yaml"])
    def test_by_a_models_manifests(self, workspace: Workspace, write: Write, refusal: Refusal, given: str) -> None:
        """At the line that says so."""
        write("ws/manifests/fable-5/model.yaml", MODEL.replace("[.]", f"[{given}]"))
        message = refusal(lambda: workspace.manifests("fable-5"))
        assert message.startswith("model.yaml:4: ")
        assert "leaves the workspace" in message

    @pytest.mark.parametrize(
        ("link", "target"),
        [
            ("playbooks/link.yaml", "outside.yaml"),
            ("manifests/fable-5/link.yaml", "outside.yaml"),
            ("manifests/linked", "elsewhere"),
        ],
    )
    def test_by_a_symbolic_link(
        self, workspace: Workspace, write: Write, refusal: Refusal, tmp_path: Path, link: str, target: str
    ) -> None:
        """To a file, or to a folder on the way."""
        write("elsewhere/model.yaml", MODEL.replace("fable-5", "linked"))
        (workspace.root / link).symlink_to(tmp_path / target)
        actions = {
            "playbooks/link.yaml": lambda: workspace.playbook("link"),
            "manifests/fable-5/link.yaml": lambda: workspace.manifests("fable-5"),
            "manifests/linked": lambda: workspace.model("linked"),
        }
        assert "leaves the workspace" in refusal(actions[link])

    def test_the_fleet_as_a_link(self, workspace: Workspace, refusal: Refusal, tmp_path: Path) -> None:
        """The fleet decides to which clusters things are sent."""
        (workspace.root / "fleet.yaml").unlink()
        (workspace.root / "fleet.yaml").symlink_to(tmp_path / "outside.yaml")
        assert "leaves the workspace" in refusal(lambda: workspace.fleet)

    def test_links_within_the_workspace(self, workspace: Workspace) -> None:
        """Are harmless."""
        (workspace.root / "playbooks" / "latest.yaml").symlink_to("rollout.yaml")
        assert workspace.playbook("latest").value.name == "rollout"

    def test_a_workspace_that_is_a_link_itself(self, workspace: Workspace, tmp_path: Path) -> None:
        """The root may lie anywhere."""
        (tmp_path / "here").symlink_to(workspace.root)
        assert Workspace.load(tmp_path / "here", VOCABULARY).playbook("rollout").value.name == "rollout"

    def test_what_is_no_path(self, workspace: Workspace, refusal: Refusal) -> None:
        """A NUL character."""
        assert "is no usable path" in refusal(lambda: workspace.playbook("a\0b.yaml"))

    def test_a_loop_of_links(self, workspace: Workspace, refusal: Refusal) -> None:
        """Told in one way or another, depending on the version of Python."""
        (workspace.root / "loop.yaml").symlink_to("loop.yaml")
        told = refusal(lambda: workspace.playbook("loop.yaml"))
        assert "is no usable path" in told or "there is no file" in told or "cannot be read" in told

    @pytest.mark.parametrize("name", ["../fable-5", "fable-5/../fable-5", "/etc", "", ".", "FABLE-5"])
    def test_names_never_become_paths(self, workspace: Workspace, refusal: Refusal, name: str) -> None:
        """A model is named, not addressed."""
        assert "there is no model" in refusal(lambda: workspace.model(name))
