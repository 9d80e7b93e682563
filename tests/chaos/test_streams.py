"""What is done to chunks is exactly what is said."""

from collections import Counter

from tests.chaos.speech import Stream
from tests.chaos.streams import audio_ms, doubled, dropped, resent, shuffled
from tests.client.helpers import chunk


def stream(count: int) -> Stream:
    return tuple(chunk(seq, end_of_stream=seq == count - 1) for seq in range(count))


def numbers(chunks: Stream) -> list[int]:
    return [each.seq for each in chunks]


def test_doubled_chunks_come_twice_in_a_row() -> None:
    assert numbers(doubled(stream(3))) == [0, 0, 1, 1, 2, 2]


def test_shuffled_chunks_stay_within_their_window_and_none_is_lost() -> None:
    found = numbers(shuffled(stream(20)))
    assert sorted(found) == list(range(20))
    assert found != list(range(20))
    assert all(abs(place - seq) < 3 for place, seq in enumerate(found))


def test_one_chunk_of_fifty_is_dropped_and_never_an_end() -> None:
    missing = set(range(126)) - set(numbers(dropped(stream(126))))
    assert missing == {25, 75}


def test_a_producer_that_reconnects_sends_its_last_ten_chunks_again_and_goes_on() -> None:
    found = numbers(resent(stream(40)))
    assert found == [*range(20), *range(10, 40)]
    assert {seq for seq, times in Counter(found).items() if times == 2} == set(range(10, 20))


def test_audio_counts_once_however_often_it_was_sent() -> None:
    assert audio_ms(doubled(stream(7))) == audio_ms(stream(7)) == 700
