"""What lies in the repository is fit to be read by anybody, anywhere."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

ROOT = Path(__file__).parents[2]

# Written with brackets, so that this page does not contain what it looks for.
FORBIDDEN = {
    "a path of somebody's machine": r"(?<![\w.~-])/(wor[k]|roo[t]|hom[e]/\w+|User[s]/\w+)/",
    "a host of a package registry": (
        r"\b(pyp[i]\.org|pythonhoste[d]\.org|npmj[s]\.(org|com)|(proxy|sum)\.golan[g]\.org|crate[s]\.io)\b"
    ),
    "a package index": r"--(extra-)?inde[x]-url|--find-link[s]|--trusted-hos[t]|PIP_(INDE[X]|FIN[D]|CER[T])",
    "a signature of a tool": r"(?i)co-authore[d]-by|generate[d] (with|by) (an? )?(AI|assistan[t])",
}


def files() -> Iterator[Path]:
    """Every file that is, or could be, committed: all but what .gitignore names."""
    ignored = GitIgnoreSpec.from_lines([".git/", *(ROOT / ".gitignore").read_text().splitlines()])
    for folder, names, found in os.walk(ROOT):
        place = Path(folder).relative_to(ROOT)
        names[:] = [name for name in names if not ignored.match_file(f"{(place / name).as_posix()}/")]
        yield from (Path(folder, name) for name in found if not ignored.match_file((place / name).as_posix()))


def test_no_file_tells_of_one_machine_or_registry() -> None:
    findings = []
    for file in files():
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            findings += [
                f"{file.relative_to(ROOT)}:{number}: {what}: {found[0]}"
                for what, pattern in FORBIDDEN.items()
                if (found := re.search(pattern, line))
            ]

    assert findings == []


@pytest.mark.parametrize(
    "line",
    [
        "cd /wor" + "k/main",
        "HOME=/roo" + "t/",
        "/hom" + "e/jo/src",
        "https://pyp" + "i.org/simple",
        "https://proxy.golan" + "g.org",
        "pip install --inde" + "x-url x",
        "Co-Authore" + "d-By: x",
    ],
)
def test_the_search_finds_what_it_looks_for(line: str) -> None:
    assert any(re.search(pattern, line) for pattern in FORBIDDEN.values())


@pytest.mark.parametrize("line", ["docs/work/order.md", "orchestrator/root/x", "framework/", "~/.cache/orchestrator/"])
def test_the_search_leaves_ordinary_words_alone(line: str) -> None:
    assert not any(re.search(pattern, line) for pattern in FORBIDDEN.values())


def test_the_search_reads_the_repository() -> None:
    names = {file.relative_to(ROOT).as_posix() for file in files()}

    assert {"pyproject.toml", ".ci/run", "orchestrator/errors.py", "tests/package/test_tracked_files.py"} <= names
    assert not any(name.startswith((".git/", ".venv/")) for name in names)


def test_no_file_is_longer_than_its_readers_patience() -> None:
    """A test file may list more cases of one question."""
    too_long = {
        name: lines
        for file in files()
        if file.suffix == ".py" and (name := file.relative_to(ROOT).as_posix())
        if (lines := len(file.read_text().splitlines())) > (600 if name.startswith("tests/") else 300)
    }

    assert too_long == {}


def skips(tree: ast.AST) -> Iterator[int]:
    """Lines that skip a test for another reason than the platform or the version of Python."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            if name in {"skip", "importorskip", "SkipTest", "skipTest", "skipUnless", "xfail"}:
                yield node.lineno
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"skipif", "skipIf"}:
            condition = ast.unparse(node.args[0]) if node.args else ""
            if not re.fullmatch(r"(sys\.(platform|version_info)|pins\.operating_system\(\))[^()]*", condition):
                yield node.lineno


def test_no_test_is_skipped_because_something_is_missing() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in sorted((ROOT / "tests").rglob("*.py"))
        for line in skips(ast.parse(file.read_text()))
    ]

    assert found == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("pytest.skip('no etcd')", True),
        ("yaml = pytest.importorskip('yaml')", True),
        ("@pytest.mark.skipif(not which('tmux'), reason='x')\ndef test(): ...", True),
        ("@pytest.mark.skipif(shutil.which('x') is None or sys.platform == 'x', reason='x')\ndef test(): ...", True),
        ("@pytest.mark.skipif(sys.platform != 'linux', reason='namespaces')\ndef test(): ...", False),
        ("@pytest.mark.skipif(pins.operating_system() != 'linux', reason='x')\ndef test(): ...", False),
        ("skipped = 3", False),
    ],
)
def test_the_search_for_skips_finds_them(code: str, *, found: bool) -> None:
    assert bool(list(skips(ast.parse(code)))) is found
