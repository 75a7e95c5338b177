"""Notifications, metrics and traces of real runs, through the real command line, to real servers on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.conftest import ControlPlanes, Finished, Run, TestWorkspace
from tests.cluster.listeners import Listener, listening
from tests.cluster.orders import Scene
from tests.cluster.test_takedown_traps import clean_up

SECRET = "s3cr3t-t0k3n-of-the-webhook"
WORDS = {"contact": "desk@models.example", "substitute": "saga-2", "notice": "Off by order, see the notice."}


@pytest.fixture
def scene(control_planes: ControlPlanes, workspace: TestWorkspace, orchestrator: Run) -> Iterator[Scene]:
    workspace.write_model(replicas=1)
    workspace.write_playbook({"name": "everywhere", "enable": {"scope": {"all": True}}}, name="on")
    made = Scene(control_planes, workspace, orchestrator)
    yield made
    clean_up(made)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as heard:
        yield heard


def set_fleet(scene: Scene, **spec: Any) -> None:
    """Fields of the fleet, besides those it has."""
    file = scene.workspace.root / "fleet.yaml"
    fleet = yaml.safe_load(file.read_text())
    fleet["spec"] |= spec
    file.write_text(yaml.safe_dump(fleet, sort_keys=False))


def take_down(scene: Scene, order: str, *arguments: str, **options: Any) -> Finished:
    named = ("--order", order, "--confirm", scene.workspace.model, "--rehearse", "--soak", "1s", "-o", "json")
    return scene.orchestrator("takedown", *named, *arguments, **options)


def labels(family: dict[str, Any], **wanted: str) -> dict[tuple[str, ...], float]:
    """Values of a family's samples that have these labels, by their other labels."""
    return {
        tuple(value for name, value in sorted(sample.labels.items()) if name not in (*wanted, "fleet", "action")): (
            sample.value
        )
        for sample in family["samples"]
        if wanted.items() <= sample.labels.items()
    }


def families(file: Path) -> dict[str, dict[str, Any]]:
    """A textfile as Prometheus' own parser reads it; node-exporter takes neither timestamps nor a torn file."""
    text = file.read_text()
    found = {
        one.name: {"samples": one.samples, "help": one.documentation} for one in text_string_to_metric_families(text)
    }
    assert all(sample.timestamp is None for one in found.values() for sample in one["samples"])
    return found


def test_who_is_named_hears_of_a_takedown_only_what_the_order_makes_public(
    scene: Scene, listener: Listener, tmp_path: Path
) -> None:
    """Others hang, fail, or have no address: that is said once, and the run's result is the same as without them."""
    host, model = f"127.0.0.1:{listener.port}", scene.workspace.model
    (tmp_path / "hook").write_text(f"http://{host}/file?key={SECRET}\n")
    set_fleet(
        scene,
        notify=[
            {"name": "desk", "urlFrom": {"env": "DESK"}, "actions": ["takedown", "restore"], "begins": True},
            {"name": "file", "urlFrom": {"file": str(tmp_path / "hook")}, "outcomes": ["verified"]},
            {"name": "bad-news", "url": f"json://{host}/bad-news", "outcomes": ["failed", "unproven"]},
            {"name": "broken", "url": f"json://{host}/broken/{SECRET}", "begins": True, "timeout": "30s"},
            {"name": "hanging", "url": f"json://{host}/hang/{SECRET}", "timeout": "1s", "begins": True},
            {"name": "nobody", "url": f"json://127.0.0.1:1/{SECRET}", "timeout": "30s"},
            {"name": "unset", "urlFrom": {"env": "NOT_SET_ANYWHERE"}},
        ],
        metrics={"directory": str(tmp_path)},
    )
    env = {"DESK": f"json://{host}/desk/{SECRET}"}
    enabled = scene.orchestrator("apply", "playbooks/on.yaml", "-o", "json", env=env).expect(0)
    assert listener.messages(f"/desk/{SECRET}") == []
    order = scene.write_order(models=[model], **WORDS)
    done = take_down(scene, order, env=env).expect(0)
    assert done.json["outcome"] == "verified"

    begins, ends = listener.messages(f"/desk/{SECRET}")
    assert begins["title"] == f"[rehearsal] takedown begins: {model}"
    assert ends["title"] == f"[rehearsal] takedown verified: {model}"
    assert (begins["type"], ends["type"]) == ("info", "success")
    for message in (begins, ends):
        text = message["title"] + message["message"]
        assert all(words in text for words in WORDS.values())
        assert "sandbox" in text and done.json["run"] in text
        for hidden in ("Bureau of Examples", "EX-2026-0612", "directive"):
            assert hidden not in text
    assert "3 verified" in ends["message"]
    told = listener.messages(f"/file?key={SECRET}")
    assert [message["title"] for message in told] == [f"[rehearsal] apply verified: {model}", ends["title"]]
    assert listener.messages("/bad-news") == []

    for run in (enabled, done):
        for name, why in {
            "broken": "the service answered 500",
            "hanging": "answer",
            "nobody": "could not be reached",
            "unset": "NOT_SET_ANYWHERE is not set",
        }.items():
            (line,) = [line for line in run.stderr.splitlines() if f"notification {name} " in line]
            assert why in line
    kept = b"".join(file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file())
    for place in (enabled.stdout, enabled.stderr, done.stdout, done.stderr, kept.decode(errors="replace")):
        assert SECRET not in place

    (left,) = tmp_path.glob("orchestrator-*-takedown.prom")
    found = families(left)
    assert labels(found["orchestrator_order_debt"], model=model) == {(): 0.0}
    phases = labels(found["orchestrator_phase_seconds"], model=model)
    for cluster in scene.planes.clusters:
        region = next(item["region"] for item in done.json["items"] if item["cluster"] == cluster)
        seconds = [phases[cluster, phase, region] for phase in ("guarded", "stopped", "last_pod_gone", "verified")]
        assert all(0 <= each <= done.json["seconds"] for each in seconds)
        assert phases[cluster, "guarded", region] < phases[cluster, "verified", region]
        assert (cluster, "traffic_cut", region) not in phases, "nothing probed it: what was not seen has no sample"


@pytest.mark.slow
def test_a_public_order_may_name_who_demands_it_and_a_run_without_work_tells_nobody(
    scene: Scene, listener: Listener
) -> None:
    model = scene.workspace.model
    set_fleet(scene, notify=[{"name": "desk", "url": f"json://127.0.0.1:{listener.port}/desk"}])
    scene.orchestrator("apply", "playbooks/on.yaml").expect(0)
    scene.orchestrator("apply", "playbooks/on.yaml").expect(0)
    take_down(scene, scene.write_order(models=[model], public=True)).expect(0)
    scene.orchestrator("enable", model, "--all").expect(4)
    titles = [message["title"] for message in listener.messages("/desk")]
    assert titles == [f"[rehearsal] apply verified: {model}", f"[rehearsal] takedown verified: {model}"]
    last = listener.messages("/desk")[-1]["message"]
    assert "Authority: Bureau of Examples" in last and "Reference: EX-2026-0612" in last


def test_a_verify_that_finds_something_is_told_where_that_is_listed_and_measured(
    scene: Scene, listener: Listener, tmp_path: Path
) -> None:
    model, cluster = scene.workspace.model, scene.planes.clusters[0]
    url = f"json://127.0.0.1:{listener.port}"
    set_fleet(
        scene,
        notify=[
            {"name": "pager", "url": f"{url}/pager", "actions": ["verify"], "outcomes": ["failed", "unproven"]},
            {"name": "runs", "url": f"{url}/runs"},
        ],
    )
    scene.orchestrator("apply", "playbooks/on.yaml", "--metrics", str(tmp_path / "apply.prom")).expect(0)
    verify = ("verify", "playbooks/on.yaml", "--metrics", str(tmp_path / "verify.prom"))
    scene.orchestrator(*verify).expect(0)
    assert listener.messages("/pager") == []
    scene.planes.kubectl(cluster, "scale", "deployment/server", "--replicas=0", "-n", scene.workspace.namespace)
    found = scene.orchestrator(*verify, "-o", "json")
    assert found.code in (1, 3)

    (message,) = listener.messages("/pager")
    assert f"- {model} in {cluster}: {found.items()[cluster]['verdict']}" in message["message"]
    assert [told["title"] for told in listener.messages("/runs")] == [f"[rehearsal] apply verified: {model}"]
    measured = families(tmp_path / "verify.prom")
    assert labels(measured["orchestrator_run_exit_code"]) == {(): float(found.code)}
    assert labels(measured["orchestrator_items"], model=model)["verified",] == 2.0
    assert labels(measured["orchestrator_run_outcome"])[found.json["outcome"],] == 1.0
    assert sum(labels(measured["orchestrator_run_outcome"]).values()) == 1.0
    applied = families(tmp_path / "apply.prom")
    assert len(labels(applied["orchestrator_phase_seconds"], model=model, phase="verified")) == 3
    assert {name: one["help"] for name, one in applied.items()} == {name: one["help"] for name, one in measured.items()}
    assert sorted(file.name for file in tmp_path.glob("*.prom*")) == ["apply.prom", "verify.prom"]


def test_metrics_that_cannot_be_written_cost_a_warning_and_a_wrong_name_is_refused(
    scene: Scene, tmp_path: Path
) -> None:
    away = scene.orchestrator("status", scene.workspace.model, "--metrics", str(tmp_path / "away" / "x.prom"))
    assert "metrics could not be written" in away.stderr and "No such file" in away.stderr
    assert away.code == scene.orchestrator("status", scene.workspace.model).code
    refused = scene.orchestrator("status", "--metrics", str(tmp_path / "x.txt")).expect(2)
    assert "ending in .prom" in refused.stderr


@pytest.mark.slow
def test_a_run_is_one_trace_with_a_span_for_each_cluster_item_and_phase(scene: Scene, listener: Listener) -> None:
    model = scene.workspace.model
    scene.orchestrator("apply", "playbooks/on.yaml").expect(0)
    order = scene.write_order(models=[model], **WORDS)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{listener.port}",
        "OTEL_RESOURCE_ATTRIBUTES": "team=models",
        "TRACEPARENT": f"00-{trace}-00f067aa0ba902b7-01",
    }
    done = take_down(scene, order, env=env).expect(0)
    assert "trace" not in done.stderr
    spans = listener.spans()
    by_id = {span.span_id: span for span in spans}
    attributes = {span.span_id: {one.key: one.value.string_value for one in span.attributes} for span in spans}
    assert {span.trace_id.hex() for span in spans} == {trace}
    (run,) = [span for span in spans if span.name == "takedown"]
    assert run.parent_span_id.hex() == "00f067aa0ba902b7"
    assert attributes[run.span_id]["orchestrator.run"] == done.json["run"]
    items = [span for span in spans if span.name.startswith(f"{model} in ")]
    assert sorted(attributes[span.span_id]["orchestrator.cluster"] for span in items) == sorted(scene.planes.clusters)
    for item in items:
        cluster = by_id[item.parent_span_id]
        assert cluster.parent_span_id == run.span_id
        phases = {span.name: span for span in spans if span.parent_span_id == item.span_id}
        assert {"until guarded", "until stopped", "until last_pod_gone", "until verified"} <= phases.keys()
        assert all(item.start_time_unix_nano == span.start_time_unix_nano for span in phases.values())
        assert phases["until verified"].end_time_unix_nano <= item.end_time_unix_nano <= run.end_time_unix_nano
        assert "sending" in {event.name for event in item.events}
    text = b"".join(listener.bodies["/v1/traces"]).decode(errors="replace")
    assert "Bureau of Examples" not in text and "EX-2026-0612" not in text

    for endpoint, said in {"/broken": "the collector answered 500", "/hang": "the trace was not delivered"}.items():
        named = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{listener.port}{endpoint}"}
        again = scene.orchestrator("verify", "--order", order, "--rehearse", env=named).expect(0)
        assert "trace" not in again.stderr, "what changes nothing has no trace"
        late = take_down(scene, order, env=named).expect(0)
        assert said in late.stderr
