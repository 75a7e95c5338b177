"""What a bundle tells of a run, what it admits to lack, and what it never holds."""

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.events import EventType
from orchestrator.errors import UsageError
from orchestrator.evidence import read_run, run_directory, verify_bundle, write_about, write_result
from orchestrator.evidence.canonical import MAX_LINE
from orchestrator.evidence.private import KEY, run_digest
from tests.unit.evidence.bundles import ABOUT, RUN, WHOLE, bundle, event, item, keep_run, key_of, result

SECRET = "s3cr3t-Value"


def told(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in bundle(directory).splitlines()[:-1]]


def of_type(directory: Path, kind: str) -> list[dict[str, Any]]:
    return [record for record in told(directory) if record["type"] == kind]


def gaps_found(directory: Path) -> list[str]:
    """The gaps that a reader is told; a bundle with any is incomplete and exits 3."""
    report = verify_bundle(io.BytesIO(bundle(directory, key_of("ed25519"))), "x", key_of("ed25519").public)
    assert report.integrity == "intact"
    assert (report.complete, report.exit_code) in ((True, 0), (False, 3))
    found = [reason.message for reason in report.reasons if reason.code == "incomplete"]
    assert bool(found) != report.complete
    return found


def test_the_header_says_what_the_run_was_about(tmp_path: Path) -> None:
    header, *_ = told(keep_run(tmp_path))
    about = header["data"]
    assert ABOUT.items() <= about.items()
    assert (about["apiVersion"], about["kind"], about["run"]) == ("orchestrator/v1", "Evidence", RUN)
    assert about["journal"]["records"] == 4
    assert (about["complete"], about["gaps"], about["signer"]) == (True, [], None)


def test_what_a_run_says_of_itself_cannot_pose_as_the_header(tmp_path: Path) -> None:
    said = {**ABOUT, "kind": "Plan", "signer": "me", "complete": False, "run": "another"}
    directory = keep_run(tmp_path, about=said)
    about = told(directory)[0]["data"]
    assert (about["kind"], about["signer"], about["complete"], about["run"]) == ("Evidence", None, True, RUN)


def test_every_event_is_a_record_as_it_was_journalled(tmp_path: Path) -> None:
    events = [event(EventType.RUN_STARTED, 0), event(EventType.GUARD_TRIED, 1, denied=["a pod"]), WHOLE[-1]]
    records = of_type(keep_run(tmp_path, events), "event")
    assert [one["data"]["event"] for one in records] == [
        "aboutKept", "runStarted", "guardTried", "runEnded", "resultKept",
    ]  # fmt: skip
    assert records[2]["data"] == {"event": "guardTried", "journalSeq": 2, "data": {"denied": ["a pod"]}}
    assert records[2]["at"] == "2026-11-23T20:45:01+00:00"
    assert records[2]["cluster"] == "eu-west-1a"
    assert "model" not in records[2]


def test_items_regions_and_the_result_follow(tmp_path: Path) -> None:
    later = {"guarded": "2026-11-23T20:45:09+00:00", "verified": None}
    reasons = [{"code": "terminating", "message": "a pod is still there"}]
    worse = item("mythos-5", "eu-west-1b", verdict="residue", reasons=reasons, times=later)
    channel = {"name": "partner-api", "verdict": "unverified", "contact": "jo"}
    outcome = result(item(), worse, item(region="us-east", cluster="us-east-1a"), channels=[channel], exitCode=3)
    directory = keep_run(tmp_path, outcome=outcome)

    items = of_type(directory, "item")
    assert [one["data"]["cluster"] for one in items] == ["eu-west-1a", "eu-west-1b", "us-east-1a"]
    assert items[1]["data"]["times"] == {"orderReceived": ABOUT["orderReceived"], **later}
    europe, america = (one["data"] for one in of_type(directory, "region"))
    assert europe["region"] == "eu-west"
    assert europe["clusters"] == ["eu-west-1a", "eu-west-1b"]
    assert europe["verdicts"] == {"verified": 1, "residue": 1}
    assert europe["times"] == {
        "orderReceived": ABOUT["orderReceived"],
        "guarded": later["guarded"],
        "trafficCut": None,
        "stopped": None,
        "lastPodGone": None,
        "verified": None,
    }, "a region is done when its last item is, and not while one is not"
    assert america["times"]["verified"] == "2026-11-23T20:45:20Z"
    assert [one["data"] for one in of_type(directory, "channel")] == [{"channel": channel}]
    (last,) = of_type(directory, "result")
    assert last["data"]["exitCode"] == 3
    assert last["data"]["unproven"] == [
        {
            "model": "mythos-5",
            "cluster": "eu-west-1b",
            "region": "eu-west",
            "verdict": "residue",
            "codes": ["terminating"],
        }
    ]


def test_a_whole_run_has_no_gaps(tmp_path: Path) -> None:
    assert gaps_found(keep_run(tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("journal.jsonl", "journal is missing"), ("about.json", "about.json is m"), ("result.json", "result.json is m")],
)
def test_a_file_of_the_run_that_is_missing_is_a_gap(tmp_path: Path, name: str, words: str) -> None:
    directory = keep_run(tmp_path)
    (directory / name).unlink()
    assert words in " ".join(gaps_found(directory))


@pytest.mark.parametrize("name", ["about.json", "result.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_file_of_the_run_that_is_spoilt_is_a_gap(tmp_path: Path, name: str, content: bytes) -> None:
    directory = keep_run(tmp_path)
    (directory / name).write_bytes(content)
    assert gaps_found(directory) == [f"{name} cannot be read"]


def test_a_result_of_any_other_shape_is_carried_along(tmp_path: Path) -> None:
    outcome = {"items": [5, {"times": 5, "region": None, "reasons": 5}], "channels": {}, "error": "x"}
    assert gaps_found(keep_run(tmp_path, outcome=outcome)) == []


def test_a_journal_that_was_changed_is_a_gap(tmp_path: Path) -> None:
    directory = keep_run(tmp_path)
    journal = directory / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"fable-5", b"fable-6"))
    assert "cannot be trusted" in " ".join(gaps_found(directory))


def test_a_run_that_was_cut_off_is_a_gap(tmp_path: Path) -> None:
    directory = keep_run(tmp_path, WHOLE[:1])
    assert gaps_found(directory) == ["the journal does not tell of the run's end"]
    journal = directory / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"torn')
    assert "cut off while it wrote" in " ".join(gaps_found(directory))


def test_a_run_that_says_so_itself_has_a_gap(tmp_path: Path) -> None:
    """The last records may be lost without a trace in the journal; the result still knows."""
    error = {"code": "evidence-incomplete", "message": "no space left"}
    assert "no space left" in " ".join(gaps_found(keep_run(tmp_path, outcome=result(item(), error=error))))


def test_a_record_that_grew_too_large_is_named_and_left_out(tmp_path: Path) -> None:
    message = "x" * (MAX_LINE + 1)
    directory = keep_run(tmp_path, outcome=result(item(reasons=[{"code": "a", "message": message}])))
    assert gaps_found(directory) == ["record 5 is larger than a record can be"]
    assert of_type(directory, "item")[0]["data"]["omitted"] > MAX_LINE


def test_no_secret_reaches_any_file_but_equal_ones_stay_equal(tmp_path: Path) -> None:
    before = {"kind": "Secret", "metadata": {"name": "a", "resourceVersion": "7"}, "data": {"x": SECRET}}
    pod = {"kind": "Pod", "spec": {"containers": [{"env": [{"name": "A", "value": SECRET}]}]}}
    events = [
        event(EventType.RUN_STARTED, object=before),
        event(EventType.OBSERVED, 1, object=before, pod=pod, message=f"Bearer {SECRET}"),
        WHOLE[-1],
    ]
    leak = {"code": "a", "message": f"refused: token={SECRET}"}
    directory = keep_run(tmp_path, events, result(item(reasons=[leak])), {**ABOUT, "authToken": SECRET})

    for name in ("journal.jsonl", "about.json", "result.json"):
        assert SECRET not in (directory / name).read_text()
    content = bundle(directory).decode()
    assert SECRET not in content
    assert (directory / KEY).read_bytes().hex() not in content
    _, first, second, *_ = of_type(directory, "event")
    assert first["data"]["data"]["object"] == second["data"]["data"]["object"]
    assert first["data"]["data"]["object"]["metadata"] == before["metadata"]


def test_the_key_of_hashes_is_made_when_needed_private_and_kept(tmp_path: Path) -> None:
    directory = keep_run(tmp_path)
    assert not (directory / KEY).exists(), "nothing was secret"
    first = run_digest(directory)("a")
    assert stat.S_IMODE((directory / KEY).stat().st_mode) == 0o600
    assert run_digest(directory)("a") == first != run_digest(tmp_path / "another")("a")


def test_where_the_key_cannot_be_kept_secrets_are_hidden_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert run_digest(tmp_path / "file")("a").startswith("hmac-sha256:")


def test_a_disk_that_refuses_is_told_and_never_raised(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not write_about(tmp_path / "file", ABOUT)
    assert not write_result(tmp_path / "file" / "run", result())


def test_what_is_kept_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        directory = keep_run(tmp_path / "state")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {"journal.jsonl": 0o600, "about.json": 0o600, "result.json": 0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_run_that_is_not_here_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run"):
        read_run(run_directory(tmp_path, RUN))


def test_hostile_text_is_carried_and_cannot_break_a_line(tmp_path: Path) -> None:
    text = "a\n\x1b[2J\u2028\ud800 \U0001f600"
    directory = keep_run(tmp_path, [event(EventType.RUN_STARTED, text=text), WHOLE[-1]])
    assert gaps_found(directory) == []
    kept = of_type(directory, "event")[1]["data"]["data"]["text"]
    assert kept == text.replace("\ud800", "\N{REPLACEMENT CHARACTER}")
