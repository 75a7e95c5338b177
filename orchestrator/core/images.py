"""Images by their repository, whatever the tag or digest, and however registries and Docker Hub's names are written.

The search for pods and the guard both rest on this, so that what one recognises the other does, too.
"""

from __future__ import annotations

_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


def repository_of(image: str) -> str:
    """The one spelling of an image's repository: `NGINX:1` and `index.docker.io/nginx` → `docker.io/library/nginx`."""
    host, path = _split(image)
    if host not in _HUB:
        return f"{host}/{path}"
    return f"{_HUB[0]}/{path}" if "/" in path else f"{_HUB[0]}/library/{path}"


def spellings(image: str) -> tuple[str, ...]:
    """Every way to write the repository of an image; lower case, without tag, digest and the port of HTTPS."""
    host, path = _split(image)
    if host not in _HUB:
        return (f"{host}/{path}",)
    paths = {path, path.removeprefix("library/")}
    if "/" not in path:
        paths.add(f"library/{path}")
    return tuple(sorted(paths | {f"{hub}/{one}" for hub in _HUB for one in paths}))


def bare(image: str) -> str:
    """As it is written, less what is no part of a repository: case, tag, digest and the port of HTTPS."""
    name = image.lower().partition("@")[0]
    head, slash, last = name.rpartition("/")
    return (head + slash + last.partition(":")[0]).replace(":443/", "/")


def _split(image: str) -> tuple[str, str]:
    name = bare(image)
    first, slash, rest = name.partition("/")
    has_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return (first, rest) if has_host else (_HUB[0], name)
