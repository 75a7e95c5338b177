"""Adding a kind or a check is adding one file; what no file describes is found nowhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import plugins
from orchestrator.core.kind import Kind
from orchestrator.core.objects import GroupKind

_FILE = """
from orchestrator.core.kind import Kind
from orchestrator.core.objects import Resource

PLUGIN{plural} = {value}
"""
_THING = 'Kind(resource=Resource("example.com", "v1", "things", "Thing"))'


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / f"kinds_of_{tmp_path.name.replace('-', '_')}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]


def _found(package: Path) -> set[GroupKind]:
    return set(plugins._find(package.name, Kind, lambda kind: kind.group_kind))


def test_a_new_file_is_found_without_registration(package: Path) -> None:
    """One file, one PLUGIN: the kind is known."""
    (package / "thing.py").write_text(_FILE.format(plural="", value=_THING))
    assert _found(package) == {GroupKind("example.com", "Thing")}


def test_a_file_may_describe_several_kinds(package: Path) -> None:
    """A tuple PLUGINS, for kinds that share one rule."""
    other = _THING.replace("Thing", "Other")
    (package / "thing.py").write_text(_FILE.format(plural="S", value=f"({_THING}, {other})"))
    assert _found(package) == {GroupKind("example.com", "Thing"), GroupKind("example.com", "Other")}


def test_private_files_are_no_plugins(package: Path) -> None:
    """What several kinds share lies in files that begin with an underscore."""
    (package / "_shared.py").write_text("raise AssertionError('imported as a plugin')")
    assert _found(package) == set()


def test_a_kind_that_is_described_twice_is_refused(package: Path) -> None:
    """Which of two rules counted would be a matter of file names."""
    for name in ("one", "two"):
        (package / f"{name}.py").write_text(_FILE.format(plural="", value=_THING))
    with pytest.raises(TypeError, match=r"example\.com/Thing is described twice"):
        _found(package)


def test_a_file_without_a_plugin_is_refused(package: Path) -> None:
    """A forgotten PLUGIN must not make a kind silently unknown."""
    (package / "thing.py").write_text("")
    with pytest.raises(TypeError, match="PLUGIN is no Kind"):
        _found(package)


def test_every_shipped_plugin_is_what_it_says() -> None:
    """Dynamic loading hides types: each shipped file is loaded here."""
    assert GroupKind("apps", "Deployment") in plugins.kinds()
    assert GroupKind("serving.example", "Thing") not in plugins.kinds()
    assert set(plugins.checks()) == {"http"}
