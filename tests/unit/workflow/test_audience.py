"""Nobody who is told of a run delays or fails it, whatever they do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from orchestrator.core.fleet import Fleet, Notification
from orchestrator.core.verdict import Verdict
from orchestrator.telemetry import notifying, tracing
from orchestrator.telemetry.metrics import MetricsWriter
from orchestrator.workflow.audience import Audience
from tests.unit.telemetry.test_messages import beginning, item, result

FLEET = Fleet(name="f", clusters=(), notify=(Notification(name="desk", url="json://127.0.0.1:1/s3cret"),))
ENDED = result(item("c0", Verdict.UNREACHABLE))


def told(audience: Audience, root: Path) -> None:
    audience.begins(FLEET, root, beginning())
    audience.ends(ENDED)
    audience.close()


@pytest.mark.parametrize("name", ["apprise", "prometheus_client", "opentelemetry.exporter"])
def test_a_library_that_is_not_installed_is_said_once_with_the_next_step(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel's own test shows it with an environment that has none of them."""
    found: list[str] = []
    real = notifying.importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda asked: None if asked == name else real(asked))
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    only = {"environ": environ if "telemetry" in name else {}}
    audience = Audience(found.append, tmp_path / "x.prom" if "prom" in name else None, **only)
    told(audience, tmp_path)
    (words,) = (one for one in found if "not installed" in one)
    assert "pip install 'orchestrator[" in words


def test_one_that_raises_is_said_once_and_the_others_still_hear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    def fail(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(notifying.Notifier, "ends", fail)
    monkeypatch.setattr(notifying.Notifier, "sees", fail)
    told(Audience(found.append, tmp_path / "x.prom", {}), tmp_path)
    assert found == ["Notifier failed with ZeroDivisionError: others may not be told"]
    assert "orchestrator_run_exit_code" in (tmp_path / "x.prom").read_text()


def test_nothing_is_opened_where_nothing_is_asked_for(tmp_path: Path) -> None:
    audience = Audience(environ={})
    audience.begins(Fleet(name="f", clusters=()), tmp_path, beginning())
    audience.ends(ENDED)
    audience.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "console,otlp"}, True),
    ],
)
def test_the_standard_variables_say_whether_there_are_traces(environ: dict[str, str], *, wanted: bool) -> None:
    assert tracing.is_wanted(environ) is wanted


def test_a_disk_that_fails_costs_a_warning(tmp_path: Path) -> None:
    found: list[str] = []
    writer = MetricsWriter(tmp_path / "away" / "x.prom", None, found.append)
    writer.ends(ENDED)
    writer.close(time.monotonic() + 60)
    (words,) = found
    assert "could not be written" in words


def test_an_address_is_never_shown() -> None:
    assert "s3cret" not in repr(FLEET)
