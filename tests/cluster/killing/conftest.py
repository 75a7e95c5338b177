"""The runs of every selected test, and at how many points they were killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.conftest import ControlPlanes
from tests.cluster.killing.killings import Case, Killings

_PASSED = pytest.StashKey[Counter[str]]()


@pytest.fixture(scope="session")
def killings(
    request: pytest.FixtureRequest, control_planes: ControlPlanes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Killings]:
    """The cases of every test that was selected."""
    chosen = [item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")]
    cases = [case for case in chosen if isinstance(case, Case)]
    made = Killings(control_planes, tmp_path_factory.mktemp("killing"), cases)
    yield made
    made.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Count the cases that passed."""
    result: Any = yield
    report: pytest.TestReport = result.get_result()
    case = getattr(item, "callspec", None) and item.callspec.params.get("case")  # type: ignore[attr-defined]
    if report.when == "call" and report.passed and isinstance(case, Case):
        item.config.stash.setdefault(_PASSED, Counter())[f"{case.story}, {case.way}"] += 1


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print at how many points runs were killed and gone on with."""
    for name, count in sorted(config.stash.get(_PASSED, Counter()).items()):
        terminalreporter.write_line(f"kill points passed: {name}: {count}")
