"""Kubeconfig files, merged as kubectl merges them.

Rules, from the documentation of client-go's `clientcmd`: an explicit file stands alone; else every file of `KUBECONFIG`
that exists, where for each name, and for the current context, the first file that has it wins; else `~/.kube/config`.
Inside a pod without any of these, the service account is the only context.

A broken file is an error for all; a broken context is an error of that context alone, when it is used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.core.objects import dig
from orchestrator.core.text import printable
from orchestrator.delivery.contexts import EXEC_CONFIG, Entry, read_context, read_server
from orchestrator.delivery.entries import Context, User
from orchestrator.delivery.files import read_file
from orchestrator.delivery.yaml_limits import TooMuch, check_limits
from orchestrator.errors import DocumentError, Unreachable

IN_CLUSTER = "in-cluster"
"""Name of the context that stands for the service account of the pod we run in."""
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SIZE_LIMIT = 32 * 1024 * 1024
_PIPE_SECONDS = 10.0
"""How long a kubeconfig that comes through a pipe is waited for: somebody may be fetching it."""
_SECTIONS = {"clusters": "cluster", "users": "user", "contexts": "context"}


class _TextLoader(yaml.CSafeLoader):
    """Reads every scalar as text, so that a cluster called `no` or a token of digits stays what it is."""


class _ValueLoader(yaml.CSafeLoader):
    """Reads scalars as JSON would have them: no dates."""


_TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in ("null", "merge")]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_ValueLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] != "timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class _File:
    """One kubeconfig file: its named entries per section."""

    current_context: str | None
    entries: Mapping[tuple[str, str], Entry]


class Kubeconfig:
    """The merged contexts."""

    def __init__(self, files: list[_File], *, pod: Mapping[str, str] | None = None) -> None:
        self._pod = pod
        self._entries: dict[tuple[str, str], Entry] = {}
        for file in files:
            for key, entry in file.entries.items():
                self._entries.setdefault(key, entry)
        current = (file.current_context for file in files if file.current_context)
        self.current_context = next(current, IN_CLUSTER if pod else None)

    def contexts(self) -> tuple[str, ...]:
        """The names of all contexts, usable or not, in the order of the files."""
        names = tuple(name for section, name in self._entries if section == "contexts")
        return (*names, IN_CLUSTER) if self._pod else names

    def context(self, name: str) -> Context:
        """The context of this name. Raises `Unreachable` (code `context`) when it is absent or cannot be used."""
        if self._pod is not None and name == IN_CLUSTER:
            return _service_account(self._pod)
        entry = self._entries.get(("contexts", name))
        if entry is None:
            raise Unreachable(
                f"the kubeconfig has no context {printable(name, 100)!r}",
                hint="`kubectl config get-contexts` lists them",
                code="context",
            )
        return read_context(name, entry, self._part(name, entry, "cluster"), self._part(name, entry, "user"))

    def _part(self, context: str, entry: Entry, what: str) -> Entry:
        wanted = entry.text(what)
        found = self._entries.get((f"{what}s", wanted)) if wanted else None
        if found is None:
            missing = f"no kubeconfig has its {what} {printable(wanted, 100)!r}" if wanted else f"it names no {what}"
            raise Unreachable(f"context {printable(context, 100)!r} of {entry.file}: {missing}", code="context")
        return found


def load_kubeconfig(explicit: Path | None = None, environ: Mapping[str, str] | None = None) -> Kubeconfig:
    """Read the kubeconfig files that kubectl would read, from `environ` (`os.environ` when absent).

    Raises `DocumentError` for a file that is too large, too deep or no kubeconfig, and for an explicit one that is not
    there.
    """
    environ = os.environ if environ is None else environ
    if explicit is not None:
        return Kubeconfig([_read(explicit)])
    named = [Path(part) for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    candidates = named or [_home(environ) / ".kube" / "config"]
    files = [_read(path) for path in dict.fromkeys(candidates) if _is_there(path)]
    in_pod = not named and not files and environ.get("KUBERNETES_SERVICE_HOST")
    return Kubeconfig(files, pod=environ if in_pod else None)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # It is there, but not for us: reading it tells why.
        return True


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()


def _read(path: Path) -> _File:
    document = _parse(path)
    if not isinstance(document, dict):
        raise DocumentError("a kubeconfig is a mapping with clusters, users and contexts", file=str(path))
    entries: dict[tuple[str, str], Entry] = {}
    for section, inner in _SECTIONS.items():
        for item in document.get(section) or []:
            if not isinstance(item, dict) or not isinstance(item.get("name"), str):
                raise DocumentError(f"every entry of {section} needs a name", file=str(path))
            key = (section, item["name"])
            entries[key] = Entry(section, item["name"], item.get(inner) or {}, path, repeated=key in entries)
    current = document.get("current-context")
    return _File(current if isinstance(current, str) else None, entries)


def _parse(path: Path) -> Any:
    try:
        text = read_file(path, _SIZE_LIMIT + 1, pipe_seconds=_PIPE_SECONDS)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "bad path"
        raise DocumentError(f"cannot be read: {why}", file=str(path)) from error
    if len(text) > _SIZE_LIMIT:
        raise DocumentError(f"is larger than {_SIZE_LIMIT // 1024 // 1024} MiB", file=str(path))
    try:
        check_limits(text, _TextLoader)
        # The loader is a safe one: it makes mappings, lists and text, never objects.
        document = yaml.load(text, Loader=_TextLoader) or {}  # noqa: S506
        if EXEC_CONFIG.encode() in text:
            _restore_plugin_values(document, yaml.load(text, Loader=_ValueLoader))  # noqa: S506
        return document
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        # Only the problem is told, never the snippet around it: that could be a token.
        raise DocumentError(f"is no YAML: {printable(error.problem)}", file=str(path), line=line) from None
    except TooMuch as error:
        raise DocumentError(str(error), file=str(path)) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise DocumentError("is no YAML", file=str(path)) from None


def _restore_plugin_values(document: Any, typed: Any) -> None:
    """A credential plugin must get its configuration with the numbers and booleans that the file has."""
    for cluster, values in zip(dig(document, "clusters", default=[]), dig(typed, "clusters", default=[]), strict=True):
        if dig(cluster, "cluster", "extensions"):
            cluster["cluster"]["extensions"] = values["cluster"]["extensions"]


def _service_account(environ: Mapping[str, str]) -> Context:
    """The pod's own context; raises `Unreachable` (code `context`) where its environment makes no address."""
    host = environ["KUBERNETES_SERVICE_HOST"]
    host = f"[{host}]" if ":" in host else host
    server = {"server": f"https://{host}:{environ.get('KUBERNETES_SERVICE_PORT') or '443'}"}
    if (_SERVICE_ACCOUNT / "ca.crt").exists():
        server["certificate-authority"] = "ca.crt"
    entry = Entry("clusters", IN_CLUSTER, server, _SERVICE_ACCOUNT / "environment")
    return Context(
        name=IN_CLUSTER,
        file=_SERVICE_ACCOUNT,
        server=read_server(entry),
        user=User(token_file=_SERVICE_ACCOUNT / "token"),
    )
