"""Back-off and batches, as values."""

from hypothesis import given
from hypothesis import strategies as some

from pipeline.delivery.batch import Backoff, sorted_out
from tests.delivery.helpers import FINALS, final, records

BACKOFF = Backoff(first_s=0.1, longest_s=10.0)


def test_pauses_double_up_to_the_longest() -> None:
    assert [BACKOFF.pause_s(failures, 1.0) for failures in (1, 2, 3, 7, 8, 9)] == [0.1, 0.2, 0.4, 6.4, 10.0, 10.0]


@given(failures=some.integers(1, 10**9), chance=some.floats(0, 1, exclude_max=True))
def test_chance_spreads_a_pause_over_its_second_half_however_long_the_outage(failures: int, chance: float) -> None:
    whole_s = BACKOFF.pause_s(failures, 1.0)
    assert whole_s / 2 <= BACKOFF.pause_s(failures, chance) <= whole_s <= 10.0


def test_the_position_of_a_batch_counts_its_broken_records_too() -> None:
    batch = sorted_out(records(final(), b"broken"), "memory", 7)
    assert [one.offset for one in batch.positions()] == [0, 1]
    assert batch.letters[0].rejected_at_ms == 7
    assert batch.letters[0].message.startswith("not delivered to memory: transcript record of 6 bytes")


def test_a_batch_without_a_partition_has_neither_its_texts_nor_its_dead_letters() -> None:
    batch = sorted_out([*records(final(), b"x"), *records(final(1), b"y", partition=1)], "memory", 0)
    assert {one.partition for one in batch.without({(FINALS, 0)}).positions()} == {1}
