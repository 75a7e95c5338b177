"""Which proxy leads to a server: the kubeconfig's, else the environment's.

The environment is read by Go's rules (`golang.org/x/net/http/httpproxy`), as kubectl reads it.
Asked once per cluster; the environment is not read again for each request.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from orchestrator.core.text import printable
from orchestrator.errors import Unreachable

_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, *, named: str | None, environ: Mapping[str, str]) -> str | None:
    """The proxy for `url`: `named` by the kubeconfig, else by the environment; None to connect directly.

    Raises `Unreachable` (code `proxy`) for a proxy of a kind that we do not speak.
    """
    target = urlsplit(url)
    variable = f"{target.scheme}_proxy"
    proxy = named or environ.get(variable.upper()) or environ.get(variable)
    if not proxy:
        return None
    exceptions = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    port = target.port or _PORTS.get(target.scheme, 0)
    if not named and is_exempt(target.hostname or "", port, exceptions):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        kind = urlsplit(proxy).scheme if urlsplit(proxy).hostname else ""
    except ValueError:
        kind = ""
    if kind != "http":
        raise Unreachable(f"a proxy of the kind {printable(kind, 20)!r} is not supported, only http", code="proxy")
    return proxy


def is_exempt(host: str, port: int, exceptions: str) -> bool:
    """Whether `NO_PROXY` exempts a host: itself, a domain above it, its address or network, each with or without port.

    The machine itself is always exempt.
    """
    host = host.lower().rstrip(".")
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    rules = (rule.strip().lower() for rule in exceptions.split(","))
    return any(_matches(rule, host, port, address) for rule in rules if rule)


def _matches(rule: str, host: str, port: int, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    if rule == "*" or "/" in rule:
        return rule == "*" or _in_network(address, rule)
    name, wanted_port = _split_port(rule)
    if wanted_port and wanted_port != str(port):
        return False
    if address is not None or _address(name) is not None:
        return address is not None and address == _address(name)
    if name.startswith(("*.", ".")):
        return host.endswith(name.removeprefix("*"))
    return host == name or host.endswith(f".{name}")


def _in_network(address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, network: str) -> bool:
    try:
        return address is not None and address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _split_port(rule: str) -> tuple[str, str]:
    if rule.startswith("["):
        name, _, port = rule[1:].partition("]")
        return name, port.removeprefix(":")
    name, separator, port = rule.rpartition(":")
    if separator and port.isdigit() and ":" not in name:
        return name, port
    return rule, ""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
