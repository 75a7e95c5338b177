"""Reads the entries of a kubeconfig into a `Context`, or says in one sentence what is wrong with it.

Opens no connection and runs no plugin. What is wrong is always told without the value: values here are secrets.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

from orchestrator.core.text import printable
from orchestrator.delivery.entries import ClientCertificate, Context, ExecSpec, Server, User
from orchestrator.delivery.files import read_file
from orchestrator.errors import Unreachable

EXEC_API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
EXEC_CONFIG = "client.authentication.k8s.io/exec"
"""Extension of a cluster that holds what its credential plugin wants to know."""
_CONTENT_LIMIT = 4 * 1024 * 1024
_TRUE = ("true", "yes", "on", "y")
_FALSE = ("false", "no", "off", "n")
# Characters that RFC 9110 allows in a field name; the rest of an extra key is percent-encoded, as client-go does.
_FIELD_NAME_CHARACTERS = "!#$&'*+^`|"


@dataclass(frozen=True, slots=True)
class Entry:
    """One named entry of one kubeconfig file."""

    section: str
    name: str
    body: Mapping[str, Any] = field(repr=False)
    file: Path
    repeated: bool = False
    """Whether the file has this name twice, so that nobody can tell which one is meant."""

    def refuse(self, problem: str, hint: str | None = None) -> NoReturn:
        """Raise `Unreachable` that names entry and file."""
        what = f"{self.section.removesuffix('s')} {printable(self.name, 100)!r} of {self.file}"
        raise Unreachable(f"{what}: {problem}", hint=hint, code="context")

    def text(self, key: str) -> str | None:
        """The text under this key; None when it is absent or empty."""
        return self._text(self.body.get(key) if isinstance(self.body, Mapping) else "", key)

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of texts under this key."""
        values = self.body.get(key) or []
        if not isinstance(values, list):
            self.refuse(f"`{key}` is no list")
        return tuple(self._text(value, key) or "" for value in values)

    def flag(self, key: str) -> bool:
        """The boolean under this key; False when it is absent."""
        value = (self.text(key) or "false").lower()
        if value not in _TRUE + _FALSE:
            self.refuse(f"`{key}` is neither true nor false")
        return value in _TRUE

    def mapping(self, key: str) -> Entry | None:
        """The mapping under this key, as an entry of the same name."""
        value = self.body.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.refuse(f"`{key}` is no mapping")
        return Entry(self.section, self.name, value, self.file)

    def path(self, key: str) -> Path | None:
        """The path under this key, relative to the folder of this kubeconfig."""
        value = self.text(key)
        return self.file.absolute().parent / value if value else None

    def content(self, key: str) -> bytes | None:
        """The decoded `KEY-data`, else what the file `KEY` holds; data wins, as in kubectl."""
        encoded = self.text(f"{key}-data")
        if encoded:
            try:
                return base64.b64decode("".join(encoded.split()), validate=True)
            except (binascii.Error, ValueError):
                self.refuse(f"`{key}-data` is no base64")
        path = self.path(key)
        if path is None:
            return None
        try:
            found = read_file(path, _CONTENT_LIMIT + 1)
        except (OSError, ValueError) as error:
            self.refuse(f"`{key}` {path} cannot be read: {getattr(error, 'strerror', None) or 'bad path'}")
        if len(found) > _CONTENT_LIMIT:
            self.refuse(f"`{key}` {path} is larger than {_CONTENT_LIMIT // 1024 // 1024} MiB")
        return found

    def _text(self, value: Any, key: str) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str):
            self.refuse(f"`{key}` is no text")
        return value or None


def read_context(name: str, context: Entry, cluster: Entry, user: Entry) -> Context:
    """Everything that is needed to reach the cluster of a context; raises `Unreachable` where something is wrong."""
    for entry in (context, cluster, user):
        if entry.repeated:
            entry.refuse("the file has this name twice")
        if not isinstance(entry.body, Mapping):
            entry.refuse("is no mapping")
    return Context(name=name, file=context.file, server=read_server(cluster), user=_user(user))


def read_server(entry: Entry) -> Server:
    """How the server of an entry is reached and trusted; raises `Unreachable` (code `context`)."""
    authorities = entry.content("certificate-authority")
    insecure = entry.flag("insecure-skip-tls-verify")
    if insecure and authorities:
        entry.refuse("a certificate authority and insecure-skip-tls-verify exclude each other")
    return Server(
        url=_server_url(entry),
        authorities=authorities or None,
        insecure=insecure,
        tls_server_name=entry.text("tls-server-name"),
        proxy_url=entry.text("proxy-url"),
        compress=not entry.flag("disable-compression"),
        plugin_config=_plugin_config(entry),
    )


def _server_url(entry: Entry) -> str:
    url = entry.text("server")
    if url is None:
        entry.refuse("has no server")
    url = url if "://" in url else f"https://{url}"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment or parts.username is not None or not url.isprintable() or " " in url:
        entry.refuse("its server is no usable http or https address")
    return url.rstrip("/")


def _plugin_config(entry: Entry) -> Any:
    extensions = entry.body.get("extensions") or []
    named = (item for item in extensions if isinstance(item, dict) and item.get("name") == EXEC_CONFIG)
    return next((item.get("extension") for item in named), None)


def _user(entry: Entry) -> User:
    if entry.mapping("auth-provider"):
        entry.refuse(
            "uses the legacy auth-provider, which Kubernetes removed in 1.26",
            hint="let your cloud's tool write the kubeconfig anew: it will name a credential plugin (exec)",
        )
    certificate, key = entry.content("client-certificate"), entry.content("client-key")
    if bool(certificate) != bool(key):
        entry.refuse("a client certificate and its key need each other")
    username, token, token_file = entry.text("username"), entry.text("token"), entry.path("tokenFile")
    if username and (token or token_file):
        entry.refuse("has both a token and a user name: only one can be sent")
    return User(
        certificate=ClientCertificate(certificate, key) if certificate and key else None,
        token=_header_safe(entry, "token", token),
        token_file=token_file,
        username=username,
        password=entry.text("password"),
        plugin=_plugin(entry),
        impersonation=_impersonation(entry),
    )


def _plugin(entry: Entry) -> ExecSpec | None:
    spec = entry.mapping("exec")
    if spec is None:
        return None
    command, api_version = spec.text("command"), spec.text("apiVersion")
    if command is None:
        entry.refuse("its credential plugin (exec) has no command")
    if api_version not in EXEC_API_VERSIONS:
        entry.refuse(f"its credential plugin speaks none of {', '.join(EXEC_API_VERSIONS)}")
    environment = []
    for item in spec.body.get("env") or []:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            entry.refuse("every `env` of its credential plugin needs a name")
        environment.append((item["name"], str(item.get("value") or "")))
    return ExecSpec(
        command=str(entry.file.absolute().parent / command) if "/" in command else command,
        arguments=spec.texts("args"),
        environment=tuple(environment),
        api_version=api_version,
        provide_cluster_info=spec.flag("provideClusterInfo"),
        interactive_mode=spec.text("interactiveMode") or "IfAvailable",
        install_hint=spec.text("installHint"),
    )


def _impersonation(entry: Entry) -> tuple[tuple[str, str], ...]:
    who, uid, groups = entry.text("as"), entry.text("as-uid"), entry.texts("as-groups")
    extra = entry.mapping("as-user-extra")
    if not who:
        if uid or groups or extra:
            entry.refuse("as-uid, as-groups and as-user-extra need `as`")
        return ()
    headers = [("Impersonate-User", who)]
    headers += [("Impersonate-Uid", uid)] if uid else []
    headers += [("Impersonate-Group", group) for group in groups]
    for key in extra.body if extra else ():
        name = f"Impersonate-Extra-{quote(str(key), safe=_FIELD_NAME_CHARACTERS)}"
        headers += [(name, value) for value in (extra.texts(str(key)) if extra else ())]
    return tuple((name, _header_safe(entry, "as", value) or "") for name, value in headers)


def _header_safe(entry: Entry, key: str, value: str | None) -> str | None:
    if value is not None and not value.isprintable():
        entry.refuse(f"`{key}` holds characters that no header may carry")
    return value
