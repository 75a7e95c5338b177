"""The container image and the manifests that run it in a cluster, as far as they go without a container engine."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.cluster.conftest import ControlPlanes, Run, TestWorkspace
from tests.cluster.grants import shipped
from tests.cluster.image import CHECKOUT, Image, instructions

VERIFY = CHECKOUT / "manifests" / "verify"
OURS = "orchestrator-system"
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
JsonObject = dict[str, Any]


def documents(name: str) -> list[JsonObject]:
    return list(yaml.safe_load_all((VERIFY / name).read_text()))


def pod_spec() -> JsonObject:
    """The pod of the CronJob; the Job's is the same."""
    (cron_job,), (job,) = documents("30-cronjob.yaml"), documents("40-job.yaml")
    spec: JsonObject = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert job["spec"]["template"]["spec"] == spec
    return spec


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """Built in a clean folder that everybody may enter."""
    with tempfile.TemporaryDirectory(prefix="image-") as name:
        Path(name).chmod(0o755)
        made = Image(Path(name))
        made.build()
        yield made


def test_the_image_pins_what_it_installs_and_runs_as_nobody_without_a_shell() -> None:
    found = instructions()
    assert [rest for name, rest in found if name == "USER"] == ["65532:65532"]
    installs = [rest for name, rest in found if name == "RUN" and " install " in rest]
    assert all("--require-hashes" in rest or "--no-deps" in rest for rest in installs)
    last = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    assert "RUN" not in [name for name, _ in found[last:]]
    for name, rest in found:
        if name in ("ENTRYPOINT", "CMD"):
            assert isinstance(json.loads(rest), list), "the form that needs no shell"
    for lock in ("requirements-image.lock", "requirements-build.lock"):
        pinned = re.findall(r"^([a-z0-9-]+)==", (CHECKOUT / lock).read_text(), re.MULTILINE)
        assert (CHECKOUT / lock).read_text().count("--hash=sha256:") >= len(pinned) > 0
    tested = (CHECKOUT / "requirements.lock").read_text()
    ours = re.findall(r"^([a-z0-9-]+==\S+)", (CHECKOUT / "requirements-image.lock").read_text(), re.MULTILINE)
    assert [one for one in ours if one not in tested] == [], "the image has what was tested"


@pytest.mark.long
def test_the_image_is_built_step_by_step_and_its_tool_works_on_a_real_control_plane(
    image: Image, control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run
) -> None:
    workspace.write_model(replicas=1)
    orchestrator("enable", workspace.model, "--all", workspace=workspace.root).expect(0)
    helped = image.run()
    assert helped.returncode == 0 and "takedown" in helped.stdout, helped.stderr
    place = image.at("/workspace")
    fleet = yaml.safe_load((workspace.root / "fleet.yaml").read_text())
    (place / "kubeconfig").write_bytes(control_planes.kubeconfig.read_bytes())
    fleet["spec"]["kubeconfig"] = "kubeconfig"
    (place / "fleet.yaml").write_text(yaml.safe_dump(fleet))
    for file in place.iterdir():
        file.chmod(0o444)
    env = {"HOME": "/nonexistent"}
    status = image.run("status", workspace.model, "-o", "json", env=env)
    assert status.returncode == 0, status.stdout + status.stderr
    assert {item["verdict"] for item in json.loads(status.stdout)["items"]} == {"verified"}
    packages = image.at("/opt/orchestrator/lib").glob("python3*/site-packages/*")
    names = {path.name for path in packages}
    assert {"apprise", "prometheus_client", "opentelemetry"} <= names
    assert not {"pip", "hatchling", "pytest"} & names


def test_a_pod_security_level_of_restricted_admits_the_manifests(control_planes: ControlPlanes) -> None:
    """By the server's own dry run; pods are refused, jobs only warned of, so both are tried."""
    cluster = control_planes.clusters[0]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "verify", "namespace": OURS}, "spec": pod_spec()}
    admitted = [obj for file in sorted(VERIFY.glob("*.yaml")) for obj in documents(file.name)]
    labels = [f"pod-security.kubernetes.io/{mode}" for mode in ("enforce", "warn")]
    control_planes.kubectl(cluster, "label", "namespace", OURS, *(f"{label}=restricted" for label in labels))
    try:
        account = [obj for obj in admitted if obj["kind"] == "ServiceAccount"]
        control_planes.kubectl(cluster, "apply", "-f", "-", stdin=json.dumps(account[0]))
        for obj in [*admitted, pod]:
            said = control_planes.kubectl(
                cluster, "create", "--dry-run=server", "-f", "-", "--warnings-as-errors", stdin=json.dumps(obj),
                check=False,
            )  # fmt: skip
            assert "(server dry run)" in said or "AlreadyExists" in said, (obj["kind"], said)
        root = {**pod, "spec": {**pod_spec(), "securityContext": {}}}
        refused = control_planes.kubectl(
            cluster, "create", "--dry-run=server", "-f", "-", stdin=json.dumps(root), check=False
        )
        assert "violates PodSecurity" in refused
    finally:
        control_planes.kubectl(cluster, "label", "namespace", OURS, *(f"{label}-" for label in labels))
        control_planes.kubectl(cluster, "delete", "-f", "-", stdin=json.dumps(account[0]))


@pytest.mark.slow
def test_what_the_job_runs_gives_the_verdict_with_the_token_of_its_service_account(
    control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run, tmp_path: Path
) -> None:
    """The pod's own command line, its ConfigMap, its token; found by what a pod finds: two variables and a folder."""
    cluster, model = control_planes.clusters[0], workspace.model
    roles = [obj for obj in shipped() if "viewer" in obj["metadata"]["name"]]
    applied = [*roles, *documents("10-access.yaml")]
    control_planes.kubectl(cluster, "apply", "-f", "-", stdin=json.dumps(as_list(applied)))
    try:
        pod = Pod(control_planes, cluster, tmp_path)
        pod.mount_workspace(model)
        pod.mount_token()
        assert pod.verify() == (3, {"unverified"}), "nothing is there yet"
        workspace.write_model(workspace.deployment("fable-5", image="registry.example/fable-server:5.2"))
        pod_model = pod.folder / "workspace" / "manifests" / model
        copied = {path.name: path.read_bytes() for path in pod_model.iterdir()}
        for name, content in copied.items():
            (workspace.root / "manifests" / model / name).write_bytes(content)
        orchestrator("enable", model, "--cluster", cluster, workspace=workspace.root).expect(0)
        assert pod.verify() == (0, {"verified"})
        control_planes.kubectl(cluster, "scale", "deployment/fable-5", "--replicas=1", "-n", workspace.namespace)
        code, verdicts = pod.verify()
        assert (code, verdicts) in ((1, {"failed"}), (3, {"unverified"}))
        control_planes.kubectl(cluster, "delete", "clusterrolebinding", "orchestrator-verify")
        pod.until(lambda: pod.verify()[1] != {"verified"})
        assert pod.verify()[0] == 3, "who may not look has verified nothing"
    finally:
        control_planes.kubectl(cluster, "delete", "--ignore-not-found", "-f", "-", stdin=json.dumps(as_list(applied)))


def as_list(objects: list[JsonObject]) -> JsonObject:
    return {"apiVersion": "v1", "kind": "List", "items": objects}


class Pod:
    """The pod of the job, its volumes as folders of this machine."""

    def __init__(self, planes: ControlPlanes, cluster: str, folder: Path) -> None:
        self.planes, self.cluster, self.folder = planes, cluster, folder / "pod"
        self.spec = pod_spec()
        (self.container,) = self.spec["containers"]

    def volume(self, name: str) -> JsonObject:
        (found,) = (volume for volume in self.spec["volumes"] if volume["name"] == name)
        return dict(found)

    def mount(self, name: str) -> Path:
        """Where a volume lies: its mount path, below the folder of this pod."""
        (found,) = (mount for mount in self.container["volumeMounts"] if mount["name"] == name)
        assert found["readOnly"]
        return self.folder / str(found["mountPath"]).lstrip("/")

    def mount_workspace(self, model: str) -> None:
        """The ConfigMap's keys as the volume places them; the model and its namespace are the test's own."""
        (config_map,) = documents("20-workspace.yaml")
        for item in self.volume("workspace")["configMap"]["items"]:
            file = self.mount("workspace") / item["path"].replace("fable-5", model)
            file.parent.mkdir(parents=True, exist_ok=True)
            text = config_map["data"][item["key"]].replace("namespace: fable}", f"namespace: {model}}}")
            text = text.replace("metadata: {name: fable-5}", f"metadata: {{name: {model}}}")
            file.write_text(text.replace("models: [fable-5]", f"models: [{model}]"))

    def mount_token(self) -> None:
        """A token as the kubelet asks for one, and the cluster's authority; no kubeconfig."""
        token, authority = self.volume("token")["projected"]["sources"]
        seconds = token["serviceAccountToken"]["expirationSeconds"]
        place = self.mount("token")
        assert str(place).endswith(SERVICE_ACCOUNT)
        place.mkdir(parents=True)
        name = self.spec["serviceAccountName"]
        asked = self.planes.kubectl(self.cluster, "create", "token", name, "-n", OURS, f"--duration={seconds}s")
        (place / token["serviceAccountToken"]["path"]).write_text(asked.strip())
        (place / authority["configMap"]["items"][0]["path"]).write_bytes(self._server()[1])

    def _server(self) -> tuple[str, bytes]:
        config = yaml.safe_load(self.planes.kubeconfig.read_text())
        (found,) = (one["cluster"] for one in config["clusters"] if one["name"] == self.cluster)
        data = found.get("certificate-authority-data")
        file = self.planes.kubeconfig.parent / found.get("certificate-authority", "")
        return found["server"], base64.b64decode(data) if data else file.read_bytes()

    def verify(self) -> tuple[int, set[str]]:
        """Exit code and verdicts of the container's own arguments; only where its folders lie is another place."""
        place = self.mount("token")
        code = (
            "import sys; from pathlib import Path; from orchestrator.delivery import kubeconfig\n"
            f"kubeconfig._SERVICE_ACCOUNT = Path({str(place)!r})\n"
            "from orchestrator.__main__ import main; sys.exit(main())"
        )
        arguments = [word.replace("/workspace", str(self.mount("workspace"))) for word in self.container["args"]]
        server = urlsplit(self._server()[0])
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env={"KUBERNETES_SERVICE_HOST": str(server.hostname), "KUBERNETES_SERVICE_PORT": str(server.port)},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        found = json.loads(done.stdout)
        assert found["exitCode"] == done.returncode, done.stderr
        return done.returncode, {item["verdict"] for item in found.get("items", ())}

    @staticmethod
    def until(condition: Any) -> None:
        """The authorizer hears of a change a moment later."""
        from tests.cluster.orders import wait_until

        wait_until(condition, 60)
