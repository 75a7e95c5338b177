"""Official release files, downloaded only together with their published checksums.

A release that cannot be reached is `ReleaseUnavailable`: the caller builds instead. A file that does not match its
published checksum is an error and never reaches the cache.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from orchestrator.errors import SandboxError
from orchestrator.sandbox import pins

_TIMEOUT = 5.0
"""Seconds without an answer after which a server counts as unreachable."""
_CHUNK = 1 << 20
_LARGEST_TEXT = 4 << 20


class ReleaseUnavailable(Exception):
    """No such release for this machine, or its server does not answer."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Origins:
    """The servers that publish releases; a test puts its own here."""

    kubernetes: str = "https://dl.k8s.io/release"
    github: str = "https://github.com"
    github_api: str = "https://api.github.com"
    github_raw: str = "https://raw.githubusercontent.com"


OFFICIAL = Origins()


def download(program: pins.Program, target: Path, tick: Callable[[float], None], origins: Origins = OFFICIAL) -> None:
    """Write the released `program` to the file `target`, checked against the checksum published beside it.

    Raises ReleaseUnavailable, or SandboxError when the checksum does not match.
    """
    fetchers = {pins.ETCD: _download_etcd, pins.KWOK: _download_kwok}
    fetchers.get(program.name, _download_kubernetes)(program, target, tick, origins)


def fetch_source_file(file: pins.PinnedFile, origins: Origins = OFFICIAL) -> bytes:
    """One third-party file from its project's source at the pinned tag; the caller checks the digest.

    Raises ReleaseUnavailable.
    """
    module = re.sub(r"/v\d+$", "", file.module)
    repository = module.removeprefix("github.com/").replace("sigs.k8s.io", "kubernetes-sigs")
    return _text(f"{origins.github_raw}/{repository}/{file.version}/{file.path}")


def _download_kubernetes(program: pins.Program, target: Path, tick: Callable[[float], None], origins: Origins) -> None:
    if pins.operating_system() != "linux":
        raise ReleaseUnavailable("Kubernetes publishes servers for Linux only")
    url = f"{origins.kubernetes}/{program.version}/bin/linux/{pins.architecture()}/{program.name}"
    _save(url, _digest_in(_text(f"{url}.sha256").decode("ascii", "replace"), None), target, tick)


def _download_etcd(program: pins.Program, target: Path, tick: Callable[[float], None], origins: Origins) -> None:
    if pins.operating_system() != "linux":
        raise ReleaseUnavailable("etcd's releases for other systems are zip files; it is built instead")
    folder = f"etcd-{program.version}-linux-{pins.architecture()}"
    release = f"{origins.github}/etcd-io/etcd/releases/download/{program.version}"
    sums = _text(f"{release}/SHA256SUMS").decode("ascii", "replace")
    archive = target.with_name(f"{target.name}.tar.gz")
    try:
        _save(f"{release}/{folder}.tar.gz", _digest_in(sums, f"{folder}.tar.gz"), archive, tick)
        with tarfile.open(archive) as tar:
            member = tar.extractfile(f"{folder}/etcd")
            if member is None:
                raise SandboxError(
                    f"{folder}.tar.gz holds no etcd",
                    hint="try again, or name programs of your own: $KUBEBUILDER_ASSETS",
                )
            with target.open("wb") as file:
                _copy(member, file.write)
    finally:
        archive.unlink(missing_ok=True)


def _download_kwok(program: pins.Program, target: Path, tick: Callable[[float], None], origins: Origins) -> None:
    # kwok publishes no checksum file; GitHub publishes the digest of every release file.
    name = f"kwok-{pins.operating_system()}-{pins.architecture()}"
    release = _text(f"{origins.github_api}/repos/kubernetes-sigs/kwok/releases/tags/{program.version}")
    try:
        assets = json.loads(release)["assets"]
        digest = next(str(asset["digest"]) for asset in assets if asset["name"] == name)
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise ReleaseUnavailable(f"no published digest of {name}") from error
    url = f"{origins.github}/kubernetes-sigs/kwok/releases/download/{program.version}/{name}"
    _save(url, _digest_in(digest.removeprefix("sha256:"), None), target, tick)


def _digest_in(text: str, name: str | None) -> str:
    """The SHA-256 of `name` in a checksum file; without a name, of its only file."""
    for line in text.splitlines():
        words = line.split()
        if words and (name is None or words[-1].lstrip("*") == name) and re.fullmatch(r"[0-9a-f]{64}", words[0]):
            return words[0]
    raise ReleaseUnavailable("no checksum is published")


def _save(url: str, sha256: str, target: Path, tick: Callable[[float], None]) -> None:
    digest = hashlib.sha256()
    started = time.monotonic()
    with _open(url) as response, target.open("wb") as file:

        def keep(chunk: bytes) -> None:
            digest.update(chunk)
            file.write(chunk)
            tick(time.monotonic() - started)

        _copy(response, keep)
    if digest.hexdigest() != sha256:
        target.unlink()
        raise SandboxError(
            f"{url} does not match its published checksum (sha256 {digest.hexdigest()}, published {sha256})",
            hint="set ORCHESTRATOR_SANDBOX_DOWNLOAD=never to build it from source instead",
        )


def _text(url: str) -> bytes:
    with _open(url) as response:
        try:
            return response.read(_LARGEST_TEXT)
        except (OSError, http.client.HTTPException) as error:
            raise ReleaseUnavailable(f"{url}: {error}") from error


def _open(url: str) -> http.client.HTTPResponse:
    if urlsplit(url).scheme not in {"https", "http"}:
        raise ReleaseUnavailable(f"{url} is not a web address")
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(url, timeout=_TIMEOUT)  # noqa: S310 - checked above
    except (OSError, http.client.HTTPException) as error:
        raise ReleaseUnavailable(f"{url}: {error}") from error
    return response


def _copy(source: _Readable, write: Callable[[bytes], object]) -> None:
    try:
        while chunk := source.read(_CHUNK):
            write(chunk)
    except (OSError, http.client.HTTPException) as error:
        raise ReleaseUnavailable(f"the download broke off: {error}") from error
