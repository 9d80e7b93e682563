"""What must hold of every session: a crash changes nothing, nor does the size of the chunks."""

import pickle
from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.actions import Action, Rejected
from pipeline.domain.ordering import OrderingSettings
from pipeline.domain.session import SessionSettings
from pipeline.domain.track import TrackSettings
from pipeline.domain.types import Codec, InferenceRequest, Pcm16, Received, RequestKind
from tests.domain.golden import PORTS as REAL_DECODERS
from tests.domain.golden import chunked
from tests.domain.helpers import (
    BROKEN,
    Keeper,
    chunks_of,
    closings,
    endings,
    final_request,
    heard,
    rejections,
    requests,
    session_of,
    stored,
    talk,
    timeless,
)

BRISK = SessionSettings(
    ordering=OrderingSettings(max_wait_ms=300), track=TrackSettings(max_segment_ms=2_000), max_conceal_ms=250
)
"""Short limits, so that a short stream meets all of them."""

durations_ms = st.integers(1, 18).map(lambda tenths: tenths * 100)
talks = st.lists(st.tuples(st.sampled_from(["speech", "speech", "silence"]), durations_ms), min_size=1, max_size=6).map(
    lambda parts: talk(*(f"{kind} {duration_ms}" for kind, duration_ms in parts))
)


@st.composite
def streams(draw: st.DrawFn) -> list[Received]:
    """A stream of one or two channels, with chunks lost, late, sent twice or broken, and perhaps no end."""
    audio = draw(talks)
    rows = audio if draw(st.booleans()) else np.stack([audio, audio[::-1]])
    return disturbed(draw, chunks_of(rows, draw(st.sampled_from([60, 100, 250])), ends=draw(st.booleans())), BROKEN)


@st.composite
def opus_streams(draw: st.DrawFn) -> list[Received]:
    """The same for Opus, whose decoder remembers more than any other."""
    audio = draw(talks)
    rows = np.atleast_2d(audio) if draw(st.booleans()) else np.stack([audio, audio[::-1]])
    refused = b""
    return disturbed(draw, chunked(Codec.OPUS, 16_000, rows), refused)


def disturbed(draw: st.DrawFn, items: list[Received], broken_packet: bytes) -> list[Received]:
    """``items`` with some lost, late, sent twice or broken."""
    places = st.sets(st.integers(0, len(items) - 1), max_size=4)
    lost, broken, twice = draw(places), draw(places), draw(places)
    delays = draw(st.lists(st.integers(0, 2), min_size=len(items), max_size=len(items)))
    arrivals = [
        (item.chunk.seq + delay, spoilt(item, broken_packet) if item.chunk.seq in broken else item)
        for item, delay in zip(items, delays, strict=True)
        if item.chunk.seq not in lost
    ]
    arrivals += [(seq + 3, items[seq]) for seq in twice]
    return [item for _, item in sorted(arrivals, key=lambda arrival: arrival[0])]


def spoilt(item: Received, broken_packet: bytes = BROKEN) -> Received:
    return replace(item, chunk=replace(item.chunk, packets=(broken_packet,)))


def eventful_stream() -> list[Received]:
    """All that may happen to a stream of two channels: a blip, two sentences, a cut, a break, both sorts of gap."""
    left = talk("speech 100", "silence 500", "speech 3000", "silence 200", "speech 700", "silence 900", "speech 600")
    items = chunks_of(np.stack([left, left[::-1]]))
    items[12] = spoilt(items[12])
    items[20], items[21] = items[21], items[20]
    del items[50:54], items[30]
    return items


@settings(max_examples=60)
@given(streams())
def test_a_crash_after_every_chunk_changes_nothing(items: list[Received]) -> None:
    undisturbed, restored, keeper = session_of(BRISK), session_of(BRISK), Keeper()
    for item in items:
        keeper.keep(restored)
        restored = keeper.restored(BRISK)
        assert list(map(timeless, heard(restored, [item]))) == list(map(timeless, heard(undisturbed, [item])))
    for now_ms in (10**9, 2 * 10**9):
        assert list(map(timeless, restored.wake(now_ms))) == list(map(timeless, undisturbed.wake(now_ms)))
    assert stored(restored.snapshot()) == stored(undisturbed.snapshot())


@settings(max_examples=30)
@given(opus_streams())
def test_a_crash_after_every_chunk_of_opus_changes_nothing(items: list[Received]) -> None:
    undisturbed, restored, keeper = (
        session_of(BRISK, ports=REAL_DECODERS),
        session_of(BRISK, ports=REAL_DECODERS),
        Keeper(),
    )
    for item in items:
        keeper.keep(restored)
        restored = keeper.restored(BRISK, REAL_DECODERS)
        assert list(map(timeless, heard(restored, [item]))) == list(map(timeless, heard(undisturbed, [item])))
    assert list(map(timeless, restored.wake(10**9))) == list(map(timeless, undisturbed.wake(10**9)))


@settings(max_examples=60)
@given(streams(), st.data())
def test_chunks_that_come_again_after_a_crash_change_no_final(items: list[Received], data: st.DataObject) -> None:
    undisturbed, restored, keeper = session_of(BRISK), session_of(BRISK), Keeper()
    crashes = data.draw(st.dictionaries(st.integers(1, 40), st.integers(1, 12), max_size=4))
    found: list[Action] = []
    for count, item in enumerate(items, start=1):
        found += heard(restored, [item])
        keeper.keep(restored)
        if count in crashes:
            restored = keeper.restored(BRISK)
            again = heard(restored, items[max(0, count - crashes[count]) : count])
            assert rejections(again) == again
    found += restored.wake(10**9) + restored.wake(2 * 10**9)
    expected = heard(undisturbed, items) + undisturbed.wake(10**9) + undisturbed.wake(2 * 10**9)
    assert list(map(timeless, found)) == list(map(timeless, expected))


def test_a_crash_after_any_chunk_changes_nothing() -> None:
    items = eventful_stream()
    undisturbed = list(map(timeless, heard(session_of(BRISK), items)))
    first_life, keeper = session_of(BRISK), Keeper()
    before: list[object] = []
    for count, item in enumerate(items):
        keeper.keep(first_life)
        later = heard(keeper.restored(BRISK), items[count:])
        assert before + list(map(timeless, later)) == undisturbed
        before += map(timeless, heard(first_life, [item]))


def test_the_eventful_stream_has_what_it_promises() -> None:
    actions = heard(session_of(BRISK), eventful_stream())
    assert len(rejections(actions)) == 1
    assert endings(actions)[0].gap_ms == 100 + 100 + 400
    assert {(each.channel, each.gap_ms) for each in closings(actions)} >= {(0, 0), (0, 100), (1, 100)}
    assert len(closings(actions)) > 6
    assert {each.kind for each in requests(actions)} == set(RequestKind)


def test_a_restored_session_waits_anew() -> None:
    session, keeper = session_of(), Keeper()
    heard(session, chunks_of(talk("speech 1000"), ends=False))
    keeper.keep(session)
    restored = keeper.restored()
    restored.postpone(500_000_000)
    assert restored.deadline_ms() == 500_030_000
    assert restored.wake(500_029_999) == []
    assert len(endings(restored.wake(500_030_000))) == 1


def test_a_restored_session_remembers_that_it_ended() -> None:
    session, keeper = session_of(), Keeper()
    heard(session, chunks_of(talk("speech 1000")))
    keeper.keep(session)
    restored = keeper.restored()
    assert restored.ended
    assert restored.deadline_ms() == session.deadline_ms()


def test_an_idle_session_is_small() -> None:
    session, keeper = session_of(), Keeper()
    for item in chunks_of(talk("speech 5000", "silence 20000"), ends=False):
        heard(session, [item])
        keeper.keep(session)
    assert len(pickle.dumps(keeper.snapshot)) < 1_000
    assert sum(len(pcm) for _, pcm, _ in keeper.audio[0]) < 800 * 32


def test_a_session_that_ended_keeps_no_audio() -> None:
    session = session_of()
    heard(session, chunks_of(talk("speech 5000")))
    assert session.audio_blocks() == []
    assert len(pickle.dumps(session.snapshot())) < 1_000


def final_spans(audio: Pcm16, chunk_ms: int) -> list[tuple[int, int, int, int, bytes]]:
    """Channel, number, start, end and audio of each closed segment."""
    actions = heard(session_of(BRISK), chunks_of(audio, chunk_ms))
    return [
        (each.channel, each.segment, each.start_ms, each.end_ms, final_request(actions, each).audio)
        for each in closings(actions)
    ]


def audio_spans_ms(audio: Pcm16) -> list[tuple[int, int]]:
    """Where in ``audio`` the audio of each closed segment starts and ends."""
    finals = [pcm for *_, pcm in final_spans(audio, 100)]
    starts = [audio.tobytes().index(pcm) for pcm in finals]
    return [(start // 32, (start + len(pcm)) // 32) for start, pcm in zip(starts, finals, strict=True)]


@settings(max_examples=60)
@given(talks)
def test_the_audio_of_every_segment_reaches_around_its_speech(audio: Pcm16) -> None:
    spoken = [(start_ms, end_ms) for _, _, start_ms, end_ms, _ in final_spans(audio, 100)]
    for (start_ms, end_ms), (audio_start_ms, audio_end_ms) in zip(spoken, audio_spans_ms(audio), strict=True):
        assert start_ms - 480 <= audio_start_ms <= start_ms
        assert end_ms <= audio_end_ms <= end_ms + 192


@settings(max_examples=60)
@given(talks)
def test_no_audio_belongs_to_two_segments(audio: Pcm16) -> None:
    assert all(before[1] <= after[0] for before, after in pairwise(audio_spans_ms(audio)))


@settings(max_examples=60)
@given(talks)
def test_the_size_of_chunks_does_not_change_the_finals(audio: Pcm16) -> None:
    expected = final_spans(audio, 100)
    assert all(final_spans(audio, chunk_ms) == expected for chunk_ms in (20, 60, 250))


@settings(max_examples=60)
@given(streams())
def test_every_segment_that_is_asked_about_is_closed_once_and_in_order(items: list[Received]) -> None:
    session = session_of(BRISK)
    actions = [*heard(session, items), *session.wake(10**9), *session.wake(2 * 10**9)]
    for channel in (0, 1):
        closed = [each.segment for each in closings(actions) if each.channel == channel]
        assert closed == sorted({each.segment for each in requests(actions) if each.channel == channel})
    finals = [(final_request(actions, each), each) for each in closings(actions)]
    assert all((final.start_ms, final.end_ms) == (each.start_ms, each.end_ms) for final, each in finals)


@settings(max_examples=60)
@given(streams(), st.data())
def test_a_lag_takes_partials_and_nothing_else(items: list[Received], data: st.DataObject) -> None:
    lags_ms = data.draw(st.lists(st.sampled_from([0, 5_000]), min_size=len(items), max_size=len(items)))
    late = [replace(item, stored_at_ms=item.at_ms - lag_ms) for item, lag_ms in zip(items, lags_ms, strict=True)]
    lagging, prompt = session_of(BRISK), session_of(BRISK)
    found = list(map(sightless, lasting(heard(lagging, late) + lagging.wake(10**9))))
    assert found == list(map(sightless, lasting(heard(prompt, items) + prompt.wake(10**9))))


def lasting(actions: list[Action]) -> list[Action]:
    """All but what is replaced: partials, and early finals of ends that were none."""
    others = [each for each in actions if not isinstance(each, InferenceRequest)]
    return [*others, *(replace(final_request(actions, each), kind=RequestKind.FINAL) for each in closings(actions))]


def sightless(action: Action) -> object:
    """``action`` without times, those of the chunk in it included."""
    if isinstance(action, Rejected):
        return timeless(replace(action, received=replace(action.received, stored_at_ms=0)))
    return timeless(action)


@settings(max_examples=60)
@given(streams())
def test_the_audio_of_a_request_is_never_shorter_than_its_speech(items: list[Received]) -> None:
    session = session_of(BRISK)
    actions = [*heard(session, items), *session.wake(10**9), *session.wake(2 * 10**9)]
    # Cuts are at samples, and both ends are rounded down to milliseconds.
    assert all(len(each.audio) // 32 >= each.end_ms - each.start_ms - 1 >= 0 for each in requests(actions))


@settings(max_examples=60)
@given(streams())
def test_segments_of_a_channel_never_overlap(items: list[Received]) -> None:
    session = session_of(BRISK)
    actions = [*heard(session, items), *session.wake(10**9), *session.wake(2 * 10**9)]
    for channel in (0, 1):
        ends_ms = [0] + [each.end_ms for each in closings(actions) if each.channel == channel]
        starts_ms = [each.start_ms for each in closings(actions) if each.channel == channel]
        assert all(end_ms <= start_ms for end_ms, start_ms in zip(ends_ms, starts_ms, strict=False))


@settings(max_examples=60)
@given(talks, talks)
def test_segments_never_overlap_where_a_session_was_opened_again(before: Pcm16, after: Pcm16) -> None:
    session, first = session_of(BRISK), chunks_of(before, ends=False)
    actions = [*heard(session, first), *session.wake(10**9), *heard(session, chunks_of(after, first_seq=len(first)))]
    assert all(earlier.end_ms <= later.start_ms for earlier, later in pairwise(closings(actions)))
