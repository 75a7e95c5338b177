"""What may be kept of an object or a message: everything but its secrets, each replaced by a keyed hash.

Pure. Equal secrets give equal hashes under one key, so that "unchanged" can still be said; without the key nothing can
be guessed. Hidden are the content of Secrets, values of environment variables, whatever a name calls a token, password
or key, kubectl's copy of an object, and credentials of well-known form within any text. Names, images, arguments and
annotations stay, less such credentials.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any, Final

from orchestrator.core.comparison import LAST_APPLIED, MASKED

Digest = Callable[[str], str]
"""From a secret to what stands in its place."""

_DEEPEST: Final = 64
_ROUNDS: Final = 8
_TOO_DEEP: Final = "[nested too deeply to be kept]"
_HIDDEN = re.compile(r"hmac-sha256:[0-9a-f]{64}")
_USER_OF_URL = re.compile(r"://[^/?#]*@")
_SECRET_CONTENT = ("data", "stringData")
_TELLING = (
    r"(?:token|passwd|password|secret|private-?key|client-?key|client-?key-?data|api-?key|access-?key|secret-?key"
    r"|tls-?key|authorization|bearer|cookie|credential)s?"
)
_TELLING_LOOSELY = _TELLING.replace("-?", "[-_]?")
_SECRET_KEY = re.compile(rf".*{_TELLING}")
_ENVIRONMENT = re.compile(r"(?:.*-)?env(?:s|-?vars?|ironment(?:-?variables)?)?")
_SECRET_FLAG = re.compile(rf"--?[\w.-]*{_TELLING_LOOSELY}", re.IGNORECASE)
_OF_VARIABLE = ("name", "valueFrom")
_CHANGED_FIELDS = ("value", "before", "after")

_CREDENTIALS: Final = (
    # (form, number of the group that is the secret)
    (re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL), 0),
    (re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"), 0),
    (re.compile(r"://[^/\s:@]*:([^/\s@]+)@"), 1),
    (re.compile(r"\b(?:bearer|basic)\s+([\w+/.~=:-]{8,})", re.IGNORECASE), 1),
    (re.compile(rf"\"[\w.-]*{_TELLING_LOOSELY}\"\s*:\s*\"([^\"]+)\"", re.IGNORECASE), 1),
    (re.compile(rf"(?!tokens=\d+(?![^\s&;,\"'])){_TELLING_LOOSELY}=([^\s&;,\"']+)", re.IGNORECASE), 1),
    (re.compile(r"\b(?:hf_|gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk-(?:[a-z]+-)?)[A-Za-z0-9_-]{20,}"), 0),
)


def keyed_digest(key: bytes) -> Digest:
    """Replaces a secret by `hmac-sha256:…` under this key."""

    def digest(secret: str) -> str:
        return f"hmac-sha256:{hmac.new(key, secret.encode('utf-8', 'surrogatepass'), 'sha256').hexdigest()}"

    return digest


def numbered_digest() -> Digest:
    """Replaces secrets by `(hidden 1)`, `(hidden 2)` and so on, equal ones alike: for what people are shown."""
    numbers: dict[str, str] = {MASKED: MASKED}
    return lambda secret: numbers.setdefault(secret, f"(hidden {len(numbers)})")


def without_credentials(url: str) -> str:
    """An address as it may be told: without user name and password, and without what its query calls a secret."""
    return str(redact(_USER_OF_URL.sub("://", url, count=1), lambda _: "(hidden)"))


def redact(value: Any, digest: Digest) -> Any:
    """The value without secrets, as JSON; doing it twice changes nothing. Total over all JSON values."""
    return _Redaction(digest).of(value, 0)


class _Redaction:
    def __init__(self, digest: Digest) -> None:
        self._digest = digest

    def of(self, value: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            return _TOO_DEEP
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple):
            return self._sequence(value, depth)
        return value

    def _mapping(self, mapping: Mapping[Any, Any], depth: int, *, is_secret: bool = False) -> dict[str, Any]:
        kind = mapping.get("kind")
        is_secret = is_secret or kind == "Secret"
        hides_value = _is_secret_place(mapping)
        kept: dict[str, Any] = {}
        for key, entry in mapping.items():
            name = str(key)
            if is_secret and name in _SECRET_CONTENT:
                kept[name] = self._hide(entry, depth + 1)
            elif kind == "SecretList" and name == "items" and isinstance(entry, list | tuple):
                kept[name] = [self._secret_of_list(one, depth + 2) for one in entry]
            elif hides_value and name in _CHANGED_FIELDS:
                kept[name] = self._hide(entry, depth + 1)
            else:
                kept[name] = self._entry(name, entry, depth + 1)
        return kept

    def _secret_of_list(self, value: Any, depth: int) -> Any:
        # Entries of a list answer carry no kind of their own.
        return self._mapping(value, depth, is_secret=True) if isinstance(value, Mapping) else self._hide(value, depth)

    def _entry(self, name: str, entry: Any, depth: int) -> Any:
        if name == LAST_APPLIED:
            return self._hide(entry, depth)
        if isinstance(entry, str):
            hides = _names_secret(name) and not _is_count(name, entry)
            return self._hide(entry, depth) if hides else self._text(entry, depth)
        if isinstance(entry, list | tuple) and _names_secret(name):
            return [self._hide(one, depth + 1) if isinstance(one, str) else self.of(one, depth + 1) for one in entry]
        if isinstance(entry, list | tuple | Mapping) and _ENVIRONMENT.fullmatch(_dashed(name)):
            return self._environment(entry, depth)
        return self.of(entry, depth)

    def _environment(self, entry: Any, depth: int) -> Any:
        """As containers have it, a list of names and values; or, as many custom resources do, one mapping."""
        if isinstance(entry, Mapping):
            return {str(name): self._variable(one, depth + 1) for name, one in entry.items()}
        return [self._variable(one, depth + 1) for one in entry]

    def _variable(self, one: Any, depth: int) -> Any:
        if isinstance(one, Mapping):
            return {
                str(key): self._entry(str(key), entry, depth + 1)
                if key in _OF_VARIABLE
                else self._hide(entry, depth + 1)
                for key, entry in one.items()
            }
        if isinstance(one, str) and re.match(r"[A-Za-z_][\w.-]*=", one):
            name, _, value = one.partition("=")
            return f"{name}={self._hide(value, depth)}"
        return self._hide(one, depth)

    def _sequence(self, sequence: Iterable[Any], depth: int) -> list[Any]:
        kept: list[Any] = []
        flag = ""
        for entry in sequence:
            is_text = isinstance(entry, str)
            hides = flag and is_text and not entry.startswith("-") and not _is_count(flag, entry)
            kept.append(self._hide(entry, depth + 1) if hides else self.of(entry, depth + 1))
            flag = entry if is_text and _SECRET_FLAG.fullmatch(entry) else ""
        return kept

    def _hide(self, entry: Any, depth: int) -> Any:
        """Every value of it replaced; names of fields and numbers of entries stay."""
        if entry is None or depth > _DEEPEST:
            return entry if entry is None else _TOO_DEEP
        if isinstance(entry, Mapping):
            return {str(key): self._hide(one, depth + 1) for key, one in entry.items()}
        if isinstance(entry, list | tuple):
            return [self._hide(one, depth + 1) for one in entry]
        text = entry if isinstance(entry, str) else json.dumps(entry, default=str)
        return text if _HIDDEN.fullmatch(text) or text == _TOO_DEEP else self._digest(text)

    def _text(self, text: str, depth: int) -> str:
        if text.lstrip()[:1] in ("{", "[", '"') and (inner := self._embedded(text, depth)) is not None:
            return inner
        # What one form hid can complete another; each round hides more or is the last.
        for _ in range(_ROUNDS):
            before = text
            for form, group in _CREDENTIALS:
                text = form.sub(partial(self._replaced, group), text)
            if text == before:
                break
        return text

    def _embedded(self, text: str, depth: int) -> str | None:
        """A document within a text, such as another tool's copy of an object; None when it is none."""
        repeated: list[str] = []

        def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            if len({name for name, _ in pairs}) < len(pairs):
                repeated.append(text)
            return dict(pairs)

        try:
            document = json.loads(text, object_pairs_hook=unique)
        except (ValueError, RecursionError):
            return None
        kept = self.of(document, depth + 1)
        if kept == document and not repeated:
            return text
        return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)

    def _replaced(self, group: int, found: re.Match[str]) -> str:
        whole, start = found[0], found.start()
        before, after = whole[: found.start(group) - start], whole[found.end(group) - start :]
        return f"{before}{self._hide(found[group], 0)}{after}"


@lru_cache(maxsize=4096)
def _dashed(name: str) -> str:
    """`clientKeyData`, `client_key_data` and `client.key.data` alike: `client-key-data`."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()).strip("-")


@lru_cache(maxsize=4096)
def _names_secret(name: str) -> bool:
    return _SECRET_KEY.fullmatch(_dashed(name)) is not None


def _is_count(name: str, text: str) -> bool:
    """Whether it says how many tokens a model may read or write: the other meaning of the word."""
    return text.isdecimal() and _dashed(name).endswith("tokens")


def _is_secret_place(mapping: Mapping[Any, Any]) -> bool:
    """Whether it is about a field that is secret: a step of a JSON patch, a change, or a named value."""
    name, place = mapping.get("name"), mapping.get("path", mapping.get("pointer"))
    if isinstance(name, str) and "value" in mapping and _names_secret(name):
        return True
    if not isinstance(place, str):
        return False
    steps = [step for step in re.split(r"[/.\[\]]", place) if step]
    # Whose data it is decides, where that is told: a ConfigMap's is not a Secret's.
    content = () if mapping.get("kind") == "ConfigMap" else _SECRET_CONTENT
    inside = any(step in content or _ENVIRONMENT.fullmatch(_dashed(step)) for step in steps)
    copied = place.replace("~1", "/").endswith(LAST_APPLIED)
    return inside or copied or (bool(steps) and _names_secret(steps[-1]))
