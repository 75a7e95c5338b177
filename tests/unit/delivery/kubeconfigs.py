"""Kubeconfigs for the tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.delivery.entries import Context
from orchestrator.delivery.kubeconfig import Kubeconfig, load_kubeconfig
from orchestrator.errors import Unreachable


def document(
    name: str = "one", *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A kubeconfig with one context, whose cluster and user have the same name."""
    return {
        "clusters": [{"name": name, "cluster": cluster or {"server": f"https://{name}.example"}}],
        "users": [{"name": name, "user": user or {"token": f"token-of-{name}"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        **more,
    }


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def load(tmp_path: Path, *documents: Any) -> Kubeconfig:
    paths = [write(tmp_path / f"{number}.yaml", content) for number, content in enumerate(documents)]
    return load_kubeconfig(None, {"KUBECONFIG": os.pathsep.join(map(str, paths)), "HOME": str(tmp_path)})


def read(tmp_path: Path, *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Context:
    server = {"server": "https://one.example", **(cluster or {})}
    return load(tmp_path, document(cluster=server, user=user)).context("one")


def refusal(tmp_path: Path, *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> str:
    with pytest.raises(Unreachable) as caught:
        read(tmp_path, cluster=cluster, user=user)
    assert caught.value.code == "context"
    assert "0.yaml" in caught.value.message
    return caught.value.message
