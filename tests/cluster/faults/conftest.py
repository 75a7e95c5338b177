"""Chains of cells, run side by side because they mostly wait, and the table of what came of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster.conftest import ControlPlanes
from tests.cluster.faults.chains import Cell, Chain
from tests.cluster.faults.every_fault import FAULTS, standing
from tests.faults.proxy import ProxyThread

SIDE_BY_SIDE = 3
_DONE = pytest.StashKey[list[Cell]]()


class Cells:
    """The cells that this run wants, each as soon as it is there."""

    def __init__(self, planes: ControlPlanes, proxies: ProxyThread, folder: Path) -> None:
        self._planes, self._proxies, self._folder = planes, proxies, folder
        self._futures: dict[tuple[str, str], Future[Cell]] = {}
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="fault")

    def start(self, wanted: Collection[tuple[str, str]]) -> None:
        """Begin with every chain that these cells belong to."""
        self._futures = {cell: Future() for cell in wanted}
        for number, fault in enumerate(dict.fromkeys(fault for fault, _ in wanted)):
            commands = [command for one, command in wanted if one == fault]
            self._pool.submit(self._run_chain, fault, commands, self._folder / str(number))

    def result(self, fault: str, command: str) -> Cell:
        """Wait for a cell; raises what went wrong in its chain."""
        return self._futures[fault, command].result(timeout=3600)

    def close(self) -> None:
        """Begin no further chain, and wait for those that run."""
        self._pool.shutdown(cancel_futures=True)

    def _run_chain(self, fault: str, commands: Collection[str], folder: Path) -> None:
        try:
            folder.mkdir()
            with standing(self._planes, self._proxies, folder) as stand:
                for cell in Chain(FAULTS[fault], stand).run(commands):
                    self._futures[fault, cell.command].set_result(cell)
        except Exception as error:
            for command in commands:
                if not self._futures[fault, command].done():
                    self._futures[fault, command].set_exception(error)


@pytest.fixture(scope="session")
def proxies() -> Iterator[ProxyThread]:
    """Where the proxies of all tests run."""
    thread = ProxyThread()
    yield thread
    thread.close()


@pytest.fixture(scope="module")
def cells(
    request: pytest.FixtureRequest,
    control_planes: ControlPlanes,
    proxies: ProxyThread,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cells]:
    """The cells that the selected tests of this file ask for; all begin when the first is asked for."""
    selected = [
        item.callspec.params
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and hasattr(item, "callspec")
    ]
    running = Cells(control_planes, proxies, tmp_path_factory.mktemp("cells"))
    running.start([(one["fault"], one["command"]) for one in selected if "fault" in one])
    yield running
    running.close()


@pytest.fixture
def show(request: pytest.FixtureRequest) -> Iterator[list[Cell]]:
    """Cells to be printed in the table at the end of the run."""
    done: list[Cell] = []
    yield done
    request.config.stash.setdefault(_DONE, []).extend(done)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    cells = config.stash.get(_DONE, [])
    if not cells:
        return
    width = max(len(cell.fault) for cell in cells)
    terminalreporter.section("every fault and every command")
    terminalreporter.write_line(f"{'fault':{width}}  {'command':14}  {'verdict':11}  exit  seconds  reasons")
    for cell in cells:
        terminalreporter.write_line(
            f"{cell.fault:{width}}  {cell.command:14}  {cell.verdict:11}  {cell.exit:4}  {cell.seconds:7.1f}  "
            f"{', '.join(cell.codes)}{'  !!' if cell.problems else ''}"
        )
