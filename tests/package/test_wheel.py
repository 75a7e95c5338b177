"""The wheel, in a clean virtual environment and from any folder, is the whole tool with all its data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import orchestrator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "orchestrator"


def done(command: Sequence[str | Path], cwd: Path, environment: dict[str, str] | None = None) -> str:
    """Run a command that must succeed; what it prints."""
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@dataclass(frozen=True)
class Installed:
    """The tool as somebody has it who installed the wheel: no checkout, no tools of development."""

    environment: Path
    folder: Path

    def run(self, *arguments: str) -> str:
        return done([self.environment / "bin" / "orchestrator", *arguments], self.folder, self._variables())

    def python(self, code: str) -> str:
        return done([self.environment / "bin" / "python", "-c", code], self.folder, self._variables())

    def _variables(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and with the wheel built from nothing but that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    done([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)], ROOT)
    return folder


@pytest.fixture(scope="module")
def installed(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    environment = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(environment, with_pip=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    folder = tmp_path_factory.mktemp("elsewhere")
    done([*pip, "--require-hashes", "-r", str(ROOT / "requirements-run.lock")], folder)
    done([*pip, "--no-deps", str(next(distributions.glob("*.whl")))], folder)
    return Installed(environment, folder)


def test_the_wheel_holds_every_file_of_the_package(distributions: Path) -> None:
    with zipfile.ZipFile(next(distributions.glob("*.whl"))) as wheel:
        shipped = set(wheel.namelist())

    ours = {
        file.relative_to(ROOT).as_posix()
        for file in PACKAGE.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert ours - shipped == set()


def test_the_sdist_holds_what_its_tests_and_its_readers_need(distributions: Path) -> None:
    with tarfile.open(next(distributions.glob("*.tar.gz"))) as sdist:
        shipped = {name.partition("/")[2] for name in sdist.getnames()}

    wanted = {"LICENSE", "README.md", "CHANGELOG.md", "Makefile", "requirements.lock", "tests/package/test_wheel.py"}
    assert wanted - shipped == set()


@pytest.mark.slow
def test_it_is_the_installed_package_that_runs(installed: Installed) -> None:
    place = installed.python("import orchestrator; print(orchestrator.__file__)")

    assert place.startswith(str(installed.environment))
    assert installed.run("--version") == f"orchestrator {orchestrator.__version__}\n"


def test_its_dependencies_are_complete_and_agree(installed: Installed) -> None:
    assert "No broken requirements" in done(
        [installed.environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "check"],
        installed.folder,
    )


def test_every_module_can_be_imported_without_the_tools_of_development(installed: Installed) -> None:
    installed.python(
        "import importlib, pkgutil, orchestrator\n"
        "for module in pkgutil.walk_packages(orchestrator.__path__, 'orchestrator.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)\n"
    )


def test_it_explains_itself_and_its_documents(installed: Installed) -> None:
    assert "sandbox" in installed.run("--help")
    assert json.loads(installed.run("schema", "Fleet", "-o", "json"))["properties"]["spec"]


def test_it_makes_a_workspace_that_it_can_read(installed: Installed) -> None:
    installed.run("init", "workspace")

    made = installed.folder / "workspace"
    assert (made / "fleet.yaml").is_file()
    assert {file.parent.name for file in made.glob("manifests/*/model.yaml")} == {"fable-5", "mythos-5"}
    assert list(made.glob("playbooks/*.yaml"))


def test_it_can_draw_a_report(installed: Installed) -> None:
    """With its map, its style and its templates, even of a run that left next to nothing."""
    page = installed.python(
        "from orchestrator.evidence import JournalContents, RunRecord\n"
        "from orchestrator.evidence.report import html_of, view_of\n"
        "journal = JournalContents(records=(), intact_bytes=0)\n"
        "print(html_of(view_of(RunRecord(run='x', about=None, result=None, journal=journal), {})))\n"
    )
    assert "Not proven: the run left no result" in page
    assert "prefers-color-scheme" in page


def test_it_knows_the_jurisdictions(installed: Installed) -> None:
    members = installed.python(
        "from orchestrator.geo.jurisdictions import load_jurisdictions\n"
        "print(len(load_jurisdictions().groups['EU'].members))\n"
    )

    assert members == "27\n"


def test_it_knows_what_a_sandbox_is_made_of(installed: Installed) -> None:
    version = installed.python(
        "from orchestrator.sandbox import pins\n"
        "assert pins.pinned_files()\n"
        "print(pins.PROGRAMS[pins.APISERVER].version)\n"
    )

    assert version.startswith("v1.")
    assert "sandbox" in installed.run("sandbox", "status", "--help")


_UNREACHABLE = """\
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: none}}]
contexts: [{name: eu, context: {cluster: c, user: u}}]
"""
_TELLING = """\
apiVersion: orchestrator/v1
kind: Fleet
metadata: {name: tiny}
spec:
  kubeconfig: kubeconfig
  clusters: [{name: eu-1, region: eu, context: eu}]
  notify: [{name: desk, url: "json://127.0.0.1:1/s3cret"}]
  metrics: {directory: .}
"""


def test_an_extra_that_is_asked_for_and_not_installed_is_said_with_the_next_step(installed: Installed) -> None:
    """The run's own result and exit code are what they are without."""
    workspace = installed.folder / "telling"
    installed.run("init", str(workspace))
    (workspace / "kubeconfig").write_text(_UNREACHABLE)
    (workspace / "fleet.yaml").write_text(_TELLING)
    variables = {"PATH": os.environ["PATH"], "HOME": str(installed.folder), "NO_COLOR": "1"}
    ran = subprocess.run(
        [installed.environment / "bin" / "orchestrator", "-C", workspace, "enable", "fable-5", "--all", "-o", "json"],
        env={**variables, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, json.loads(ran.stdout)["outcome"]) == (3, "unproven")
    for extra in ("notify", "metrics", "traces"):
        (line,) = [line for line in ran.stderr.splitlines() if f"pip install 'orchestrator[{extra}]'" in line]
        assert line.startswith("warning: ") and "not installed" in line
    assert "s3cret" not in ran.stderr + ran.stdout
