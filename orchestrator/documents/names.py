"""Names that documents may give, by Kubernetes' own rules: they end up in labels, object names and file names.

Source: "Object Names and IDs" and "Labels and Selectors" of the Kubernetes documentation.
"""

from __future__ import annotations

import re

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_STEP = re.compile(r"[a-z0-9]([-a-z0-9 _.]{0,61}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_OBJECT = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.:]*[A-Za-z0-9])?")
_KIND = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z][A-Za-z0-9]*")

DNS_LABEL = "at most 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
STEP = "at most 63 lower-case letters, digits, spaces, '-', '_' and '.', beginning and ending with a letter or digit"
LABEL_VALUE = "at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"


def is_dns_label(name: str) -> bool:
    """Whether it is a DNS label of RFC 1123, as namespaces are."""
    return _DNS_LABEL.fullmatch(name) is not None


def is_dns_subdomain(name: str) -> bool:
    """Whether it is a DNS subdomain of RFC 1123, as most object names are."""
    return len(name) <= 253 and _DNS_SUBDOMAIN.fullmatch(name) is not None


def is_object_name(name: str) -> bool:
    """Whether it may name an object of any kind: RBAC allows colons, nothing allows a slash, `.` or `..`."""
    return len(name) <= 253 and _OBJECT.fullmatch(name) is not None


def is_step_name(name: str) -> bool:
    """Whether it may name a step."""
    return _STEP.fullmatch(name) is not None


def is_label_value(value: str) -> bool:
    """Whether it may be the value of a label; the empty string may."""
    return _LABEL_VALUE.fullmatch(value) is not None


def is_label_key(key: str) -> bool:
    """Whether it may be the key of a label: a name, with a DNS subdomain and a slash before it or without."""
    prefix, separator, name = key.rpartition("/")
    return bool(name) and is_label_value(name) and (is_dns_subdomain(prefix) if separator else True)


def is_kind(text: str) -> bool:
    """Whether it names a kind, with its group or without: `Service`, `apps/Deployment`."""
    return _KIND.fullmatch(text) is not None
