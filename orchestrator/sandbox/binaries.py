"""Finds, downloads or builds the programs and third-party files of a sandbox.

In this order: the directory `KUBEBUILDER_ASSETS`, the cache, the official releases with their published checksums,
a build from the pinned Go modules. Whatever ends up in the cache got there by a rename of a complete file, under a
lock, so two processes never build the same thing and a reader never sees half of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from orchestrator.errors import SandboxError
from orchestrator.sandbox import pins, releases
from orchestrator.sandbox.gobuild import find_go

_GROUPS = (
    (pins.ETCD,),
    (pins.APISERVER, pins.CONTROLLER_MANAGER, pins.SCHEDULER),  # one version: none may be newer than the API server
    (pins.KWOK,),
)
_REPORT_EVERY = 10.0
"""Seconds between two progress messages of one download or build."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Toolbox:
    """What a sandbox is started from: a path per program, and the folder of the third-party files."""

    programs: Mapping[str, Path]
    files: Path

    def read(self, file: pins.PinnedFile) -> str:
        """The text of a third-party file."""
        return (self.files / file.location).read_text()


def ensure_toolbox(
    progress: Progress, environ: Mapping[str, str] = os.environ, origins: releases.Origins = releases.OFFICIAL
) -> Toolbox:
    """Everything a sandbox needs, made where it is missing.

    Raises SandboxError when something can neither be found, downloaded nor built.
    """
    builder = _Builder(progress, environ, origins)
    return Toolbox(builder.programs(), builder.files())


def ensure_files(
    progress: Progress, environ: Mapping[str, str] = os.environ, origins: releases.Origins = releases.OFFICIAL
) -> Path:
    """The folder of the third-party files, fetched where they are missing. Raises SandboxError."""
    return _Builder(progress, environ, origins).files()


def ensure_file(
    file: pins.PinnedFile,
    progress: Progress,
    environ: Mapping[str, str] = os.environ,
    origins: releases.Origins = releases.OFFICIAL,
) -> Path:
    """One more third-party file, fetched where it is missing. Raises SandboxError."""
    return _Builder(progress, environ, origins).file(file)


def provided_programs(environ: Mapping[str, str]) -> dict[str, Path]:
    """The programs that `KUBEBUILDER_ASSETS` provides; Kubernetes' own three only together."""
    folder = environ.get("KUBEBUILDER_ASSETS", "")
    if not folder:
        return {}
    found: dict[str, Path] = {}
    for group in _GROUPS:
        paths = {name: Path(folder).absolute() / name for name in group}
        if all(_is_program(path) for path in paths.values()):
            found |= paths
    return found


class _Builder:
    def __init__(self, progress: Progress, environ: Mapping[str, str], origins: releases.Origins) -> None:
        self._progress = progress
        self._environ = environ
        self._origins = origins
        self._offline = environ.get("ORCHESTRATOR_SANDBOX_DOWNLOAD", "").lower() == "never"

    def programs(self) -> dict[str, Path]:
        found = provided_programs(self._environ)
        folder = pins.binaries_directory(self._environ)
        wanted = {name: folder / name for name in pins.COMPONENTS if name not in found}
        if not all(_is_program(path) for path in wanted.values()):
            with _locked(folder, self._progress):
                missing = [name for name, path in wanted.items() if not _is_program(path)]
                for number, name in enumerate(missing, 1):
                    self._make(pins.PROGRAMS[name], wanted[name], f"{number}/{len(missing)}")
        return found | wanted

    def files(self) -> Path:
        folder = pins.cache_root(self._environ) / "third-party"
        if not all(_is_intact(folder, file) for file in pins.pinned_files()):
            with _locked(folder, self._progress):
                for file in pins.pinned_files():
                    if not _is_intact(folder, file):
                        self._fetch(file, folder)
        return folder

    def file(self, file: pins.PinnedFile) -> Path:
        folder = pins.cache_root(self._environ) / "third-party"
        if not _is_intact(folder, file):
            with _locked(folder, self._progress):
                self._fetch(file, folder)
        return folder / file.location

    def _make(self, program: pins.Program, target: Path, place: str) -> None:
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            if not self._download(program, draft, place):
                label = f"building {program.name} {program.version} ({place})"
                self._progress(f"{label} …")
                go = find_go(self._environ)
                go.build(program, draft, _reporter(self._progress, label))
            draft.chmod(0o755)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)

    def _download(self, program: pins.Program, draft: Path, place: str) -> bool:
        if self._offline:
            return False
        label = f"downloading {program.name} {program.version} ({place})"
        try:
            releases.download(program, draft, _reporter(self._progress, label), self._origins)
        except releases.ReleaseUnavailable as error:
            self._progress(f"no release of {program.name} {program.version}: {error}")
            return False
        return True

    def _fetch(self, file: pins.PinnedFile, folder: Path) -> None:
        content, source = self._content(file)
        found = hashlib.sha256(content).hexdigest()
        if found != file.sha256:
            raise SandboxError(
                f"{file.location} from {source} is not the pinned file (sha256 {found}, pinned {file.sha256})",
                hint="delete it and try again; $KUBEBUILDER_ASSETS names programs of your own",
            )
        target = folder / file.location
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        draft.write_bytes(content)
        draft.replace(target)

    def _content(self, file: pins.PinnedFile) -> tuple[bytes, str]:
        try:
            archive = find_go(self._environ).module_zip(file.module, file.version)
        except SandboxError as no_go:
            if self._offline:
                raise
            try:
                return releases.fetch_source_file(file, self._origins), "its project's source"
            except releases.ReleaseUnavailable as error:
                raise SandboxError(
                    f"{file.location} can be had neither from a Go module ({no_go.message}) nor from {error}",
                    hint=no_go.hint,
                ) from error
        with zipfile.ZipFile(archive) as modules:
            return modules.read(file.location), "its Go module"


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _is_intact(folder: Path, file: pins.PinnedFile) -> bool:
    try:
        return hashlib.sha256((folder / file.location).read_bytes()).hexdigest() == file.sha256
    except OSError:
        return False


def _reporter(progress: Progress, label: str) -> Callable[[float], None]:
    state = {"next": _REPORT_EVERY}

    def tick(seconds: float) -> None:
        if seconds >= state["next"]:
            state["next"] = seconds + _REPORT_EVERY
            progress(f"{label} … {seconds:.0f} s")

    return tick


@contextmanager
def _locked(folder: Path, progress: Progress) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        take = partial(fcntl.flock, lock)
        try:
            take(fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another process that fills {folder}")
            take(fcntl.LOCK_EX)
        yield
