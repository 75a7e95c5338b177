"""What exactly a sandbox is made of: programs, versions and third-party files, read from `pins/`.

`pins/go.mod` (with go.sum) is the only place that names versions of programs; `pins/files.sha256` names every
third-party YAML file that is used, with its digest. Nothing here downloads, builds or starts anything.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrator.errors import SandboxError

DIRECTORY = Path(__file__).parent / "pins"
STAGES = Path(__file__).parent / "stages"

ETCD = "etcd"
APISERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"

COMPONENTS = (ETCD, APISERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK)
"""Every program of one control plane, in the order in which they depend on each other."""


@dataclass(frozen=True)
class Program:
    """One program: its name, the Go module it comes from, and the package to build."""

    name: str
    module: str
    package: str

    @property
    def version(self) -> str:
        """The pinned version of the module, such as `v1.37.2`."""
        return module_version(self.module)


_KUBERNETES = "k8s.io/kubernetes"
PROGRAMS: Mapping[str, Program] = {
    ETCD: Program(ETCD, "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
    APISERVER: Program(APISERVER, _KUBERNETES, f"{_KUBERNETES}/cmd/kube-apiserver"),
    CONTROLLER_MANAGER: Program(CONTROLLER_MANAGER, _KUBERNETES, f"{_KUBERNETES}/cmd/kube-controller-manager"),
    SCHEDULER: Program(SCHEDULER, _KUBERNETES, f"{_KUBERNETES}/cmd/kube-scheduler"),
    KWOK: Program(KWOK, "sigs.k8s.io/kwok", "sigs.k8s.io/kwok/cmd/kwok"),
}

GATEWAY_API = "sigs.k8s.io/gateway-api"


@dataclass(frozen=True)
class PinnedFile:
    """One third-party file: `module@version`, the path inside the module, and its SHA-256."""

    module: str
    version: str
    path: str
    sha256: str

    @property
    def location(self) -> str:
        """Where it lies inside the module's zip and inside our cache."""
        return f"{self.module}@{self.version}/{self.path}"


@cache
def pinned_files() -> tuple[PinnedFile, ...]:
    """Every third-party file, in the order of `files.sha256`."""
    files = []
    for line in (DIRECTORY / "files.sha256").read_text().splitlines():
        digest, location = line.split()
        module, _, rest = location.partition("@")
        version, _, path = rest.partition("/")
        files.append(PinnedFile(module, version, path, digest))
    return tuple(files)


@cache
def module_version(module: str) -> str:
    """The version that `go.mod` requires of `module`; KeyError when it requires none."""
    text = (DIRECTORY / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise KeyError(module)
    return found.group(1)


def operating_system() -> str:
    """Go's name of this machine's operating system. Raises SandboxError where no sandbox can run."""
    if sys.platform not in {"linux", "darwin"}:
        raise SandboxError(f"a sandbox cannot run on {sys.platform}", hint="use Linux or macOS")
    return sys.platform


def architecture() -> str:
    """Go's name of this machine's processor. Raises SandboxError for one that Kubernetes is not built for."""
    names = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    machine = platform.machine().lower()
    if machine not in names:
        raise SandboxError(f"a sandbox cannot run on a {machine} processor", hint="use amd64 or arm64")
    return names[machine]


def cache_root(environ: Mapping[str, str]) -> Path:
    """`$XDG_CACHE_HOME/orchestrator`; a relative value is ignored, as the XDG specification demands."""
    base = environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"  # noqa: PTH117 - "" is not a path
    return root / "orchestrator"


def binaries_directory(environ: Mapping[str, str]) -> Path:
    """Where the programs of exactly these versions for this machine are cached."""
    versions = "_".join(f"{name}-{PROGRAMS[name].version}" for name in (ETCD, KWOK))
    kubernetes = PROGRAMS[APISERVER].version
    key = f"kubernetes-{kubernetes}_{versions}_{operating_system()}-{architecture()}"
    return cache_root(environ) / "control-planes" / key
