"""Images in CEL: their repositories, written as `core.images.bare` writes them."""

from __future__ import annotations


def repositories(images: str) -> str:
    """CEL: the repositories of a list of images, each bare of tag, digest, case and the port of HTTPS."""
    bare = f"{images}.map(i, string(i).lowerAscii().split('@')[0])"
    untagged = "i.lastIndexOf(':') > i.lastIndexOf('/') ? i.substring(0, i.lastIndexOf(':')) : i"
    return f"{bare}.map(i, {untagged}).map(i, i.replace(':443/', '/'))"
