"""Real runs, keys and bundles for the tests, and the answers of the two that check bundles."""

from __future__ import annotations

import contextlib
import functools
import io
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import CodeType
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from orchestrator.core.events import Event, EventType
from orchestrator.evidence import (
    FileJournal,
    SigningKey,
    bundle_lines,
    load_signing_key,
    read_run,
    run_digest,
    run_directory,
    verify_bundle,
    write_about,
    write_result,
)

RUN = "20261123T204500Z-3f9a"
AT = datetime(2026, 11, 23, 20, 45, tzinfo=UTC)
SCRIPT = Path(__file__).parents[3] / "docs" / "verify_evidence.py"
ABOUT = {
    "action": "takedown",
    "orderName": "directive-2026-06-12",
    "orderDigest": "ab" * 32,
    "orderReceived": "2026-11-23T20:40:00+00:00",
    "localUser": "jo",
}


def item(model: str = "fable-5", cluster: str = "eu-west-1a", **fields: Any) -> dict[str, Any]:
    times = {"guarded": "2026-11-23T20:45:01Z", "verified": "2026-11-23T20:45:20Z"}
    return {"model": model, "cluster": cluster, "region": "eu-west", "verdict": "verified", "times": times, **fields}


def result(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"run": RUN, "action": "takedown", "exitCode": 0, "error": None, "items": list(items), **fields}


def event(kind: EventType, seconds: float = 0, **data: Any) -> Event:
    return Event(type=kind, at=AT + timedelta(seconds=seconds), cluster="eu-west-1a", data=data)


WHOLE = (event(EventType.RUN_STARTED, models=["fable-5"]), event(EventType.RUN_ENDED, 20, lasted=20.5))


def keep_run(
    state: Path,
    events: Iterable[Event] = WHOLE,
    outcome: dict[str, Any] | None = None,
    about: dict[str, Any] | None = None,
) -> Path:
    """The folder of a run that recorded these events and came to this result."""
    directory = run_directory(state, RUN)
    write_about(directory, ABOUT if about is None else about, AT)
    journal = FileJournal(directory)
    for one in events:
        journal.record(one)
    journal.close()
    write_result(directory, result(item()) if outcome is None else outcome, AT + timedelta(seconds=21))
    return directory


def bundle(directory: Path, key: SigningKey | None = None) -> bytes:
    return b"".join(bundle_lines(read_run(directory), run_digest(directory), AT + timedelta(hours=1), key))


def pem_of(private: Any, password: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form: bytes = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return form


def public_pem(key: SigningKey) -> bytes:
    form: bytes = key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return form


@functools.cache
def key_of(kind: str, number: int = 0) -> SigningKey:
    """A key made for this test run; another one for each number."""
    private: Any = {
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
    }[kind]()
    return load_signing_key(pem_of(private))


@functools.cache
def script() -> CodeType:
    return compile(SCRIPT.read_text(), str(SCRIPT), "exec")


class Judges:
    """Asks `evidence verify` and the independent script, and expects the same answer."""

    def __init__(self, folder: Path, key: SigningKey | None) -> None:
        self._file = folder / "judged.jsonl"
        self._arguments = [str(SCRIPT), str(self._file)]
        self._public = key.public if key else None
        if key:
            (folder / "judge.pem").write_bytes(public_pem(key))
            self._arguments.append(str(folder / "judge.pem"))

    def __call__(self, content: bytes) -> tuple[str, int]:
        """The common answer, such as `intact verified complete` or `damaged`, and its exit code."""
        report = verify_bundle(io.BytesIO(content), "judged.jsonl", self._public)
        whole = "complete" if report.complete else "incomplete"
        ours = "damaged" if report.integrity == "damaged" else f"intact {report.authenticity} {whole}"
        theirs = self._ask_script(content)
        assert theirs == (ours, report.exit_code), f"the two disagree: {report.reasons}"
        return theirs

    def _ask_script(self, content: bytes) -> tuple[str, int]:
        self._file.write_bytes(content)
        said, arguments = io.StringIO(), sys.argv
        sys.argv = self._arguments
        try:
            with contextlib.redirect_stdout(said):
                exec(script(), {"__name__": "__main__"})  # noqa: S102
        except SystemExit as end:
            return said.getvalue().strip(), int(str(end.code))
        finally:
            sys.argv = arguments
        raise AssertionError("the script did not say its exit code")
