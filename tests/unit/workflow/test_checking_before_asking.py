"""Wrong scopes are refused before any node is asked where it stands, and no right one is."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.fleet import Cluster, Fleet
from orchestrator.core.scope import Scope
from orchestrator.core.verdict import Want
from orchestrator.errors import UsageError
from orchestrator.workflow.requests import Asking, Command, check_command
from orchestrator.workflow.session import load_workspace

FLEET = Fleet(name="test", clusters=(Cluster(name="dublin", region="eu-west", country="IE"),))


def check(tmp_path: Path, want: Want, scope: Scope) -> None:
    check_command(Asking(workspace=load_workspace(tmp_path), fleet=FLEET), Command(models=(), scope=scope, want=want))


@pytest.mark.parametrize("want", Want)
@pytest.mark.parametrize("scope", [Scope(in_=("XX",)), Scope(regions=("mars",)), Scope()], ids=["XX", "mars", "none"])
def test_what_nobody_knows_is_refused(tmp_path: Path, want: Want, scope: Scope) -> None:
    with pytest.raises(UsageError):
        check(tmp_path, want, scope)


def test_an_enable_that_is_empty_by_the_fleet_file_stays_empty(tmp_path: Path) -> None:
    """Contradicting nodes only ever take clusters out of it."""
    with pytest.raises(UsageError):
        check(tmp_path, Want.ENABLED, Scope(in_=("BR",)))


def test_a_disable_that_is_empty_by_the_fleet_file_waits_for_the_nodes(tmp_path: Path) -> None:
    """A cluster whose nodes contradict its country is in the scope of every disable."""
    check(tmp_path, Want.DISABLED, Scope(in_=("BR",)))


@pytest.mark.parametrize("want", Want)
def test_a_right_scope_passes(tmp_path: Path, want: Want) -> None:
    check(tmp_path, want, Scope(in_=("EU",)))
