"""The few requests that a sandbox sends to its own API servers, with its own administrator's certificate.

Everything else that talks to clusters lives in `orchestrator.delivery`; this stays small so that the rooms need not
know each other.
"""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any, Self

from orchestrator.errors import SandboxError
from orchestrator.sandbox.certificates import Pair


class ApiServerError(SandboxError):
    """The API server of a sandbox cluster did not do what was asked; `status` is None without an answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ApiServer:
    """One connection to one API server; for one thread at a time."""

    def __init__(self, port: int, authority: Path, client: Pair, timeout: float = 15.0) -> None:
        context = ssl.create_default_context(cafile=str(authority))
        context.load_cert_chain(client.certificate, client.key)
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        self._connection.close()

    def is_ready(self) -> bool:
        """Does `/readyz` say ok, its own etcd included?"""
        try:
            status, _ = self._send("GET", "/readyz", None, {})
        except ApiServerError:
            return False
        return status == http.client.OK

    def get(self, path: str, accept: str = "application/json") -> dict[str, Any]:
        """The object at `path`. Raises ApiServerError."""
        return self._expect("GET", path, None, {"Accept": accept})

    def create(self, path: str, body: bytes | dict[str, Any]) -> None:
        """Create an object; one that exists already is left alone. Raises ApiServerError."""
        try:
            self._expect("POST", path, body, {"Content-Type": "application/json"})
        except ApiServerError as error:
            if error.status != http.client.CONFLICT:
                raise

    def merge(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Change an object by a JSON merge patch. Raises ApiServerError."""
        return self._expect("PATCH", path, body, {"Content-Type": "application/merge-patch+json"})

    def delete(self, path: str) -> None:
        """Delete an object; one that is gone already is fine. Raises ApiServerError."""
        try:
            self._expect("DELETE", path, None, {})
        except ApiServerError as error:
            if error.status != http.client.NOT_FOUND:
                raise

    def _expect(
        self, method: str, path: str, body: bytes | dict[str, Any] | None, headers: dict[str, str]
    ) -> dict[str, Any]:
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        status, answer = self._send(method, path, content, headers)
        try:
            parsed: dict[str, Any] = json.loads(answer)
        except ValueError:
            parsed = {}
        if status >= http.client.BAD_REQUEST:
            cause = parsed.get("message") or answer[:200].decode("utf-8", "replace")
            raise ApiServerError(f"{method} {path}: {status} {cause}", status)
        return parsed

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise ApiServerError(f"{method} {path}: {error or type(error).__name__}") from error
