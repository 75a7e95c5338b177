"""Whatever is done to a bundle is found, by `evidence verify` and by a script that shares nothing with it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ed448
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from orchestrator.evidence import verifying
from orchestrator.evidence.canonical import MAX_LINE, canonical_bytes
from tests.unit.evidence.bundles import SCRIPT, Judges, bundle, keep_run, key_of, public_pem

DAMAGED = ("damaged", 1)
KEYS = ("ed25519", "p256", "p384", "p521", "rsa")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keep_run(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module", params=["signed", "signed, no key given", "unsigned"])
def case(request: pytest.FixtureRequest, run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Judges]:
    """A bundle and its judges."""
    key = None if request.param == "unsigned" else key_of("ed25519")
    given = key if request.param == "signed" else None
    return bundle(run, key), Judges(tmp_path_factory.mktemp("judges"), given)


def flipped(content: bytes, masks: tuple[int, ...], start: int = 0) -> Iterator[bytes]:
    for place in range(start, len(content)):
        for mask in masks:
            yield content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]


def chained(records: list[dict[str, Any]]) -> bytes:
    """A bundle that somebody without a key makes anew of these records: every hash in it is right."""
    lines: list[bytes] = []
    for seq, record in enumerate(records):
        prev = hashlib.sha256(lines[-1]).hexdigest() if lines else "0" * 64
        made = {**record, "seq": seq, "prev": prev}
        if made["type"] == "end":
            header = hashlib.sha256(lines[0]).hexdigest()
            made["data"] = {**made["data"], "count": seq, "head": prev, "header": header}
        lines.append(canonical_bytes(made))
    return b"\n".join([*lines, enveloped(lines[-1]), b""])


def enveloped(end: bytes, signatures: tuple[dict[str, str], ...] = ()) -> bytes:
    payload = base64.b64encode(end).decode()
    kind = "application/vnd.orchestrator.evidence.v1+json"
    return canonical_bytes({"payload": payload, "payloadType": kind, "signatures": list(signatures)})


def records_of(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()[:-1]]


def test_what_nobody_touched_is_intact(case: tuple[bytes, Judges], request: pytest.FixtureRequest) -> None:
    content, judge = case
    answers = {
        "signed": ("intact verified complete", 0),
        "signed, no key given": ("intact unchecked complete", 3),
        "unsigned": ("intact unsigned complete", 3),
    }
    assert judge(content) == answers[request.node.callspec.params["case"]]


def test_every_single_byte_that_is_flipped_is_found(case: tuple[bytes, Judges]) -> None:
    content, judge = case
    assert [one for one in flipped(content, (0x01, 0x80)) if judge(one) != DAMAGED] == []


@pytest.mark.long
def test_every_single_bit_that_is_flipped_is_found(case: tuple[bytes, Judges]) -> None:
    content, judge = case
    assert [one for one in flipped(content, tuple(1 << bit for bit in range(8))) if judge(one) != DAMAGED] == []


@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_key_signs_and_every_flip_of_its_signature_is_found(run: Path, tmp_path: Path, kind: str) -> None:
    key = key_of(kind)
    content, judge = bundle(run, key), Judges(tmp_path, key)
    assert judge(content) == ("intact verified complete", 0)
    envelope = content.rindex(b"\n", 0, -1) + 1
    assert [one for one in flipped(content, (0x01, 0x80), start=envelope) if judge(one) != DAMAGED] == []


def test_every_line_that_is_removed_repeated_or_moved_is_found(case: tuple[bytes, Judges]) -> None:
    content, judge = case
    lines = content.splitlines(keepends=True)
    for place, line in enumerate(lines):
        assert judge(b"".join(lines[:place] + lines[place + 1 :])) == DAMAGED
        assert judge(b"".join([*lines[:place], line, *lines[place:]])) == DAMAGED
        for other in range(place + 1, len(lines)):
            swapped = [*lines]
            swapped[place], swapped[other] = swapped[other], swapped[place]
            assert judge(b"".join(swapped)) == DAMAGED


def test_wherever_it_is_cut_off_is_found(case: tuple[bytes, Judges]) -> None:
    content, judge = case
    assert [length for length in range(len(content)) if judge(content[:length]) != DAMAGED] == []


@pytest.mark.parametrize("more", [b"\n", b" ", b"\0", b"\r\n", b"{}\n", b"\xff", b"null\n", b"\xef\xbb\xbf"], ids=repr)
def test_whatever_stands_before_or_after_is_found(case: tuple[bytes, Judges], more: bytes) -> None:
    content, judge = case
    assert judge(content + more) == DAMAGED
    assert judge(more + content) == DAMAGED
    assert judge(content + content.splitlines(keepends=True)[-1]) == DAMAGED
    assert judge(content.replace(b"\n", b"\r\n")) == DAMAGED


def test_bytes_put_in_or_taken_out_anywhere_are_found(case: tuple[bytes, Judges]) -> None:
    content, judge = case
    chance = random.Random(20261123)  # noqa: S311
    for _ in range(400):
        place, more = chance.randrange(len(content)), chance.choice([b" ", b"\n", b"0", b'"', b"\\u0041", b"="])
        assert judge(content[:place] + more + content[place:]) == DAMAGED
        assert judge(content[:place] + content[place + 1 :]) == DAMAGED


def test_a_key_that_did_not_sign_it_is_refused(run: Path, tmp_path: Path) -> None:
    content = bundle(run, key_of("ed25519"))
    assert Judges(tmp_path, key_of("ed25519", 1))(content) == ("intact refused complete", 1)
    assert Judges(tmp_path, key_of("p256"))(content) == ("intact refused complete", 1)


def test_one_signed_anew_with_another_key_is_refused(run: Path, tmp_path: Path) -> None:
    assert Judges(tmp_path, key_of("ed25519"))(bundle(run, key_of("ed25519", 1))) == ("intact refused complete", 1)


def test_a_signature_of_another_key_over_the_same_end_is_damage(run: Path, tmp_path: Path) -> None:
    first, second = (bundle(run, key_of("ed25519", number)).splitlines(keepends=True) for number in (0, 1))
    assert Judges(tmp_path, key_of("ed25519"))(b"".join([*first[:-1], second[-1]])) == DAMAGED


def test_a_signature_that_was_taken_off_is_damage(run: Path, tmp_path: Path) -> None:
    *lines, _ = bundle(run, key_of("ed25519")).splitlines()
    content = b"\n".join([*lines, enveloped(lines[-1]), b""])
    assert Judges(tmp_path, key_of("ed25519"))(content) == DAMAGED
    assert Judges(tmp_path, None)(content) == DAMAGED


def test_one_made_anew_without_a_key_is_never_more_than_unsigned(run: Path, tmp_path: Path) -> None:
    records = records_of(bundle(run, key_of("ed25519")))
    records[0]["data"]["signer"] = None
    records[1]["data"]["data"] = {"models": ["another"]}
    judge = Judges(tmp_path, key_of("ed25519"))
    assert judge(chained(records)) == ("intact unsigned complete", 3)


def test_one_made_anew_that_still_names_its_signer_is_damage(run: Path, tmp_path: Path) -> None:
    records = records_of(bundle(run, key_of("ed25519")))
    assert Judges(tmp_path, key_of("ed25519"))(chained(records)) == DAMAGED
    assert Judges(tmp_path, None)(chained(records)) == DAMAGED


def spoilt(records: list[dict[str, Any]], path: tuple[Any, ...], value: Any) -> list[dict[str, Any]]:
    place: Any = records
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return records


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((0, "type"), "event"),
        ((1, "type"), "header"),
        ((1, "type"), "end"),
        ((-1, "type"), "event"),
        ((1, "at"), 5),
        ((1, "data"), []),
        ((0, "data", "kind"), "Plan"),
        ((0, "data", "apiVersion"), "orchestrator/v2"),
        ((0, "data", "signer"), ""),
        ((0, "data", "signer"), False),
        ((0, "data", "signer"), {}),
        ((0, "data", "signer"), {"keyid": "0", "publicKey": ""}),
        ((-1, "data", "complete"), 1),
        ((-1, "data", "gaps"), None),
        ((-1, "data", "gaps"), {}),
    ],
)
def test_one_made_anew_in_another_shape_is_damage(run: Path, tmp_path: Path, path: tuple[Any, ...], value: Any) -> None:
    records = spoilt(records_of(bundle(run)), path, value)
    if path == (1, "type") and value == "end":
        records[1]["data"] = records[-1]["data"]
    if path == (-1, "type"):
        records[-1]["data"] = {}
    assert Judges(tmp_path, None)(chained(records)) == DAMAGED


@pytest.mark.parametrize("missing", ["complete", "gaps", "count", "head", "header"])
def test_an_end_that_lacks_something_is_damage(run: Path, tmp_path: Path, missing: str) -> None:
    *lines, _ = bundle(run).splitlines()
    end = json.loads(lines[-1])
    del end["data"][missing]
    lines[-1] = canonical_bytes(end)
    assert Judges(tmp_path, None)(b"\n".join([*lines, enveloped(lines[-1]), b""])) == DAMAGED


def test_gaps_that_contradict_completeness_count_as_gaps(run: Path, tmp_path: Path) -> None:
    """Whoever made it, a bundle that names a gap or calls itself incomplete is incomplete."""
    judge = Judges(tmp_path, None)
    named = spoilt(records_of(bundle(run)), (-1, "data", "gaps"), ["something"])
    assert judge(chained(named)) == ("intact unsigned incomplete", 3)
    unnamed = spoilt(records_of(bundle(run)), (-1, "data", "complete"), False)
    assert judge(chained(unnamed)) == ("intact unsigned incomplete", 3)


@pytest.mark.parametrize(
    "spelling",
    [
        b'{"a":1,"at":"x"}',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b'{"a": 1}',
        b'{"a":1.0}',
        b'{"a":1.50}',
        b'{"a":1e2}',
        b'{"a":0.000001}',
        b'{"a":1e-07}',
        b'{"a":-0}',
        b'{"a":-0.0}',
        b'{"a":9007199254740992}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":9007199254740993.5}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1E999}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\u001F"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'{"\xef\xbf\xbd":1,"\xf0\x9f\x98\x80":1}',
        b'[["a",1]]',
        b"5",
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
    ids=lambda text: repr(text[:40]),
)
def test_a_second_spelling_of_a_record_is_damage_though_every_hash_fits(
    run: Path, tmp_path: Path, spelling: bytes
) -> None:
    """RFC 8785 and the narrower rule for numbers; the first line shows that this test can succeed."""
    lines = bundle(run).splitlines()
    made = lines[0]
    record = canonical_bytes({"at": "x", "data": "@", "prev": hashlib.sha256(made).hexdigest(), "seq": 1, "type": "t"})
    second = record.replace(b'"@"', spelling)
    end = json.loads(lines[-2])
    head = hashlib.sha256(second).hexdigest()
    end |= {"seq": 2, "prev": head, "data": {**end["data"], "count": 2, "head": head}}
    last = canonical_bytes(end)
    expected = ("intact unsigned complete", 3) if spelling == b'{"a":1,"at":"x"}' else DAMAGED
    assert Judges(tmp_path, None)(b"\n".join([made, second, last, enveloped(last), b""])) == expected


def test_a_signer_of_a_kind_that_is_not_supported_is_damage(run: Path, tmp_path: Path) -> None:
    for private in (ed448.Ed448PrivateKey.generate(), dsa.generate_private_key(2048)):
        der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        name = {"keyid": hashlib.sha256(der).hexdigest(), "publicKey": base64.b64encode(der).decode()}
        records = spoilt(records_of(bundle(run)), (0, "data", "signer"), name)
        lines = chained(records).splitlines()
        envelope = enveloped(lines[-2], ({"keyid": name["keyid"], "sig": base64.b64encode(b"0" * 64).decode()},))
        assert Judges(tmp_path, None)(b"\n".join([*lines[:-1], envelope, b""])) == DAMAGED


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n\n", b"{}\n" * 4, b"null\n" * 4, b"\xff" * 100, b"[" * 100_000])
def test_what_is_no_bundle_at_all_is_damage(tmp_path: Path, content: bytes) -> None:
    assert Judges(tmp_path, None)(content) == DAMAGED


def test_a_file_that_is_larger_than_a_bundle_can_be_is_not_read_to_its_end(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bundle(run)
    monkeypatch.setattr(verifying, "MAX_BUNDLE", len(content))
    assert verifying.verify_bundle(io.BytesIO(content), "x").integrity == "intact"
    monkeypatch.setattr(verifying, "MAX_BUNDLE", len(content) - 1)
    report = verifying.verify_bundle(io.BytesIO(content), "x")
    assert (report.integrity, report.exit_code) == ("damaged", 1)
    assert "larger than a bundle can be" in report.reasons[0].message


def test_a_line_without_end_is_given_up_after_the_longest_record(tmp_path: Path) -> None:
    """A sparse file of 1 TB, or /dev/zero: neither memory nor time."""
    hostile = tmp_path / "hostile.jsonl"
    with hostile.open("wb") as file:
        file.truncate(1 << 40)
    with hostile.open("rb") as file:
        assert "longer than a record" in verifying.verify_bundle(file, "x").reasons[0].message
        assert file.tell() < 2 * MAX_LINE + io.DEFAULT_BUFFER_SIZE


def test_the_script_as_its_reader_runs_it(run: Path, tmp_path: Path) -> None:
    """In a process of its own, without anything of ours on its path; and within 60 lines."""
    key = key_of("rsa")
    file, public = tmp_path / "bundle.jsonl", tmp_path / "public.pem"
    file.write_bytes(bundle(run, key))
    public.write_bytes(public_pem(key))
    source = SCRIPT.read_text()
    assert "orchestrator import" not in source and "import orchestrator" not in source
    assert len(source.splitlines()) <= 60
    for arguments, answer in (
        ([file, public], ("intact verified complete\n", 0)),
        ([file], ("intact unchecked complete\n", 3)),
        ([public, public], ("damaged\n", 1)),
    ):
        command = [sys.executable, "-W", "error", str(SCRIPT), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
        assert (done.stdout, done.returncode) == answer, done.stderr
