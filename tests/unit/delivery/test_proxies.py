"""Proxies: the kubeconfig's own first, then the environment's by Go's rules."""

from __future__ import annotations

import pytest

from orchestrator.delivery.proxies import is_exempt, proxy_for
from orchestrator.errors import Unreachable

ENVIRON = {"HTTPS_PROXY": "http://env.example:3128", "NO_PROXY": "internal.example,10.0.0.0/8"}


def test_kubeconfig_beats_environment() -> None:
    """The proxy of a cluster is its own, also where NO_PROXY would exempt it."""
    url = "https://api.internal.example:6443"
    assert proxy_for(url, named="http://own.example", environ=ENVIRON) == "http://own.example"
    assert proxy_for(url, named=None, environ=ENVIRON) is None
    assert proxy_for("https://other.example", named=None, environ=ENVIRON) == "http://env.example:3128"


def test_scheme_decides_the_variable() -> None:
    """https asks HTTPS_PROXY, http asks HTTP_PROXY, in capitals or not; without scheme a proxy is http."""
    environ = {"https_proxy": "secure.example:1", "HTTP_PROXY": "plain.example:2"}
    assert proxy_for("https://a.example", named=None, environ=environ) == "http://secure.example:1"
    assert proxy_for("http://a.example", named=None, environ=environ) == "http://plain.example:2"
    assert proxy_for("https://a.example", named=None, environ={}) is None


@pytest.mark.parametrize("proxy", ["socks5://p:1", "https://p:1", "http://[::1", "http://", "://"])
def test_proxies_that_we_do_not_speak(proxy: str) -> None:
    """They are an error of the cluster, never silently a direct connection."""
    with pytest.raises(Unreachable) as caught:
        proxy_for("https://a.example", named=proxy, environ={})
    assert caught.value.code == "proxy"


@pytest.mark.parametrize(
    ("host", "exceptions", "expected"),
    [
        ("localhost", "", True),
        ("127.0.0.1", "", True),
        ("::1", "", True),
        ("a.example", "", False),
        ("a.example", "*", True),
        ("a.example", "a.example", True),
        ("A.EXAMPLE.", "a.example", True),
        ("x.a.example", "a.example", True),
        ("x.a.example", ".a.example", True),
        ("a.example", ".a.example", False),
        ("x.a.example", "*.a.example", True),
        ("ba.example", "a.example", False),
        ("a.example", "b.example, a.example", True),
        ("a.example", "a.example:6443", True),
        ("a.example", "a.example:443", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:6443", True),
        ("fd00::7", "fd00::/8", True),
        ("fd00::7", "[fd00::7]:6443", True),
        ("a.example", "10.0.0.0/8", False),
        ("a.example", "nonsense/99,/,:", False),
    ],
)
def test_exceptions(host: str, exceptions: str, expected: bool) -> None:
    """NO_PROXY names hosts, domains, addresses and networks, with or without port."""
    assert is_exempt(host, 6443, exceptions) is expected
