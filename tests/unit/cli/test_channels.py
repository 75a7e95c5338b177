"""What a terminal tells of ways that this tool cannot switch: which is open, and whom to call."""

from __future__ import annotations

import pytest

from orchestrator.cli._render import print_result
from orchestrator.core.result import ChannelResult, Outcome, StatusDocument
from orchestrator.core.verdict import Verdict


def status(*channels: ChannelResult) -> StatusDocument:
    return StatusDocument(
        rehearsal=False, outcome=Outcome.UNPROVEN, exit_code=3, seconds=1.0, items=(), channels=channels
    )


def test_an_open_channel_is_why_an_order_is_not_proven(capsys: pytest.CaptureFixture[str]) -> None:
    """Though every cluster is: without this line nobody could tell from where the exit code comes."""
    code = print_result(
        status(
            ChannelResult(
                name="partner-api", model="fable-5", verdict=Verdict.UNVERIFIED, contact="desk@models.example"
            ),
            ChannelResult(name="reseller", model="fable-5", verdict=Verdict.VERIFIED, contact="sales@models.example"),
        ),
        "table",
    )
    said = capsys.readouterr()
    assert code == 3
    assert "channel partner-api of fable-5: unverified; contact: desk@models.example" in said.out
    assert "channel reseller of fable-5: verified" in said.out
    assert "1 of 2 channels not shown to be closed" in said.err


def test_their_words_are_hostile_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(
        status(ChannelResult(name="a\x1b[2Jb", model="m\x1b[2Jn", verdict=Verdict.UNVERIFIED, contact="c\nd")), "table"
    )
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "c\nd" not in said
