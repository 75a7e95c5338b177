"""A sandbox's directory: never somebody else's files, always enough to find what was started."""

import json
import multiprocessing
import stat
import time
from pathlib import Path

import pytest
import yaml

from orchestrator import sandbox
from orchestrator.documents.vocabulary import Vocabulary
from orchestrator.documents.workspace import Workspace
from orchestrator.errors import SandboxError
from orchestrator.geo.jurisdictions import load_jurisdictions
from orchestrator.sandbox.regions import RegionSpec, default_regions
from orchestrator.sandbox.store import Record, Store, imitated_spec

REGIONS = default_regions(2)
UIDS = {spec.cluster: f"uid-of-{spec.cluster}" for spec in REGIONS}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_directory_and_its_files_are_private(tmp_path):
    store = Store(tmp_path / "new" / "sandbox")
    store.prepare()
    store.write(Record(REGIONS, {}, UIDS))
    store.write_fleet(Record(REGIONS, {}, UIDS))

    assert mode(store.directory) == 0o700
    assert mode(store.fleet) == mode(store.directory / "sandbox.json") == 0o600


@pytest.mark.parametrize("name", ["fleet.yaml", "kubeconfig", "clusters"])
def test_a_directory_with_somebody_elses_files_is_refused_and_untouched(tmp_path, name):
    (tmp_path / name).write_text("mine")

    with pytest.raises(SandboxError, match="is not a sandbox"):
        sandbox.up(tmp_path, 1)

    assert not sandbox.down(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_removing_leaves_what_is_not_the_sandboxs(tmp_path):
    store = Store(tmp_path)
    store.prepare()
    store.write(Record(REGIONS))
    (tmp_path / "manifests").mkdir()

    assert sandbox.down(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["manifests"]


def test_removing_an_otherwise_empty_directory_removes_it(tmp_path):
    store = Store(tmp_path / "sandbox")
    store.prepare()
    store.write(Record(REGIONS))

    assert sandbox.down(tmp_path / "sandbox")

    assert not (tmp_path / "sandbox").exists()


def test_nothing_there_is_an_error_for_status_and_nothing_to_do_for_down(tmp_path):
    assert not sandbox.down(tmp_path / "nowhere")
    with pytest.raises(SandboxError, match="there is no sandbox") as caught:
        sandbox.status(tmp_path / "nowhere")
    assert "sandbox up" in str(caught.value.hint)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"apiVersion": "orchestrator/v9"}', '{"apiVersion": "orchestrator/v1"}']
)
def test_a_damaged_record_is_an_error_for_status_and_no_obstacle_for_down(tmp_path, text):
    store = Store(tmp_path / "sandbox")
    store.prepare()
    store.write(Record(REGIONS))
    (store.directory / "sandbox.json").write_text(text)

    with pytest.raises(SandboxError):
        sandbox.status(store.directory)
    assert sandbox.down(store.directory)
    assert not store.directory.exists()


def test_a_record_whose_cluster_names_are_paths_is_damaged(tmp_path):
    store = Store(tmp_path / "sandbox")
    store.prepare()
    store.write(Record(REGIONS))
    document = json.loads((store.directory / "sandbox.json").read_text())
    document["clusters"][0]["cluster"] = "../../victim"
    (store.directory / "sandbox.json").write_text(json.dumps(document))

    with pytest.raises(Exception, match="cannot be the name"):
        sandbox.status(store.directory)


def test_the_fleet_is_valid_and_names_the_kubeconfig_beside_it(tmp_path):
    store = Store(tmp_path)
    store.write_fleet(Record((*REGIONS, RegionSpec("plain", "nowhere")), {}, UIDS | {"plain": "uid"}))

    fleet = Workspace.load(tmp_path, Vocabulary(jurisdictions=load_jurisdictions())).fleet

    assert fleet.kubeconfig == "kubeconfig"
    assert [(each.name, each.context, each.uid) for each in fleet.clusters] == [
        ("us-east-1", "us-east-1", "uid-of-us-east-1"),
        ("eu-west-1", "eu-west-1", "uid-of-eu-west-1"),
        ("plain", "plain", "uid"),
    ]
    assert fleet.clusters[2].country is None
    assert fleet.clusters[2].serves is None, "undeclared must stay undeclared"


def test_an_imitated_fleet_keeps_its_rules_and_loses_its_orders(tmp_path):
    rest = {
        "safety": [{"rule": "minEnabledClusters", "value": 1}],
        "inForce": ["playbooks/orders/x.yaml"],
        "kubeconfig": "/real",
    }
    store = Store(tmp_path)
    store.write_fleet(Record(REGIONS, imitated_spec(rest), UIDS))

    spec = yaml.safe_load(store.fleet.read_text())["spec"]

    assert spec["safety"] == rest["safety"]
    assert "inForce" not in spec
    assert spec["kubeconfig"] == "kubeconfig"


def test_an_edited_fleet_is_not_overwritten(tmp_path):
    store = Store(tmp_path)
    store.fleet.write_text("# mine\n")

    store.write_fleet(Record(REGIONS, {}, UIDS))

    assert store.fleet.read_text() == "# mine\n"


def hold_lock(directory: str, seconds: float, ready) -> None:
    with Store(Path(directory)).locked():
        ready.set()
        time.sleep(seconds)


def test_two_commands_never_work_on_one_sandbox_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=hold_lock, args=(str(tmp_path), 0.5, ready))
    other.start()
    assert ready.wait(30)
    started = time.monotonic()

    with Store(tmp_path).locked():
        waited = time.monotonic() - started

    other.join()
    assert waited > 0.2


def test_a_lock_file_that_was_removed_meanwhile_locks_nothing(tmp_path):
    """`down` removes the file while `up` waits for it: `up` must lock the file that others will see."""
    store = Store(tmp_path)
    with store.locked():
        (tmp_path / ".lock").unlink()
        with Store(tmp_path).locked():
            assert (tmp_path / ".lock").exists()
