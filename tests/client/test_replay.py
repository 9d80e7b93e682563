"""A stored session heard again, without Kafka."""

from pipeline.client.replay import difference, heard_again
from pipeline.codecs.avro import encode_chunk
from pipeline.domain.session import SessionSettings
from pipeline.domain.types import Received
from pipeline.inprocess import InProcessPipeline
from pipeline.testing import ManualClock, ScriptedRecognizer
from tests.client.helpers import final
from tests.domain.helpers import BROKEN, PORTS, chunks_of, received, talk

SENTENCES = talk("silence 300", "speech 1500", "silence 900", "speech 700", "silence 700")


def records(items: list[Received]) -> list[bytes]:
    return [encode_chunk(item.chunk) for item in items]


def fresh() -> InProcessPipeline:
    return InProcessPipeline(PORTS, ScriptedRecognizer(), ManualClock(), SessionSettings(), partials=False)


def test_the_same_records_give_the_same_texts() -> None:
    once, again = (
        heard_again(records(chunks_of(SENTENCES)), fresh()),
        heard_again(records(chunks_of(SENTENCES)), fresh()),
    )
    assert [each.text for each in once.finals] == [each.text for each in again.finals]
    assert len(once.finals) == 2


def test_a_session_that_was_given_up_is_heard_to_its_end() -> None:
    whole = heard_again(records(chunks_of(SENTENCES)), fresh())
    ended_by_silence = heard_again(records(chunks_of(SENTENCES, ends=False)), fresh())
    assert [each.text for each in ended_by_silence.finals] == [each.text for each in whole.finals]


def test_broken_chunks_are_skipped_and_counted() -> None:
    items = chunks_of(SENTENCES)
    items[30] = received(30, BROKEN)
    heard = heard_again([*records(items[:5]), b"no Avro", *records(items[5:])], fresh())
    assert (heard.chunks, heard.skipped, len(heard.finals)) == (len(items) + 1, 2, 2)


def test_one_pipeline_hears_many_sessions_and_keeps_none() -> None:
    pipeline = fresh()
    first = heard_again(records(chunks_of(SENTENCES)), pipeline)
    second = heard_again(records(chunks_of(SENTENCES)), pipeline)
    assert [each.text for each in first.finals] == [each.text for each in second.finals]


def test_the_difference_counts_words_channel_by_channel() -> None:
    before = [final(text="hello there"), final(text="good day", channel=1)]
    after = [final(text="hello here"), final(text="Good day!", channel=1)]
    assert (difference(before, after).total, difference(before, after).reference_words) == (1, 4)
