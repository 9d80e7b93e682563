"""Bad records are as bad as they claim to be."""

import pytest

from pipeline.codecs.avro import decode_chunk
from pipeline.codecs.validate import validate_chunk
from pipeline.errors import RejectedRecord
from tests.chaos.poison import Bad, bad_records, letters_of, misplaced, spoiled, usable
from tests.chaos.speech import Stream
from tests.client.helpers import chunk

CHUNKS = 80


def stream() -> Stream:
    return tuple(chunk(seq, end_of_stream=seq == CHUNKS - 1) for seq in range(CHUNKS))


def everywhere() -> list[Bad]:
    return [bad for records in bad_records(stream()).values() for bad in records]


@pytest.mark.parametrize("bad", everywhere())
def test_a_bad_record_is_refused_for_the_reason_it_names(bad: Bad) -> None:
    value = bad.value or b""
    if bad.error == "OutOfSequence":  # good by itself: only its session can tell
        validate_chunk(decode_chunk(value), len(value))
        return
    with pytest.raises(RejectedRecord) as refused:
        validate_chunk(decode_chunk(value), len(value))
    assert type(refused.value).__name__ == bad.error


def test_bad_records_come_before_within_and_after_the_session() -> None:
    assert list(bad_records(stream())) == [0, CHUNKS // 4, 3 * CHUNKS // 4, CHUNKS]


def test_a_spoiled_session_has_one_chunk_less_that_can_be_heard() -> None:
    assert len(spoiled(stream())) == CHUNKS
    assert [each.seq for each in usable(spoiled(stream()))] == [seq for seq in range(CHUNKS) if seq != CHUNKS // 2]


def test_chunks_in_the_wrong_place_leave_no_dead_letter() -> None:
    session = spoiled(stream())
    letters = letters_of(session, [bad_records(session)])
    assert letters_of(session, [bad_records(session), misplaced(session, b"other")]) == letters
