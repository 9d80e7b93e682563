"""Back-off and batches, as values."""

from hypothesis import given
from hypothesis import strategies as some

from pipeline.codecs.avro import decode_transcript, decode_usage
from pipeline.delivery.batch import Backoff, letter_of, not_from_start, sorted_out
from pipeline.delivery.view import Refused
from tests.delivery.helpers import FINALS, USAGE, delivery, final, records, usage_deliveries, usage_records, used

BACKOFF = Backoff(first_s=0.1, longest_s=10.0)


def test_pauses_double_up_to_the_longest() -> None:
    assert [BACKOFF.pause_s(failures, 1.0) for failures in (1, 2, 3, 7, 8, 9)] == [0.1, 0.2, 0.4, 6.4, 10.0, 10.0]


@given(failures=some.integers(1, 10**9), chance=some.floats(0, 1, exclude_max=True))
def test_chance_spreads_a_pause_over_its_second_half_however_long_the_outage(failures: int, chance: float) -> None:
    whole_s = BACKOFF.pause_s(failures, 1.0)
    assert whole_s / 2 <= BACKOFF.pause_s(failures, chance) <= whole_s <= 10.0


def test_the_position_of_a_batch_counts_its_broken_records_too() -> None:
    batch = sorted_out(records(final(), b"broken"), decode_transcript, "memory", 7)
    assert [one.offset for one in batch.positions()] == [0, 1]
    assert batch.letters[0].rejected_at_ms == 7
    assert batch.letters[0].message.startswith("not delivered to memory: transcript record of 6 bytes")


def test_a_batch_without_a_partition_has_neither_its_texts_nor_its_dead_letters() -> None:
    batch = sorted_out([*records(final(), b"x"), *records(final(1), b"y", partition=1)], decode_transcript, "memory", 0)
    assert {one.partition for one in batch.without({(FINALS, 0)}).positions()} == {1}


def test_a_batch_of_usage_holds_what_was_used_and_dead_letters_of_the_rest() -> None:
    stray = records(final())[0].value
    batch = sorted_out(usage_records(used(0), stray, used(1)), decode_usage, "usage", 7)
    assert [one.record for one in batch.deliveries] == [used(0), used(1)]
    assert [(one.source.topic, one.source.offset) for one in batch.letters] == [(USAGE, 1)]
    assert "it was sent to the wrong topic" in batch.letters[0].message


def test_a_refused_record_names_its_session_where_it_is_of_one() -> None:
    (minute,) = usage_deliveries(used())
    assert letter_of(Refused(minute, "no"), "usage", 7).session_id is None
    assert letter_of(Refused(delivery(final(session_id="s")), "no"), "redis", 7).session_id == "s"


def test_only_partitions_that_begin_later_than_at_offset_0_have_something_before() -> None:
    whole, rest = records(final(0), final(1)), records(final(0), final(1), partition=1)[1:]
    assert not_from_start([one.source for one in [*whole, *rest]]) == {(FINALS, 1)}
