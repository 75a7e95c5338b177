"""Images by their repository, whatever the tag or digest, and however Docker Hub's names are shortened."""

from __future__ import annotations

_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


def spellings(image: str) -> tuple[str, ...]:
    """Every way to write the repository of an image; lower case, without tag, digest and the port of HTTPS."""
    name = _repository(image.lower())
    first, slash, rest = name.partition("/")
    has_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    host, path = (first, rest) if has_host else (_HUB[0], name)
    if host not in _HUB:
        return (name,)
    paths = {path, path.removeprefix("library/")}
    if "/" not in path:
        paths.add(f"library/{path}")
    return tuple(sorted(paths | {f"{hub}/{one}" for hub in _HUB for one in paths}))


def _repository(image: str) -> str:
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return (head + slash + last.partition(":")[0]).replace(":443/", "/")


def repositories(images: str) -> str:
    """CEL: the repositories of a list of images, written as `spellings` writes them."""
    bare = f"{images}.map(i, string(i).lowerAscii().split('@')[0])"
    untagged = "i.lastIndexOf(':') > i.lastIndexOf('/') ? i.substring(0, i.lastIndexOf(':')) : i"
    return f"{bare}.map(i, {untagged}).map(i, i.replace(':443/', '/'))"
