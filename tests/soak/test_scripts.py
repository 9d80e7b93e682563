"""Sessions as a soak plays them: the same by the same seed, in time, and encoded in the order they are due."""

from itertools import pairwise

import pytest

from pipeline.codecs.avro import decode_chunk
from tests.client.helpers import chunk, final
from tests.soak.load import encoded
from tests.soak.scripts import Played, Script, life, quiet_chunk

SPEAKS = Script("speaks", tuple(chunk(seq) for seq in range(5)), ())
PAUSES = Script("pauses", tuple(chunk(seq) for seq in range(5)), (), before=2, pause_ms=1_000)


def lived(seed: int, speaker: int = 0, until_ms: int = 60_000) -> list[Played]:
    sessions: list[Played] = []
    assert list(life(speaker, seed, (SPEAKS, PAUSES), 0, until_ms, sessions.append))
    return sessions


def test_a_seed_and_a_speaker_make_a_life() -> None:
    assert lived(seed=1) == lived(seed=1)
    assert lived(seed=1) != lived(seed=2)
    assert lived(seed=1) != lived(seed=1, speaker=1)


def test_a_life_plays_one_session_after_another_and_begins_none_too_late() -> None:
    begun: list[Played] = []
    chunks = list(life(0, 1, (SPEAKS, PAUSES), 0, 60_000, begun.append))
    starts = [one.captured_at_ms for one in chunks if one.seq == 0]
    assert len({one.session_id for one in chunks}) == len(begun) == len(starts)
    assert all(earlier.captured_at_ms < later.captured_at_ms for earlier, later in pairwise(chunks))
    assert 50_000 < max(starts) < 60_000


def test_what_comes_after_a_pause_is_later_by_it_and_keeps_its_number() -> None:
    played = list(PAUSES.played("s", 10_000))
    assert [one.captured_at_ms for one in played] == [10_000, 10_100, 11_200, 11_300, 11_400]
    assert [one.seq for one in played] == [0, 1, 2, 3, 4]


def test_a_pause_falls_into_the_longest_silence() -> None:
    told = [final(start_ms=0, end_ms=2_000), final(start_ms=2_400, end_ms=5_000), final(start_ms=6_000, end_ms=9_000)]
    assert quiet_chunk(told) == 57
    with pytest.raises(AssertionError, match="longer than 400 ms"):
        quiet_chunk(told[:2])


def test_the_chunks_of_a_load_are_in_the_order_they_are_due_and_its_sessions_begin_apart() -> None:
    records = encoded([Played("one", SPEAKS), Played("other", SPEAKS)], 1_000)
    assert [record.at_ms for record in records] == [
        1_100,
        1_200,
        1_300,
        1_400,
        1_500,
        2_100,
        2_200,
        2_300,
        2_400,
        2_500,
    ]
    assert [decode_chunk(record.value).session_id.encode() for record in records] == [one.key for one in records]
