"""Whose channel somebody's word covers: one model's, and another's by the same name never."""

from __future__ import annotations

import pytest

from orchestrator.core.attestations import Attestation
from orchestrator.core.fleet import Cluster
from orchestrator.core.model import Channel, Model
from orchestrator.core.snapshot import ClusterSnapshot
from orchestrator.errors import UsageError
from orchestrator.workflow.attesting import Attested, channels_of, models_meant
from orchestrator.workflow.recognising import Knowledge

DIGEST = "ab" * 32
BOTH = [("fable-5", "partner-api"), ("mythos-5", "partner-api")]
CHANNELS = {"partner-api": ("fable-5", "mythos-5"), "reseller": ("fable-5",)}


def kept(subject: str, model: str = "", digest: str = DIGEST) -> ClusterSnapshot:
    """A cluster that keeps somebody's word on this subject."""
    said = Attestation(digest=digest, order="o", subject=subject, model=model, by="Ann", note="off", actor="ann")
    return ClusterSnapshot(cluster=Cluster(name="us", region="us"), attestations=(said,))


class TestWhatIsCovered:
    def test_one_word_covers_the_channel_of_its_model_alone(self) -> None:
        """Two models may call two contracts by one name; one of them is still open."""
        attested = Attested.under(DIGEST, [kept("partner-api", "fable-5")])
        assert attested.covers("fable-5", "partner-api", BOTH)
        assert not attested.covers("mythos-5", "partner-api", BOTH)

    def test_a_record_without_a_model_covers_the_only_channel_of_that_name(self) -> None:
        attested = Attested.under(DIGEST, [kept("partner-api")])
        assert attested.covers("fable-5", "partner-api", [("fable-5", "partner-api"), ("fable-5", "reseller")])
        assert not attested.covers("fable-5", "reseller", [("fable-5", "partner-api"), ("fable-5", "reseller")])

    def test_and_none_where_there_are_two(self) -> None:
        """Nobody knows any more whose was meant."""
        attested = Attested.under(DIGEST, [kept("partner-api")])
        assert not any(attested.covers(model, channel, BOTH) for model, channel in BOTH)

    def test_what_was_said_under_another_order_covers_nothing(self) -> None:
        attested = Attested.under(DIGEST, [kept("partner-api", "fable-5", digest="cd" * 32)])
        assert not attested.covers("fable-5", "partner-api", BOTH)


class TestWhoseIsMeant:
    def test_the_only_one_of_that_name_need_not_be_named(self) -> None:
        assert models_meant("reseller", (), CHANNELS, set()) == ("fable-5",)

    def test_where_several_have_one_nothing_is_guessed(self) -> None:
        with pytest.raises(UsageError, match=r"partner-api.* of 2 models: fable-5, mythos-5") as caught:
            models_meant("partner-api", (), CHANNELS, set())
        assert "--model" in (caught.value.hint or "")

    def test_those_that_are_named(self) -> None:
        assert models_meant("partner-api", ("mythos-5",), CHANNELS, set()) == ("mythos-5",)
        twice = ("mythos-5", "fable-5", "mythos-5")
        assert models_meant("partner-api", twice, CHANNELS, set()) == ("mythos-5", "fable-5")

    def test_a_model_without_that_channel_is_refused(self) -> None:
        with pytest.raises(UsageError, match=r"mythos-5\W+is no ordered model with a channel \W*reseller"):
            models_meant("reseller", ("fable-5", "mythos-5"), CHANNELS, set())

    def test_a_cluster_that_is_gone_belongs_to_no_model(self) -> None:
        assert models_meant("us-old", (), CHANNELS, {"us-old"}) == ("",)
        with pytest.raises(UsageError, match=r"fable-5\W+is no ordered model"):
            models_meant("us-old", ("fable-5",), CHANNELS, {"us-old"})
        with pytest.raises(UsageError, match="and a cluster that is gone"):
            models_meant("reseller", (), CHANNELS, {"reseller"})

    def test_a_misspelt_subject_is_refused(self) -> None:
        with pytest.raises(UsageError, match="neither a channel") as caught:
            models_meant("partner-ap", (), CHANNELS, set())
        assert "partner-api" in (caught.value.hint or "")

    def test_channels_of_every_definition_count(self) -> None:
        """Also one that the workspace's file has lost."""
        channel = Channel(name="partner-api", owner="o", contact="c")
        found = (Model(name="fable-5"), Model(name="fable-5", channels=(channel,)))
        known = Knowledge(models={"fable-5": found, "saga": (Model(name="saga", channels=(channel,)),)}, doubts={})
        assert channels_of(known, ["fable-5", "mythos-5"]) == {"partner-api": ("fable-5",)}
