"""One channel: from samples to the stretches that are to be recognised."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.domain.cadence import CadenceSettings
from pipeline.domain.endpointing import EndpointingSettings
from pipeline.domain.track import Closed, Track, TrackSettings, Wanted
from pipeline.domain.types import Pcm16, RequestKind
from tests.domain.helpers import EnergyDetector, talk

SETTINGS = TrackSettings(
    pre_roll_ms=320,
    max_segment_ms=15_000,
    endpointing=EndpointingSettings(
        min_speech_ms=96, early_final_ms=128, silence_ms=320, silence_after_short_ms=480, short_speech_ms=2_000
    ),
    cadence=CadenceSettings(first_ms=500, interval_ms=500, growth=0.25),
)
FINALS_ONLY = replace(SETTINGS, cadence=CadenceSettings(first_ms=10**9))
"""No partial is ever due."""


def track_of(settings: TrackSettings = FINALS_ONLY) -> Track:
    return Track(settings, EnergyDetector())


def found_in(track: Track, audio: Pcm16, chunk_ms: int = 32) -> list[Wanted | Closed]:
    """What the track finds in ``audio``, heard in chunks; the offset of each is its place in milliseconds."""
    size = chunk_ms * 16
    starts = range(0, len(audio), size)
    return [found for start in starts for found in track.hear(audio[start : start + size], start // 16)]


def spans_ms(found: list[Wanted | Closed]) -> list[tuple[str, int, int, int, int]]:
    """Kind, segment, revision, start and end in milliseconds."""
    return [
        (
            each.kind.name if isinstance(each, Wanted) else "CLOSED",
            each.segment,
            each.revision,
            each.start_sample // 16,
            each.end_sample // 16,
        )
        for each in found
    ]


def test_a_sentence_is_one_segment_asked_for_before_it_is_certain_to_end() -> None:
    audio = talk("silence 960", "speech 3200", "silence 640")
    assert spans_ms(found_in(track_of(), audio)) == [
        ("EARLY_FINAL", 0, 0, 960 - 320, 4_160 + 128),
        ("CLOSED", 0, 0, 960 - 320, 4_160 + 128),
    ]


def test_the_early_final_is_asked_for_as_soon_as_its_audio_is_there() -> None:
    track = track_of()
    found_in(track, talk("speech 3200", "silence 96"))
    (early,) = found_in(track, talk("silence 32"))
    assert isinstance(early, Wanted)
    assert early.kind is RequestKind.EARLY_FINAL


def test_a_request_has_the_audio_of_its_span() -> None:
    audio = talk("silence 960", "speech 3200", "silence 640")
    early = found_in(track_of(), audio)[0]
    assert isinstance(early, Wanted)
    assert np.array_equal(early.audio, audio[early.start_sample : early.end_sample])


def test_the_pre_roll_ends_at_the_start_of_the_stream() -> None:
    assert spans_ms(found_in(track_of(), talk("silence 64", "speech 960", "silence 640")))[0][3] == 0


def test_the_pre_roll_never_reaches_into_the_segment_before() -> None:
    audio = talk("speech 3200", "silence 384", "speech 3200", "silence 640")
    *_, second = found_in(track_of(), audio)
    assert spans_ms([second]) == [("CLOSED", 1, 0, 3_200 + 128, 6_784 + 128)]


def test_silence_alone_gives_nothing() -> None:
    assert found_in(track_of(), talk("silence 5000")) == []


def test_a_blip_gives_nothing() -> None:
    assert found_in(track_of(), talk("silence 320", "speech 64", "silence 960")) == []


def test_speech_that_goes_on_discards_the_early_final() -> None:
    audio = talk("speech 3200", "silence 224", "speech 960", "silence 640")
    assert spans_ms(found_in(track_of(), audio)) == [
        ("EARLY_FINAL", 0, 0, 0, 3_200 + 128),
        ("EARLY_FINAL", 0, 1, 0, 4_384 + 128),
        ("CLOSED", 0, 1, 0, 4_384 + 128),
    ]


def test_a_silence_too_short_for_an_early_final_asks_for_a_final() -> None:
    eager = replace(SETTINGS.endpointing, early_final_ms=400)
    audio = talk("speech 3200", "silence 640")
    assert spans_ms(found_in(track_of(replace(FINALS_ONLY, endpointing=eager)), audio)) == [
        ("FINAL", 0, 0, 0, 3_520),
        ("CLOSED", 0, 0, 0, 3_520),
    ]


@pytest.mark.parametrize("chunk_ms", [20, 32, 100, 250, 4_000])
def test_a_segment_without_an_early_final_ends_at_the_same_place_in_chunks_of_any_size(chunk_ms: int) -> None:
    eager = replace(SETTINGS.endpointing, early_final_ms=400)
    found = found_in(track_of(replace(FINALS_ONLY, endpointing=eager)), talk("speech 3200", "silence 800"), chunk_ms)
    assert spans_ms(found)[-1] == ("CLOSED", 0, 0, 0, 3_520)


def test_partials_are_asked_for_as_the_segment_grows() -> None:
    found = found_in(track_of(SETTINGS), talk("speech 3200"), chunk_ms=100)
    assert spans_ms(found) == [
        ("PARTIAL", 0, 0, 0, 576),
        ("PARTIAL", 0, 1, 0, 1_088),
        ("PARTIAL", 0, 2, 0, 1_600),
        ("PARTIAL", 0, 3, 0, 2_176),
        ("PARTIAL", 0, 4, 0, 2_784),
    ]


def test_no_partial_is_asked_for_in_a_pause() -> None:
    track = track_of(SETTINGS)
    found_in(track, talk("speech 352", "silence 128"))
    assert found_in(track, talk("silence 128")) == []


def test_partials_go_on_after_a_pause() -> None:
    track = track_of(SETTINGS)
    found_in(track, talk("speech 352", "silence 224"))
    assert spans_ms(found_in(track, talk("speech 32"))) == [("PARTIAL", 0, 1, 0, 608)]


def test_the_revisions_of_a_segment_count_every_request() -> None:
    audio = talk("speech 1600", "silence 224", "speech 960", "silence 640")
    found = found_in(track_of(SETTINGS), audio)
    assert [each.revision for each in found if isinstance(each, Wanted)] == list(range(len(found) - 1))


def test_too_long_a_segment_is_cut_at_its_quietest_point() -> None:
    audio = talk("speech 11200", "silence 96", "speech 6400", "silence 640")
    first, _, _, second = found_in(track_of(), audio)
    assert isinstance(first, Wanted)
    assert first.kind is RequestKind.FINAL
    assert 11_200 * 16 <= first.end_sample <= 11_296 * 16
    assert (second.start_sample, second.end_sample) == (first.end_sample, (17_696 + 128) * 16)


def test_the_pieces_of_endless_speech_leave_nothing_out_and_nothing_twice() -> None:
    audio = talk("speech 64000", "silence 640")
    found = found_in(track_of(), audio)
    pieces = [each for each in found if isinstance(each, Closed)]
    audible = {(each.segment, each.revision): each.audio for each in found if isinstance(each, Wanted)}
    assert [each.segment for each in pieces] == list(range(len(pieces)))
    assert len(pieces) >= 64_000 // 15_000
    heard = np.concatenate([audible[each.segment, each.revision] for each in pieces])
    assert np.array_equal(heard, audio[: len(heard)])
    assert len(heard) == (64_000 + 128) * 16


@pytest.mark.parametrize("pause_ms", [32, 128, 256, 480])
@pytest.mark.parametrize("speech_ms", [14_900, 14_976, 15_000])
def test_no_request_is_longer_than_the_longest_segment_and_a_pause(speech_ms: int, pause_ms: int) -> None:
    audio = talk(f"speech {speech_ms}", f"silence {pause_ms}", "speech 14000", "silence 640")
    found = found_in(track_of(SETTINGS), audio)
    assert max(len(each.audio) for each in found if isinstance(each, Wanted)) < (15_000 + 320) * 16


def test_the_number_of_the_first_segment_may_be_given() -> None:
    track = Track(FINALS_ONLY, EnergyDetector(), first_segment=41)
    assert track.segment == 41
    assert [each.segment for each in found_in(track, talk("speech 960", "silence 640"))] == [41, 41]
    assert track.segment == 42


def test_a_flush_closes_the_open_segment_with_all_its_audio() -> None:
    track = track_of()
    found_in(track, talk("speech 970"), chunk_ms=100)
    assert spans_ms(track.flush()) == [("FINAL", 0, 0, 0, 970), ("CLOSED", 0, 0, 0, 970)]


def test_a_flush_in_a_pause_confirms_the_early_final() -> None:
    track = track_of()
    found_in(track, talk("speech 960", "silence 256"))
    assert spans_ms(track.flush()) == [("CLOSED", 0, 0, 0, 960 + 128)]


def test_a_flush_in_silence_closes_nothing() -> None:
    track = track_of()
    found_in(track, talk("speech 960", "silence 960"))
    assert track.flush() == []


def test_a_flush_drops_what_was_not_yet_certain_to_be_speech() -> None:
    track = track_of()
    found_in(track, talk("silence 960", "speech 64"))
    assert track.flush() == []


def test_speech_after_a_flush_is_the_next_segment() -> None:
    track = track_of()
    found_in(track, talk("speech 970"), chunk_ms=100)
    track.flush()
    assert spans_ms(found_in(track, talk("speech 960", "silence 640"))) == [
        ("EARLY_FINAL", 1, 0, 970, 2_080),
        ("CLOSED", 1, 0, 970, 2_080),
    ]


def test_a_gap_that_is_stepped_over_leaves_the_clock_right() -> None:
    track = track_of()
    found_in(track, talk("speech 970"), chunk_ms=100)
    assert spans_ms(track.flush_and_skip(3_000 * 16))[-1] == ("CLOSED", 0, 0, 0, 970)
    assert track.end_sample == 3_970 * 16
    assert spans_ms(found_in(track, talk("speech 960", "silence 640")))[-1] == ("CLOSED", 1, 0, 3_970, 3_970 + 1_088)


def test_a_track_restored_right_after_a_gap_goes_on_at_the_same_place() -> None:
    track, restored = track_of(), track_of()
    found_in(track, talk("speech 970"), chunk_ms=100)
    track.flush_and_skip(3_000 * 16)
    restored.restore(track.snapshot(), track.audio_blocks())
    later = talk("speech 960", "silence 640")
    assert spans_ms(found_in(restored, later)) == spans_ms(found_in(track, later))
    assert restored.end_sample == track.end_sample


def test_concealed_audio_is_counted_in_its_segment() -> None:
    track = track_of()
    found_in(track, talk("speech 960"))
    track.hear_gap(np.zeros(60 * 16, np.int16), 960)
    (closed,) = [each for each in found_in(track, talk("speech 960", "silence 640")) if isinstance(each, Closed)]
    assert closed.gap_ms == 60


def test_the_gap_of_one_segment_is_not_counted_in_the_next() -> None:
    track = track_of()
    found_in(track, talk("speech 960"))
    track.hear_gap(np.zeros(60 * 16, np.int16), 960)
    found = found_in(track, talk("speech 960", "silence 640", "speech 960", "silence 640"))
    assert [each.gap_ms for each in found if isinstance(each, Closed)] == [60, 0]


def test_a_closed_segment_knows_the_offsets_of_its_first_and_last_sample() -> None:
    audio = talk("silence 1000", "speech 3000", "silence 1000")
    (closed,) = [each for each in found_in(track_of(), audio, chunk_ms=100) if isinstance(each, Closed)]
    assert (closed.start_sample // 16, closed.first_offset) == (672, 600)
    assert (closed.end_sample // 16, closed.last_offset) == (4_128, 4_100)


def test_silence_retains_little_more_than_the_pre_roll() -> None:
    track = track_of()
    for _ in range(200):
        track.hear(talk("silence 100"), 0)
        (start, samples) = (track.audio_blocks()[0].start_sample, track.end_sample)
        assert samples - start <= (2 * (320 + 32) + 100) * 16
