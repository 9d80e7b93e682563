"""Chunks come out in order, each once; what stays away is reported as missing."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.ordering import Missing, Ordering, OrderingSettings, OrderingState
from pipeline.domain.types import Received
from pipeline.errors import OutOfSequence
from tests.domain.helpers import received

SETTINGS = OrderingSettings(max_wait_ms=400, max_jump_chunks=50)


def offered(ordering: Ordering, *seqs: int) -> list[int | Missing]:
    """What comes out for chunks of 100 ms offered one by one, received ones by their numbers."""
    return numbers(out for seq in seqs for out in ordering.offer(received(seq)))


def numbers(released: Iterable[Received | Missing]) -> list[int | Missing]:
    return [item.chunk.seq if isinstance(item, Received) else item for item in released]


def test_chunks_in_order_pass_through() -> None:
    assert offered(Ordering(SETTINGS), 0, 1, 2) == [0, 1, 2]


def test_a_duplicate_is_dropped() -> None:
    assert offered(Ordering(SETTINGS), 0, 1, 0, 1, 1, 2) == [0, 1, 2]


def test_a_duplicate_of_a_waiting_chunk_is_dropped() -> None:
    assert offered(Ordering(SETTINGS), 0, 2, 2, 1) == [0, 1, 2]


def test_an_early_chunk_waits_for_those_before_it() -> None:
    ordering = Ordering(SETTINGS)
    assert offered(ordering, 0, 2, 3) == [0]
    assert ordering.holds_back
    assert offered(ordering, 1) == [1, 2, 3]
    assert not ordering.holds_back


def test_a_chunk_is_given_up_once_the_longest_wait_of_later_audio_has_come() -> None:
    ordering = Ordering(SETTINGS)
    assert offered(ordering, 0, 2, 3, 4, 5) == [0]
    assert offered(ordering, 6) == [Missing(1, 1), 2, 3, 4, 5, 6]


def test_of_two_gaps_only_the_one_that_waited_long_enough_is_given_up() -> None:
    ordering = Ordering(SETTINGS)
    assert offered(ordering, 0, 2, 3, 5, 6) == [0, Missing(1, 1), 2, 3]
    assert offered(ordering, 4) == [4, 5, 6]


def test_waiting_is_measured_on_the_clock_of_the_producer() -> None:
    ordering = Ordering(SETTINGS)
    assert ordering.offer(received(1, captured_at_ms=5_000, at_ms=9_000_000)) == []
    assert ordering.offer(received(2, captured_at_ms=5_399, at_ms=9_999_999)) == []
    assert numbers(ordering.offer(received(3, captured_at_ms=5_400, at_ms=9_999_999))) == [Missing(0, 1), 1, 2, 3]


def test_a_clock_that_stands_still_cannot_make_chunks_wait_for_ever() -> None:
    ordering = Ordering(SETTINGS)
    released = [out for seq in range(1, 22) for out in ordering.offer(received(seq, captured_at_ms=5_000))]
    assert numbers(released) == [Missing(0, 1), *range(1, 22)]


def test_giving_up_releases_all_that_waits_with_the_gaps_between() -> None:
    ordering = Ordering(SETTINGS)
    assert offered(ordering, 0, 2, 5) == [0]
    assert numbers(ordering.give_up_missing()) == [Missing(1, 1), 2, Missing(3, 2), 5]
    assert not ordering.holds_back


def test_a_stream_may_be_joined_anywhere() -> None:
    joined = offered(Ordering(SETTINGS), 90_000, 90_001, 90_002, 90_003, 90_004)
    assert joined == [Missing(0, 90_000), 90_000, 90_001, 90_002, 90_003, 90_004]


def test_a_chunk_that_comes_after_it_was_given_up_is_refused() -> None:
    ordering = Ordering(SETTINGS)
    offered(ordering, 0, 2, 3, 4, 5, 6)
    with pytest.raises(OutOfSequence, match=r"session 's': chunk 1 came after .* silence; the next expected is 7"):
        ordering.offer(received(1))


def test_numbers_that_start_anew_with_new_audio_are_refused() -> None:
    ordering = Ordering(SETTINGS)
    offered(ordering, 0, 1, 2)
    with pytest.raises(OutOfSequence, match=r"session 's': sequence number went backwards to 0 .*, expected 3"):
        ordering.offer(received(0, captured_at_ms=9_000_000))


def test_a_jump_too_far_is_refused() -> None:
    ordering = Ordering(SETTINGS)
    offered(ordering, 0)
    with pytest.raises(OutOfSequence, match=r"session 's': sequence number 52 jumps 51 chunks past the expected 1; at"):
        ordering.offer(received(52))


def test_the_longest_jump_is_accepted() -> None:
    ordering = Ordering(SETTINGS)
    assert offered(ordering, 0, 51) == [0]
    assert ordering.holds_back


def test_what_was_refused_changes_nothing() -> None:
    ordering = Ordering(SETTINGS)
    offered(ordering, 0, 2)
    before = ordering.snapshot()
    with pytest.raises(OutOfSequence):
        ordering.offer(received(900))
    with pytest.raises(OutOfSequence):
        ordering.offer(received(0, captured_at_ms=9_000_000))
    assert ordering.snapshot() == before


@st.composite
def arrivals_within_the_wait(draw: st.DrawFn) -> list[int]:
    """20 numbers, each at most 400 ms late, and any of them again at any later time."""
    delays = draw(st.lists(st.integers(0, 4), min_size=20, max_size=20))
    again = draw(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 30)), max_size=20))
    arrivals = [(seq + delay, seq) for seq, delay in enumerate(delays)]
    arrivals += [(seq + delays[seq] + delay, seq) for seq, delay in again]
    return [seq for _, seq in sorted(arrivals, key=lambda arrival: arrival[0])]


@given(arrivals_within_the_wait())
def test_shuffling_within_the_wait_and_duplicating_change_nothing(seqs: list[int]) -> None:
    assert offered(Ordering(SETTINGS), *seqs) == list(range(20))


def offered_to_the_lenient(ordering: Ordering, seq: int) -> list[int | Missing | str]:
    try:
        return [*offered(ordering, seq)]
    except OutOfSequence as error:
        return [str(error)]


@given(st.lists(st.integers(0, 30), max_size=60))
def test_what_comes_out_is_every_number_once_and_in_order(seqs: list[int]) -> None:
    ordering = Ordering(SETTINGS)
    released = [out for seq in seqs for out in offered_to_the_lenient(ordering, seq)]
    released += numbers(ordering.give_up_missing())
    spans = [range(out.first_seq, out.first_seq + out.count) if isinstance(out, Missing) else range(out, out + 1)
             for out in released if not isinstance(out, str)]  # fmt: skip
    assert [seq for span in spans for seq in span] == list(range(ordering.expected_seq))


@given(st.lists(st.integers(0, 30), max_size=60))
def test_a_restore_at_any_point_changes_nothing(seqs: list[int]) -> None:
    undisturbed, restored = Ordering(SETTINGS), Ordering(SETTINGS)
    for seq in seqs:
        at: OrderingState = restored.snapshot()
        restored = Ordering(SETTINGS, at)
        assert offered_to_the_lenient(restored, seq) == offered_to_the_lenient(undisturbed, seq)
    assert restored.snapshot() == undisturbed.snapshot()
