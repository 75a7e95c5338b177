"""Fuzzes the loading of documents: any bytes of a file are checked values or a DocumentError, and nothing else.

Called by `run.py`; the arguments are libFuzzer's.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["orchestrator.documents", "orchestrator.core", "yaml"]):
    from orchestrator.documents.envelope import load_any
    from orchestrator.documents.loading import load_all
    from orchestrator.documents.manifests import read_manifests
    from orchestrator.documents.vocabulary import Vocabulary
    from orchestrator.errors import DocumentError
    from orchestrator.geo.jurisdictions import load_jurisdictions
    from orchestrator.planning.safety import RULES
    from orchestrator.plugins import checks

VOCABULARY = Vocabulary(
    jurisdictions=load_jurisdictions(),
    checks={key: check.params for key, check in checks().items()},
    safety_rules=tuple(RULES),
)
FILE = os.memfd_create("document")
PATH = Path(f"/proc/self/fd/{FILE}")
CONTROL = {*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)}


def load(content: bytes) -> None:
    """One execution: the same bytes as a document and as manifests."""
    os.ftruncate(FILE, 0)
    os.pwrite(FILE, content, 0)
    try:
        document = load_any(PATH, VOCABULARY, shown_as="fuzz.yaml")
        name = document.value.name
        assert not CONTROL.intersection(map(ord, name)) and "/" not in name, f"a name that is none: {name!r}"
    except DocumentError as error:
        check_refusal(error)
    try:
        read_manifests(load_all(PATH, shown="fuzz.yaml"))
    except DocumentError as error:
        check_refusal(error)


def check_refusal(error: DocumentError) -> None:
    """A refusal names the file, and a line that it has."""
    assert error.file == "fuzz.yaml", f"no file: {error!r}"
    assert error.line is None or error.line >= 1, f"line {error.line}"


if __name__ == "__main__":
    atheris.Setup(sys.argv, load)
    atheris.Fuzz()
