"""The options of the job's sinks, and the settings that they depend on."""

import pytest

from pipeline.errors import SetupError
from pipeline.flink.kafka_tables import guarantee_options
from pipeline.flink.settings import Guarantee, JobSettings


def test_two_jobs_never_share_a_transaction() -> None:
    names = {
        guarantee_options(Guarantee.EXACTLY_ONCE, job, topic)["sink.transactional-id-prefix"]
        for job in ("one", "other")
        for topic in ("speech.final.v1", "mine.speech.final.v1")
    }
    assert len(names) == 4


def test_at_least_once_opens_no_transactions() -> None:
    assert guarantee_options(Guarantee.AT_LEAST_ONCE, "job", "topic") == {"sink.delivery-guarantee": "at-least-once"}


def test_checkpoints_too_rare_for_a_transaction_are_refused_with_the_longest_interval() -> None:
    with pytest.raises(SetupError, match="400000.*exactly-once.*300000 or less"):
        JobSettings(finals=Guarantee.EXACTLY_ONCE, checkpoint_interval_ms=400_000)
    assert JobSettings(checkpoint_interval_ms=400_000).finals is Guarantee.AT_LEAST_ONCE
