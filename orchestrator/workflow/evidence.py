"""Evidence of a run: made of what the run left on this machine, and checked without anything but the file."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from orchestrator import evidence
from orchestrator.core.evidence import EvidenceReport
from orchestrator.errors import OrchestratorError, UsageError

_MAX_KEY = 64 * 1024


def export_evidence(
    state: Path, run: str, target: Path, key: evidence.SigningKey | None = None, now: datetime | None = None
) -> EvidenceReport:
    """Write the evidence of a run to a new file of mode 0600, and say what it is worth.

    Raises UsageError when there is no such run, or the file exists already.
    """
    directory = evidence.run_directory(state, run)
    record = evidence.read_run(directory)
    lines = evidence.bundle_lines(record, evidence.run_digest(directory), now or datetime.now(UTC), key)
    content = b"".join(lines)
    try:
        evidence.write_new(target, content)
    except FileExistsError as error:
        raise UsageError(f"{target} exists already", hint="--save FILE writes it elsewhere") from error
    except OSError as error:
        with contextlib.suppress(OSError):
            target.unlink()
        raise OrchestratorError(
            f"{target} cannot be written: {error.strerror}",
            code="evidence",
            hint="name a file that can be written: --save FILE",
        ) from error
    # What was written is judged as its readers will judge it, never as it was meant.
    return evidence.verify_bundle(io.BytesIO(content), str(target), key.public if key else None)


def verify_evidence(file: Path, key: evidence.PublicKey | None = None) -> EvidenceReport:
    """What is to be thought of an evidence file. Raises UsageError when it cannot be read."""
    try:
        # Never wait for a pipe that somebody named like a bundle.
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            return evidence.verify_bundle(stream, str(file), key)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}", hint="name an evidence file that can be read"
        ) from error


def read_signing_key(file: Path, ask_password: Callable[[], str] | None = None) -> evidence.SigningKey:
    """The private key in a PEM file; an encrypted one is asked for, where somebody can answer. Raises UsageError."""
    pem = _read_key(file)
    try:
        return evidence.load_signing_key(pem)
    except UsageError as error:
        if error.code != "key-encrypted" or ask_password is None:
            raise
    return evidence.load_signing_key(pem, ask_password().encode())


def read_public_key(file: Path) -> evidence.PublicKey:
    """The public key in a PEM file. Raises UsageError."""
    return evidence.load_public_key(_read_key(file))


def _read_key(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(_MAX_KEY)
    except OSError as error:
        raise UsageError(
            f"the key {file} cannot be read: {error.strerror}", hint="name a key file that can be read"
        ) from error
