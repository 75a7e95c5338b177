"""What an order leaves behind through the real command line: evidence, the second order's hold, records, catalogues."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.orders import Scene
from tests.cluster.test_takedown_traps import clean_up

JsonObject = dict[str, Any]
INDEPENDENT = Path(__file__).parents[2] / "docs" / "verify_evidence.py"
ENV_VALUE, SECRET = "env-value-4f1c9a", "secret-data-77d0b2"


@pytest.fixture
def place(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Scene]:
    """A model with a value in its environment and a Secret, on in every region."""
    deployment = workspace.deployment("fable", replicas=2)
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "LICENCE", "value": ENV_VALUE}]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "fable", "namespace": workspace.namespace}}
    images = [f"registry.example/{workspace.model}"]
    workspace.write_model(deployment, {**secret, "stringData": {"key": SECRET}}, match={"images": images})
    found = Scene(control_planes, workspace, orchestrator)
    found.orchestrator("enable", workspace.model, "--all", "-o", "json").expect(0)
    yield found
    clean_up(found)


def keys(folder: Path) -> tuple[Path, Path]:
    """An Ed25519 key and its public part, in PEM."""
    key, private, public = Ed25519PrivateKey.generate(), folder / "evidence.key", folder / "evidence.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    private.chmod(0o600)
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.mark.slow
def test_evidence_of_a_takedown_tells_every_regions_times_and_no_secret(place: Scene, tmp_path: Path) -> None:
    """Signed it is worth 0, unsigned 3; who ordered it is told only where the order says that it is public."""
    model, (private, public) = place.workspace.model, keys(tmp_path)
    closed = place.write_order("closed", models=[model])
    opened = place.write_order("opened", models=[model], public=True)
    runs = [place.take_down(order, models=[model]).expect(0).json["run"] for order in (closed, opened)]
    texts = []
    for number, run in enumerate(runs):
        file = tmp_path / f"{run}.jsonl"
        place.orchestrator("evidence", "export", run, "--key", str(private), "--save", str(file)).expect(0)
        place.orchestrator("evidence", "verify", str(file), "--public-key", str(public)).expect(0)
        place.orchestrator("evidence", "verify", str(file)).expect(3)
        subprocess.run([sys.executable, INDEPENDENT, file, public], check=True, timeout=60, capture_output=True)
        texts.append(file.read_text())
        records = [json.loads(line) for line in texts[-1].splitlines()]
        regions = [record["data"] for record in records if record.get("type") == "region"]
        assert len(regions) == 3
        # The second order finds the model dark: of its run nobody can say when the last pod went.
        seen = ("guarded", "stopped", "verified", *(("lastPodGone",) if number == 0 else ()))
        for region in regions:
            assert all(region["times"][name] for name in seen), region
            assert region["verdicts"]
        if number == 0:
            check_objects(records)
    assert [("Bureau of Examples" in text, "EX-2026-0612" in text) for text in texts] == [(False,) * 2, (True,) * 2]
    kept = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    for secret in (ENV_VALUE, SECRET):
        assert not any(secret.encode() in content for content in (*(text.encode() for text in texts), *kept)), secret
    unsigned = tmp_path / "unsigned.jsonl"
    done = place.orchestrator("evidence", "export", runs[0], "--save", str(unsigned)).expect(0)
    assert "NOT SIGNED" in done.stderr
    place.orchestrator("evidence", "verify", str(unsigned), "--public-key", str(public)).expect(3)


def check_objects(records: list[JsonObject]) -> None:
    """In each region the Deployment stands in the file before and after, with the server's version and time."""
    events = [record for record in records if record.get("data", {}).get("event") == "observed"]
    clusters = {record["cluster"] for record in events}
    assert len(clusters) == 3
    for cluster in clusters:
        seen = [record["data"]["data"] for record in events if record["cluster"] == cluster]
        found = {one["moment"]: one for one in seen if one["object"].startswith("apps/Deployment ")}
        assert [found[moment]["content"]["spec"]["replicas"] for moment in ("before", "after")] == [2, 0], seen
        variable = found["before"]["content"]["spec"]["template"]["spec"]["containers"][0]["env"][0]
        assert (variable["name"], variable["value"][:12]) == ("LICENCE", "hmac-sha256:")
        for one in found.values():
            assert one["resourceVersion"] == one["content"]["metadata"]["resourceVersion"]
            assert abs(datetime.now(UTC) - datetime.fromisoformat(one["serverTime"])) < timedelta(minutes=10)


@pytest.mark.slow
@pytest.mark.parametrize("last", [0, pytest.param(1, marks=pytest.mark.long)])
def test_of_two_orders_the_last_lifted_brings_it_back_from_a_folder_that_knows_nothing(
    place: Scene, tmp_path: Path, last: int
) -> None:
    """The second is carried out in the dark; lifted in either order, from an empty state folder, 2 replicas return."""
    model = place.workspace.model
    paths = [place.write_order(name, models=[model], restore={"jitter": "0s"}) for name in ("one", "two")]
    for path in paths:
        place.take_down(path, models=[model]).expect(0)
    laptop = tmp_path / "laptop"
    laptop.mkdir()
    for number, path in enumerate((paths[1 - last], paths[last])):
        (laptop / "order.yaml").write_text((place.workspace.root / path).read_text())
        done = place.run(
            "restore", "--order", "order.yaml", "--contexts", "all", "--confirm", model,
            "--lift-reference", "EX-2026-0701", "-o", "json",
            workspace=laptop, env={"ORCHESTRATOR_STATE": str(laptop / f"state-{number}")},
        )  # fmt: skip
        done.expect(0)
        verdict, state = (("held", "disabled"), ("verified", "enabled"))[number]
        assert {(item["verdict"], item["state"]) for item in done.json["items"]} == {(verdict, state)}, done.stdout
        for cluster in place.planes.clusters:
            found = place.planes.read(cluster, "deployment", "fable", "-n", model)
            assert found["spec"]["replicas"] == (0, 2)[number], done.stdout
    left = {name for cluster in place.planes.clusters for name in place.ours(cluster) if model in name}
    assert not [name for name in left if not name.startswith((f"ConfigMap/model.{model}", "Secret/manifests."))]


@pytest.mark.parametrize("change", ["renamed", "relabelled"])
def test_a_catalogue_entry_under_another_name_proves_nothing(place: Scene, tmp_path: Path, change: str) -> None:
    """A pod is recognised by an image that only the catalogues tell: where they are spoilt, nothing is verified."""
    model, ours = place.workspace.model, ("-n", "orchestrator-system")
    container = {"name": "server", "image": f"registry.example/{model}:1"}
    namespace = {"name": "stray", "namespace": model}
    stray = {"apiVersion": "v1", "kind": "Pod", "metadata": namespace, "spec": {"containers": [container]}}
    laptop = tmp_path / "laptop"
    laptop.mkdir()
    order = place.write_order(models=[model])
    (laptop / "order.yaml").write_text((place.workspace.root / order).read_text())
    for cluster in place.planes.clusters:
        place.planes.kubectl(cluster, "create", "-f", "-", stdin=json.dumps(stray))
        if change == "relabelled":
            label = f"orchestrator.dev/model={model}-renamed"
            place.planes.kubectl(cluster, "label", "--overwrite", f"configmap/model.{model}", label, *ours)
            continue
        entry = place.planes.read(cluster, "configmap", f"model.{model}", *ours)
        metadata = {**entry["metadata"], "name": f"model.{model}-renamed", "resourceVersion": None, "uid": None}
        moved = json.dumps({**entry, "metadata": metadata})
        place.planes.kubectl(cluster, "create", "-f", "-", stdin=moved)
        place.planes.kubectl(cluster, "delete", "configmap", f"model.{model}", *ours)
    done = place.run(
        "takedown", "--order", "order.yaml", "--contexts", "all", "--confirm", model, "--rehearse", "--soak", "2s",
        "-o", "json", workspace=laptop,
    )  # fmt: skip
    items = done.expect(3).json["items"]
    assert {item["verdict"] for item in items} == {"unverified"}, done.stdout
    assert all(place.pods(cluster, model) == [] for cluster in place.planes.clusters), "what is labelled goes"
