"""Every reason code and every error code that exists in the code has a rule in words, and no rule is about nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import orchestrator
from orchestrator import plugins
from orchestrator.core.rules import RULES, VERDICTS, rule_of
from orchestrator.core.verdict import Verdict
from orchestrator.planning import safety

PACKAGE = Path(orchestrator.__file__).parent
TREES = {path: ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}
NO_REASON = {"Country", "Pin"}
"""Classes whose `code` is a country's."""


def takers() -> dict[str, set[int]]:
    """By name, at which place functions and classes take a code."""
    found: dict[str, set[int]] = {}
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
                names = names[1:] if names[:1] in (["self"], ["cls"]) else names
            elif isinstance(node, ast.ClassDef):
                names = [
                    one.target.id
                    for one in node.body
                    if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
                ]
            else:
                continue
            if "code" in names and node.name not in NO_REASON:
                found.setdefault(node.name, set()).add(names.index("code"))
    return found


def texts(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may come to."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*texts(node.body), *texts(node.orelse))


def assigned(tree: ast.AST) -> Iterator[str]:
    """Codes that a name `code` or a constant gets: `code = "x"`, `NOT_SERVED = "x"`, `for field, code in (…)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(one, ast.Name) and one.id in ("code", "NOT_SERVED") for one in targets):
                yield from texts(node.value)
        if isinstance(node, ast.For) and isinstance(node.target, ast.Tuple) and isinstance(node.iter, ast.Tuple):
            names = [one.id for one in node.target.elts if isinstance(one, ast.Name)]
            if "code" in names:
                for row in node.iter.elts:
                    if isinstance(row, ast.Tuple):
                        yield from texts(row.elts[names.index("code")])


def codes() -> dict[str, str]:
    """Every code with a place where it stands."""
    taken, found = takers(), {}
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in NO_REASON:
                continue
            given = [one.value for one in node.keywords if one.arg == "code"]
            given += [node.args[place] for place in taken.get(name, ()) if place < len(node.args)]
            for code in (text for one in given for text in texts(one)):
                found[code] = f"{path.relative_to(PACKAGE)}:{node.lineno}"
        found |= dict.fromkeys(assigned(tree), str(path.relative_to(PACKAGE)))
    return found | dict.fromkeys(safety.RULES, "planning/safety.py")


def test_every_code_has_a_rule() -> None:
    assert {code: place for code, place in codes().items() if code not in RULES} == {}


def test_no_rule_is_about_a_code_that_nobody_gives() -> None:
    assert sorted(RULES.keys() - codes().keys()) == []


def test_the_search_finds_codes_of_every_form() -> None:
    found = codes()
    forms = {
        "drift": "an argument of a function",
        "guard-impossible": "a class's own",
        "progress-deadline-exceeded": "one of two",
        "terminating-left": "one of a loop",
        "not-served": "a constant",
        "minEnabledClusters": "a safety rule",
        "dns": "a keyword",
    }
    assert forms.keys() <= found.keys()
    assert len(found) > 200


def test_every_verdict_has_a_rule_and_an_unknown_code_says_so() -> None:
    assert set(VERDICTS) == set(Verdict)
    assert "no rule" in rule_of("of-a-later-version")
    for text in (*RULES.values(), *VERDICTS.values()):
        assert text[0].isupper() or text.startswith(("--", "`", "spec.", "status."))
        assert text.endswith(".")


def test_every_kind_that_is_judged_says_on_what() -> None:
    """A new kind is one file, its words included."""
    kinds = plugins.kinds().values()
    assert [str(kind.group_kind) for kind in kinds if kind.assess is not None and kind.basis is None] == []
    for kind in kinds:
        for basis in (kind.basis, kind.workload.stopped if kind.workload else None):
            assert basis is None or (basis.rule.endswith(".") and basis.fields)
