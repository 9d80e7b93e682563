"""One session: chunks go in, what is to be done comes out."""

from dataclasses import replace

import numpy as np

from pipeline.domain.cadence import NO_PARTIALS
from pipeline.domain.ordering import OrderingSettings
from pipeline.domain.session import Session, SessionSettings
from pipeline.domain.track import TrackSettings
from pipeline.domain.types import Codec, Pcm16, RequestKind, StageTimes
from pipeline.errors import InvalidChunk, OutOfSequence, UndecodablePacket, UnknownCodec
from tests.domain.helpers import (
    BROKEN,
    FIRST_OFFSET,
    STARTED_AT_MS,
    chunks_of,
    closings,
    endings,
    final_request,
    heard,
    received,
    rejections,
    requests,
    session_of,
    talk,
)

SENTENCE = talk("silence 1000", "speech 3000", "silence 1000")
SENTENCE_SPAN_MS = (992, 4_000)
"""From the first to the last frame that is heard."""
PADDED_SPAN_MS = (992 - 480, 4_000 + 192)
"""With pre-roll and tail."""
SETTINGS = SessionSettings(
    ordering=OrderingSettings(max_wait_ms=400, max_jump_chunks=36_000),
    track=TrackSettings(cadence=NO_PARTIALS),
    max_conceal_ms=2_000,
    gap_timeout_ms=2_000,
    idle_ms=30_000,
    linger_ms=30_000,
)
"""No partial is ever due."""


def spoken(*parts: str) -> Session:
    """A session that has heard a stretch that has not ended."""
    session = session_of(SETTINGS)
    heard(session, chunks_of(talk(*parts), ends=False))
    return session


def between(audio: Pcm16, start_ms: int, end_ms: int) -> bytes:
    return audio[start_ms * 16 : end_ms * 16].tobytes()


def test_a_sentence_gives_an_early_final_the_end_of_its_segment_and_the_end_of_the_session() -> None:
    actions = heard(session_of(SETTINGS), chunks_of(SENTENCE))
    (early,), (closed,), (ended,) = requests(actions), closings(actions), endings(actions)
    assert actions == [early, closed, ended]
    assert early.kind is RequestKind.EARLY_FINAL
    assert (early.segment, early.revision) == (closed.segment, closed.revision) == (0, 0)


def test_a_segment_and_its_final_text_span_the_speech_itself() -> None:
    actions = heard(session_of(SETTINGS), chunks_of(SENTENCE))
    (closed,) = closings(actions)
    wanted = final_request(actions, closed)
    assert (closed.start_ms, closed.end_ms) == (wanted.start_ms, wanted.end_ms) == SENTENCE_SPAN_MS


def test_the_final_text_is_that_of_the_audio_from_pre_roll_to_tail() -> None:
    actions = heard(session_of(SETTINGS), chunks_of(SENTENCE))
    (closed,) = closings(actions)
    assert final_request(actions, closed).audio == between(SENTENCE, *PADDED_SPAN_MS)


def test_a_request_names_its_session_and_language() -> None:
    (early,) = requests(heard(session_of(SETTINGS), chunks_of(SENTENCE)))
    assert (early.session_id, early.tenant, early.channel, early.language) == ("s", "acme", 0, "en")


def test_a_request_knows_when_the_end_of_its_speech_was_captured_and_when_its_last_sample_arrived() -> None:
    (early,) = requests(heard(session_of(SETTINGS), chunks_of(SENTENCE)))
    at_ms = STARTED_AT_MS + 4_100 + 150
    assert early.times == StageTimes(captured_at_ms=STARTED_AT_MS + 4_000, received_at_ms=at_ms, requested_at_ms=at_ms)


def test_a_request_knows_when_kafka_stored_its_last_sample() -> None:
    items = [replace(item, stored_at_ms=item.at_ms - 40) for item in chunks_of(SENTENCE)]
    (early,) = requests(heard(session_of(SETTINGS), items))
    assert (early.times.received_at_ms, early.times.requested_at_ms) == (items[41].at_ms - 40, items[41].at_ms)


def test_a_closed_segment_and_the_end_know_where_their_audio_stood_in_the_topic() -> None:
    actions = heard(session_of(SETTINGS), chunks_of(SENTENCE))
    (closed,), (ended,) = closings(actions), endings(actions)
    assert (closed.source_partition, ended.source_partition) == (3, 3)
    assert (closed.source_first_offset, closed.source_last_offset) == (FIRST_OFFSET + 5, FIRST_OFFSET + 41)
    assert (ended.source_first_offset, ended.source_last_offset) == (FIRST_OFFSET, FIRST_OFFSET + 49)


def test_the_end_tells_how_long_the_session_was_and_how_many_segments_it_had() -> None:
    audio = talk("speech 1000", "silence 1000", "speech 1000", "silence 1000")
    (ended,) = endings(heard(session_of(SETTINGS), chunks_of(audio)))
    assert (ended.segments, ended.duration_ms, ended.gap_ms) == (2, 4_000, 0)


def test_speech_that_goes_on_discards_its_early_final() -> None:
    actions = heard(session_of(SETTINGS), chunks_of(talk("speech 3000", "silence 250", "speech 1000", "silence 1000")))
    (closed,) = closings(actions)
    assert [each.kind for each in requests(actions)] == [RequestKind.EARLY_FINAL, RequestKind.EARLY_FINAL]
    assert closed.revision == 1


def test_the_end_of_the_stream_closes_the_open_segment() -> None:
    actions = heard(session_of(SETTINGS), chunks_of(talk("speech 1050")))
    final, closed, ended = actions
    assert [final] == requests(actions)
    assert [closed] == closings(actions)
    assert [ended] == endings(actions)
    assert requests(actions)[0].audio == talk("speech 1050").tobytes()


def test_a_last_chunk_without_audio_ends_the_stream_too() -> None:
    session = spoken("speech 1000")
    actions = heard(session, [received(10, end_of_stream=True)])
    assert len(closings(actions)) == len(endings(actions)) == 1
    assert session.ended


def test_an_empty_session_ends_with_nothing_in_it() -> None:
    (ended,) = endings(heard(session_of(SETTINGS), [received(0, end_of_stream=True)]))
    assert (ended.segments, ended.duration_ms, ended.source_first_offset) == (0, 0, FIRST_OFFSET)


def test_channels_are_recognised_each_on_its_own() -> None:
    left = talk("speech 2000", "silence 3000")
    right = talk("silence 2000", "speech 2000", "silence 1000")
    actions = heard(session_of(SETTINGS), chunks_of(np.stack([left, right])))
    first, second = closings(actions)
    assert (first.channel, first.segment, first.start_ms) == (0, 0, 0)
    assert (second.channel, second.segment, second.start_ms) == (1, 0, 1_984)
    assert final_request(actions, first).audio == between(left, 0, first.end_ms + 192)
    assert final_request(actions, second).audio == between(right, 1_984 - 480, second.end_ms + 192)


def test_chunks_out_of_order_are_heard_in_order() -> None:
    shuffled = chunks_of(SENTENCE)
    shuffled[3], shuffled[4], shuffled[20], shuffled[22] = shuffled[4], shuffled[3], shuffled[22], shuffled[20]
    (closed,) = closings(actions := heard(session_of(SETTINGS), shuffled))
    assert final_request(actions, closed).audio == between(SENTENCE, *PADDED_SPAN_MS)


def test_a_chunk_that_cannot_be_decoded_is_rejected_and_concealed() -> None:
    items = chunks_of(SENTENCE)
    items[20] = received(20, BROKEN)
    actions = heard(session_of(SETTINGS), items)
    (rejected,), (closed,), (ended,) = rejections(actions), closings(actions), endings(actions)
    assert rejected.received is items[20]
    assert isinstance(rejected.error, UndecodablePacket)
    assert (closed.gap_ms, ended.gap_ms) == (100, 100)


def test_the_clock_goes_on_over_a_chunk_that_cannot_be_decoded() -> None:
    items = chunks_of(SENTENCE)
    items[20] = received(20, BROKEN)
    actions = heard(session_of(SETTINGS), items)
    (closed,), (ended,) = closings(actions), endings(actions)
    assert (closed.start_ms, closed.end_ms, ended.duration_ms) == (*SENTENCE_SPAN_MS, 5_000)
    audio, (start_ms, end_ms) = final_request(actions, closed).audio, PADDED_SPAN_MS
    assert audio[(2_100 - start_ms) * 32 :] == between(SENTENCE, 2_100, end_ms)


def test_a_stream_whose_last_chunk_cannot_be_decoded_ends_all_the_same() -> None:
    actions = heard(spoken("speech 1000"), [received(10, BROKEN, end_of_stream=True)])
    assert len(rejections(actions)) == len(closings(actions)) == len(endings(actions)) == 1


def test_a_chunk_in_another_format_than_the_first_is_rejected() -> None:
    item = received(1, b"\0\0\0\0", channels=2)
    (rejected,) = rejections(heard(spoken("silence 100"), [item]))
    assert isinstance(rejected.error, InvalidChunk)
    assert "chunk 1" in str(rejected.error)


def test_a_session_takes_its_format_from_the_first_chunk_that_a_decoder_is_known_for() -> None:
    pcm = received(0, b"a")
    opus = replace(pcm, chunk=replace(pcm.chunk, codec=Codec.OPUS))
    session = session_of(SETTINGS, opus)
    (rejected,) = rejections(heard(session, [opus]))
    assert isinstance(rejected.error, UnknownCodec)
    assert rejections(heard(session, chunks_of(talk("speech 300"), first_seq=1))) == []


def test_a_short_gap_is_concealed_and_counted() -> None:
    items = chunks_of(SENTENCE)
    del items[20:23]
    actions = heard(session_of(SETTINGS), items)
    (closed,), (ended,) = closings(actions), endings(actions)
    assert (closed.start_ms, closed.end_ms, closed.gap_ms) == (*SENTENCE_SPAN_MS, 300)
    assert (ended.duration_ms, ended.gap_ms) == (5_000, 300)


def test_a_long_gap_closes_the_segment_and_is_stepped_over() -> None:
    items = chunks_of(audio := talk("speech 6000", "silence 1000"))
    del items[10:40]
    actions = heard(session_of(SETTINGS), items)
    (first, second), (ended,) = closings(actions), endings(actions)
    assert (first.start_ms, first.end_ms) == (0, 1_000)
    assert (second.start_ms, second.end_ms) == (4_000, 6_016)
    assert final_request(actions, second).audio == between(audio, 4_000, 6_016 + 192)
    assert (ended.duration_ms, ended.gap_ms) == (7_000, 3_000)


def test_captured_times_stay_right_after_a_gap() -> None:
    items = chunks_of(talk("speech 6000", "silence 1000"))
    del items[10:40]
    last = requests(heard(session_of(SETTINGS), items))[-1]
    assert last.times.captured_at_ms == STARTED_AT_MS + last.end_ms


def test_captured_times_follow_a_producer_that_paused_without_a_gap_in_its_numbers() -> None:
    session = spoken("silence 1000")
    paused = [
        replace(item, chunk=replace(item.chunk, captured_at_ms=item.chunk.captured_at_ms + 20_000))
        for item in chunks_of(SENTENCE, first_seq=10)
    ]
    (early,) = requests(heard(session, paused))
    assert early.times.captured_at_ms == STARTED_AT_MS + 20_000 + early.end_ms


def test_the_length_of_a_gap_is_that_of_chunks_rounded_to_milliseconds() -> None:
    resampled = talk("speech 1000")[: 10 * 1_599]
    items = [
        received(seq, resampled[start : start + 1_599].tobytes())
        for seq, start in enumerate(range(0, len(resampled), 1_599))
    ]
    del items[4]
    assert endings(heard(session_of(SETTINGS), [*items, received(10, end_of_stream=True)]))[0].gap_ms == 100


def test_a_stream_that_is_joined_late_has_no_gap_before_it() -> None:
    actions = heard(session_of(SETTINGS), chunks_of(SENTENCE, first_seq=90_000))
    (closed,), (ended,) = closings(actions), endings(actions)
    assert (closed.start_ms, ended.duration_ms, ended.gap_ms) == (992, 5_000, 0)


def test_the_segments_of_a_stream_that_is_joined_late_have_numbers_not_used_before() -> None:
    (closed,) = closings(heard(session_of(SETTINGS), chunks_of(SENTENCE, first_seq=90_000)))
    assert closed.segment == 90_000


def test_a_chunk_that_comes_too_late_is_rejected() -> None:
    items = chunks_of(SENTENCE)
    late = items.pop(4)
    session = session_of(SETTINGS)
    heard(session, items[:20])
    (rejected,) = rejections(heard(session, [late]))
    assert isinstance(rejected.error, OutOfSequence)


def test_a_missing_chunk_is_given_up_after_a_while_without_any() -> None:
    session = spoken("speech 1000")
    assert heard(session, [received(11, talk("speech 100").tobytes(), at_ms=50_000)]) == []
    assert session.deadline_ms() == 52_000
    assert session.wake(51_999) == []
    session.wake(52_000)
    assert endings(heard(session, [received(12, end_of_stream=True)]))[0].gap_ms == 100


def test_a_session_without_chunks_ends() -> None:
    session = session_of(SETTINGS)
    heard(session, [received(0, talk("speech 1000").tobytes(), at_ms=50_000)])
    assert session.deadline_ms() == 80_000
    assert session.wake(79_999) == []
    actions = session.wake(80_000)
    assert len(closings(actions)) == len(endings(actions)) == 1
    assert session.ended


def test_a_session_ends_only_once() -> None:
    session = spoken("speech 1000")
    assert len(endings(session.wake(10**9))) == 1
    assert session.wake(10**10) == []


def test_a_chunk_after_the_end_of_the_stream_is_rejected() -> None:
    session = session_of(SETTINGS)
    heard(session, chunks_of(SENTENCE))
    (rejected,) = rejections(heard(session, [received(50, b"\0\0")]))
    assert isinstance(rejected.error, OutOfSequence)
    assert "chunk 50 came after the end of its stream" in str(rejected.error)


def test_a_chunk_that_overtook_the_end_of_its_stream_is_rejected_once_that_is_known() -> None:
    session = spoken("speech 1000")
    assert heard(session, [received(11, talk("speech 100").tobytes(), end_of_stream=True)]) == []
    actions = heard(session, [received(10, end_of_stream=True)])
    assert len(endings(actions)) == 1
    (rejected,) = rejections(actions)
    assert "chunk 11 came after the end of its stream" in str(rejected.error)


def test_a_chunk_that_waits_for_one_past_the_end_of_its_stream_is_rejected() -> None:
    session = spoken("speech 1000")
    heard(session, [received(12, talk("speech 100").tobytes())])
    (rejected,) = rejections(heard(session, [received(10, end_of_stream=True)]))
    assert "chunk 12 came after the end of its stream" in str(rejected.error)


def test_a_duplicate_after_the_end_changes_nothing() -> None:
    session = session_of(SETTINGS)
    items = chunks_of(SENTENCE)
    heard(session, items)
    deadline_ms = session.deadline_ms()
    assert heard(session, items) == []
    assert (session.ended, session.deadline_ms()) == (True, deadline_ms)


def test_an_ended_session_is_remembered_for_a_while() -> None:
    session = spoken("speech 1000")
    heard(session, [received(10, at_ms=50_000, end_of_stream=True)])
    assert not session.forgettable(79_999)
    assert session.forgettable(80_000)


def test_a_session_that_goes_on_is_never_forgotten() -> None:
    assert not spoken("speech 1000").forgettable(10**9)


def test_audio_after_an_end_by_silence_opens_the_session_again() -> None:
    session = spoken("speech 1000")
    (first,) = closings(session.wake(10**9))
    actions = heard(session, chunks_of(SENTENCE, first_seq=10))
    (second,), (ended,) = closings(actions), endings(actions)
    assert second.segment > first.segment
    assert (second.start_ms, second.end_ms) == (1_984, 4_992)
    assert final_request(actions, second).audio == between(SENTENCE, 984 - 480, 3_992 + 192)
    assert (ended.segments, ended.duration_ms) == (2, 6_000)


def test_a_chunk_that_waits_opens_an_ended_session_again_too() -> None:
    session = spoken("speech 1000")
    session.wake(10**9)
    heard(session, [received(11, talk("speech 500").tobytes(), at_ms=10**9 + 1, end_of_stream=True)])
    assert not session.forgettable(10**10)
    (closed,) = closings(actions := session.wake(10**9 + 2_001))
    assert (closed.start_ms, closed.end_ms) == (1_088, 1_600)
    assert len(final_request(actions, closed).audio) == (1_600 - 1_000) * 32
    assert session.ended


def test_a_duplicate_does_not_open_an_ended_session_again() -> None:
    session = spoken("speech 1000")
    session.wake(10**9)
    heard(session, [chunks_of(talk("speech 1000"))[3]])
    assert session.ended
