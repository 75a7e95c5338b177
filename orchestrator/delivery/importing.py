"""Imports aiohttp without the system's certificates: it would load them twice, 20 ms each, for contexts nobody uses.

Every request of ours carries a TLS context of its own (`tls.py`), which trusts what its kubeconfig says, or the system
where that says nothing. So this is the first thing that the room imports.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_PLACES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Where OpenSSL looks for the system's authorities, when a context asks for them."""


@contextmanager
def without_system_authorities() -> Iterator[None]:
    """Let contexts that are made meanwhile trust nobody; those made later trust whom they always would."""
    before = {name: os.environ.get(name) for name in _PLACES}
    os.environ.update(dict.fromkeys(_PLACES, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


with without_system_authorities():
    import aiohttp  # noqa: F401
