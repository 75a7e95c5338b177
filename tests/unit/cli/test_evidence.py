"""`orchestrator evidence`: exit codes, what it says, and what it never does to files and terminals."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orchestrator.cli.app import run as orchestrator
from orchestrator.core.events import EventType
from orchestrator.documents.schemas import schema
from tests.unit.evidence.bundles import RUN, WHOLE, event, item, keep_run, key_of, pem_of, public_pem, result

SECRET = "Xq9-very-private-value"
FILE = f"{RUN}.evidence.jsonl"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a finished run in its state folder, and a key pair."""
    state = tmp_path / "state"
    monkeypatch.setenv("ORCHESTRATOR_STATE", str(state))
    monkeypatch.chdir(tmp_path)
    keep_run(state)
    write_keys(tmp_path)
    return tmp_path


def write_keys(folder: Path, number: int = 0) -> None:
    key = key_of("ed25519", number)
    (folder / f"key{number}.pem").write_bytes(pem_of(key.private))
    (folder / f"key{number}.pub").write_bytes(public_pem(key))


def documents_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def lose_and_keep(here: Path, outcome: dict[str, Any] | None = None, events: Any = WHOLE) -> Path:
    """The run's folder, kept anew with these events and this result."""
    folder = here / "state" / "runs" / RUN
    for file in folder.iterdir():
        file.unlink()
    return keep_run(here / "state", events, outcome)


def test_signed_and_checked_with_its_key_is_verified(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert orchestrator(["evidence", "export", RUN, "--key", "key0.pem"]) == 0
    assert "NOT SIGNED" not in capsys.readouterr().err
    assert orchestrator(["evidence", "verify", FILE, "--public-key", "key0.pub"]) == 0
    assert "verified" in capsys.readouterr().out


def test_unsigned_is_said_loudly_and_proves_integrity_only(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not to sign is the user's choice, so that export exits 0; to rely on it is another matter: 3."""
    assert orchestrator(["evidence", "export", RUN]) == 0
    assert "NOT SIGNED" in capsys.readouterr().err
    for key in ((), ("--public-key", "key0.pub")):
        assert orchestrator(["evidence", "verify", FILE, *key]) == 3
        assert "integrity only, not authenticity" in capsys.readouterr().out


def test_signed_without_a_key_to_compare_is_not_authentic(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orchestrator(["evidence", "export", RUN, "--key", "key0.pem"])
    assert orchestrator(["evidence", "verify", FILE]) == 3
    assert "integrity only, not authenticity" in capsys.readouterr().out


def test_another_key_and_any_damage_fail(here: Path) -> None:
    write_keys(here, 1)
    orchestrator(["evidence", "export", RUN, "--key", "key0.pem"])
    assert orchestrator(["evidence", "verify", FILE, "--public-key", "key1.pub"]) == 1
    content = bytearray((here / FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (here / FILE).write_bytes(content)
    assert orchestrator(["evidence", "verify", FILE, "--public-key", "key0.pub"]) == 1


@pytest.mark.parametrize("damage", [b"", b"\n", b"\0" * 100, b"{" * 5000, b"\xff\xfe", b"[" * 100_000 + b"\n"])
def test_whatever_is_no_bundle_is_damaged_and_says_nothing_of_itself(
    here: Path, capsys: pytest.CaptureFixture[str], damage: bytes
) -> None:
    (here / FILE).write_bytes(damage)
    assert orchestrator(["evidence", "verify", FILE, "-o", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["integrity"], report["run"], report["exitCode"]) == ("damaged", None, 1)


@pytest.mark.parametrize("what", ["signed", "unsigned", "damaged"])
def test_what_is_printed_follows_its_published_schema(
    here: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    orchestrator(["evidence", "export", RUN, *(("--key", "key0.pem") if what == "signed" else ()), "-o", "json"])
    jsonschema.validate(json.loads(capsys.readouterr().out), schema("EvidenceReport"))
    if what == "damaged":
        (here / FILE).write_bytes(b"nothing\n")
    code = orchestrator(["evidence", "verify", FILE, "-o", "json"])
    report = json.loads(capsys.readouterr().out)
    jsonschema.validate(report, schema("EvidenceReport"))
    assert report["exitCode"] == code


def test_the_file_is_its_owners_and_never_replaces_another(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = os.umask(0)
    try:
        orchestrator(["evidence", "export", RUN])
    finally:
        os.umask(before)
    assert stat.S_IMODE((here / FILE).stat().st_mode) == 0o600
    (here / FILE).write_text("somebody's")
    assert orchestrator(["evidence", "export", RUN]) == 2
    assert (here / FILE).read_text() == "somebody's"
    (here / "link.jsonl").symlink_to(here / "elsewhere.jsonl")
    assert orchestrator(["evidence", "export", RUN, "--save", "link.jsonl"]) == 2
    assert not (here / "elsewhere.jsonl").exists()


@pytest.mark.parametrize("name", ["20261123T204500Z-0000", "../runs/" + RUN, "/etc", "", "x" * 5000, "a\0b"])
def test_what_is_no_run_of_this_machine_is_a_wrong_request(here: Path, name: str) -> None:
    assert orchestrator(["evidence", "export", name]) == 2
    assert not list(here.glob("*.jsonl"))


@pytest.mark.parametrize(
    "arguments", [["verify", "missing"], ["verify", "state"], ["verify", FILE, "--public-key", "x"]]
)
def test_what_cannot_be_read_is_a_wrong_request(here: Path, arguments: list[str]) -> None:
    orchestrator(["evidence", "export", RUN])
    assert orchestrator(["evidence", *arguments]) == 2


def test_a_pipe_named_like_a_bundle_is_not_waited_for(here: Path) -> None:
    os.mkfifo(here / "pipe")
    assert orchestrator(["evidence", "verify", "pipe"]) in (1, 2)


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\n", None])
def test_what_is_no_private_key_signs_nothing(here: Path, content: bytes | None) -> None:
    (here / "bad.pem").write_bytes(public_pem(key_of("ed25519")) if content is None else content)
    assert orchestrator(["evidence", "export", RUN, "--key", "bad.pem"]) == 2
    assert not (here / FILE).exists()


def test_an_encrypted_key_is_refused_where_nobody_can_type_its_password(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "locked.pem").write_bytes(pem_of(key_of("ed25519").private, b"password"))
    assert orchestrator(["evidence", "export", RUN, "--key", "locked.pem"]) == 2
    assert "encrypted" in capsys.readouterr().err


def test_a_gap_in_the_journal_is_said_and_never_proven(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that was killed while it wrote: what is there is exported, and both ends of it say what is missing."""
    folder = lose_and_keep(here, events=WHOLE[:1])
    (folder / "result.json").unlink()
    with (folder / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"half a record')
    assert orchestrator(["evidence", "export", RUN, "--key", "key0.pem"]) == 3
    first, *_, end, _ = documents_of(here / FILE)
    assert (first["data"]["complete"], end["data"]["complete"]) == (False, False)
    capsys.readouterr()
    assert orchestrator(["evidence", "verify", FILE, "--public-key", "key0.pub"]) == 3
    said = capsys.readouterr().out
    assert all(words in said for words in ("within a record", "result.json is missing", "run's end"))


def test_a_journal_that_somebody_changed_is_trusted_up_to_there_only(here: Path) -> None:
    journal = here / "state" / "runs" / RUN / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"20.5", b"20.6"))
    assert orchestrator(["evidence", "export", RUN, "--key", "key0.pem"]) == 3
    events = [one["data"]["event"] for one in documents_of(here / FILE) if one.get("type") == "event"]
    assert events == ["aboutKept", "runStarted"]
    assert orchestrator(["evidence", "verify", FILE, "--public-key", "key0.pub"]) == 3


def test_no_secret_leaves_the_state_folder(here: Path) -> None:
    """Whatever a careless event, result or error carried: the bundle has its keyed hash, and never the key."""
    deployment = {"kind": "Deployment", "spec": {"containers": [{"env": [{"name": "A", "value": SECRET}]}]}}
    leaks = (
        event(EventType.OBSERVED, before=deployment, after=deployment),
        event(EventType.OBSERVED, before={"kind": "Secret", "data": {"a": SECRET}}),
        event(EventType.ANSWERED, message=f"401: Bearer {SECRET}"),
    )
    reason = {"code": "invalid", "message": f"refused: token={SECRET}", "object": None}
    folder = lose_and_keep(here, result(item(reasons=[reason])), (WHOLE[0], *leaks, WHOLE[1]))
    assert orchestrator(["evidence", "export", RUN]) == 0
    content = (here / FILE).read_bytes()
    assert SECRET.encode() not in content
    assert content.count(b"hmac-sha256:") >= 5
    assert (folder / "redaction.key").read_bytes().hex().encode() not in content
    assert SECRET.encode() not in (folder / "result.json").read_bytes()
    (seen,) = (
        one["data"]["data"] for one in documents_of(here / FILE) if "after" in one.get("data", {}).get("data", {})
    )
    assert seen["before"] == seen["after"]


def test_hostile_text_in_a_bundle_never_reaches_the_terminal(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = here / "state" / "runs" / RUN
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps({**about, "orderName": "x\x1b[2J\u202ey", "action": "\x07"}))
    orchestrator(["evidence", "export", RUN])
    orchestrator(["evidence", "verify", FILE])
    said = "".join(capsys.readouterr())
    assert not any(character in said for character in "\x1b\x07\u202e")


def test_evidence_of_a_run_lists_its_items_regions_and_what_is_not_proven(here: Path) -> None:
    doubtful = item(cluster="us-east-1", region="us-east", verdict="unreachable", reasons=[{"code": "timeout"}])
    lose_and_keep(here, result(item(), doubtful))
    orchestrator(["evidence", "export", RUN])
    records = documents_of(here / FILE)[:-1]
    assert [one["type"] for one in records] == [
        "header", "event", "event", "event", "event", "item", "item", "region", "region", "result", "end",
    ]  # fmt: skip
    assert [(one["cluster"], one["codes"]) for one in records[-2]["data"]["unproven"]] == [("us-east-1", ["timeout"])]
    assert records[8]["data"]["times"]["verified"] is None


def test_help_does_not_wait_for_cryptography() -> None:
    """The command's file is imported for `--help` of everything, so that its libraries wait until they are used."""
    code = (
        "import sys\nfrom orchestrator.cli.app import run\nrun(['evidence', 'verify', '--help'])\n"
        "heavy = {'cryptography', 'securesystemslib', 'rfc8785', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
