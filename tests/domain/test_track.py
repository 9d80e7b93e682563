"""One channel: from samples to the stretches that are to be recognised."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.domain.cadence import NO_PARTIALS, CadenceSettings, Load, Pace
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
    cadence=CadenceSettings((Pace(500, 500, 0.25, 10_000),) * 3),
)
FINALS_ONLY = replace(SETTINGS, cadence=NO_PARTIALS)
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


def requests(found: list[Wanted | Closed]) -> list[Wanted]:
    return [each for each in found if isinstance(each, Wanted)]


def audio_spans_ms(found: list[Wanted | Closed], audio: Pcm16) -> list[tuple[int, int]]:
    """Where in ``audio`` the audio of each request starts and ends, in milliseconds; negative if nowhere."""
    pieces = [each.audio.tobytes() for each in requests(found)]
    starts = [audio.tobytes().find(piece) for piece in pieces]
    return [(start // 32, (start + len(piece)) // 32) for start, piece in zip(starts, pieces, strict=True)]


def test_a_sentence_is_one_segment_asked_for_before_it_is_certain_to_end() -> None:
    audio = talk("silence 960", "speech 3200", "silence 640")
    assert spans_ms(found_in(track_of(), audio)) == [
        ("EARLY_FINAL", 0, 0, 960, 4_160),
        ("CLOSED", 0, 0, 960, 4_160),
    ]


def test_the_early_final_is_asked_for_as_soon_as_its_audio_is_there() -> None:
    track = track_of()
    found_in(track, talk("speech 3200", "silence 96"))
    (early,) = found_in(track, talk("silence 32"))
    assert isinstance(early, Wanted)
    assert early.kind is RequestKind.EARLY_FINAL


def test_an_early_final_has_the_audio_from_a_pre_roll_before_its_speech_to_a_tail_after_it() -> None:
    audio = talk("silence 960", "speech 3200", "silence 640")
    assert audio_spans_ms(found_in(track_of(), audio), audio) == [(960 - 320, 4_160 + 128)]


def test_a_partial_has_the_audio_from_a_pre_roll_before_its_speech_to_where_it_was_heard() -> None:
    audio = talk("silence 960", "speech 640")
    found = found_in(track_of(SETTINGS), audio)
    assert spans_ms(found) == [("PARTIAL", 0, 0, 960, 1_472)]
    assert audio_spans_ms(found, audio) == [(960 - 320, 1_472)]


def test_the_pre_roll_ends_at_the_start_of_the_stream() -> None:
    audio = talk("silence 64", "speech 960", "silence 640")
    assert audio_spans_ms(found_in(track_of(), audio), audio) == [(0, 1_024 + 128)]


def test_a_segment_starts_with_its_speech_where_the_pre_roll_is_not_whole() -> None:
    assert spans_ms(found_in(track_of(), talk("silence 64", "speech 960", "silence 640")))[0][3] == 64


def test_the_pre_roll_never_reaches_into_the_audio_of_the_segment_before() -> None:
    audio = talk("speech 3200", "silence 384", "speech 3200", "silence 640")
    found = found_in(track_of(), audio)
    assert spans_ms(found)[-1] == ("CLOSED", 1, 0, 3_584, 6_784)
    assert audio_spans_ms(found, audio) == [(0, 3_200 + 128), (3_200 + 128, 6_784 + 128)]


def test_silence_alone_gives_nothing() -> None:
    assert found_in(track_of(), talk("silence 5000")) == []


def test_a_blip_gives_nothing() -> None:
    assert found_in(track_of(), talk("silence 320", "speech 64", "silence 960")) == []


def test_speech_that_goes_on_discards_the_early_final() -> None:
    audio = talk("speech 3200", "silence 224", "speech 960", "silence 640")
    assert spans_ms(found_in(track_of(), audio)) == [
        ("EARLY_FINAL", 0, 0, 0, 3_200),
        ("EARLY_FINAL", 0, 1, 0, 4_384),
        ("CLOSED", 0, 1, 0, 4_384),
    ]


def test_each_early_final_has_the_audio_to_the_tail_of_its_own_pause() -> None:
    audio = talk("speech 3200", "silence 224", "speech 960", "silence 640")
    assert audio_spans_ms(found_in(track_of(), audio), audio) == [(0, 3_200 + 128), (0, 4_384 + 128)]


def test_a_silence_too_short_for_an_early_final_asks_for_a_final() -> None:
    eager = replace(SETTINGS.endpointing, early_final_ms=400)
    audio = talk("speech 3200", "silence 640")
    assert spans_ms(found_in(track_of(replace(FINALS_ONLY, endpointing=eager)), audio)) == [
        ("FINAL", 0, 0, 0, 3_200),
        ("CLOSED", 0, 0, 0, 3_200),
    ]


@pytest.mark.parametrize("chunk_ms", [20, 32, 100, 250, 4_000])
def test_a_segment_without_an_early_final_ends_at_the_same_place_in_chunks_of_any_size(chunk_ms: int) -> None:
    eager = replace(SETTINGS.endpointing, early_final_ms=400)
    audio = talk("speech 3200", "silence 800")
    found = found_in(track_of(replace(FINALS_ONLY, endpointing=eager)), audio, chunk_ms)
    assert spans_ms(found)[-1] == ("CLOSED", 0, 0, 0, 3_200)
    assert audio_spans_ms(found, audio) == [(0, 3_520)]


def test_partials_are_asked_for_as_the_segment_grows() -> None:
    found = found_in(track_of(SETTINGS), talk("speech 3200"), chunk_ms=100)
    assert spans_ms(found) == [
        ("PARTIAL", 0, 0, 0, 576),
        ("PARTIAL", 0, 1, 0, 1_088),
        ("PARTIAL", 0, 2, 0, 1_600),
        ("PARTIAL", 0, 3, 0, 2_176),
        ("PARTIAL", 0, 4, 0, 2_784),
    ]


def test_the_pre_roll_does_not_count_towards_the_first_partial() -> None:
    track = track_of(SETTINGS)
    assert found_in(track, talk("silence 960", "speech 480")) == []
    assert spans_ms(found_in(track, talk("speech 32"))) == [("PARTIAL", 0, 0, 960, 1_472)]


def test_no_partial_is_asked_for_in_a_pause() -> None:
    track = track_of(SETTINGS)
    found_in(track, talk("speech 352", "silence 128"))
    assert found_in(track, talk("silence 128")) == []


def test_partials_go_on_after_a_pause() -> None:
    track = track_of(SETTINGS)
    found_in(track, talk("speech 352", "silence 224"))
    assert spans_ms(found_in(track, talk("speech 32"))) == [("PARTIAL", 0, 1, 0, 608)]


def test_a_partial_that_is_not_worth_its_cost_uses_up_its_revision() -> None:
    two_paces = CadenceSettings((Pace(500, 500), Pace(1_000, 1_000), Pace(1_000, 1_000)))
    track = track_of(replace(SETTINGS, cadence=two_paces))
    audio = talk("speech 2112")
    found = [each for at in range(0, len(audio), 512) for each in track.hear(audio[at : at + 512], 0, Load.BUSY)]
    assert spans_ms(found) == [("PARTIAL", 0, 1, 0, 1_024), ("PARTIAL", 0, 3, 0, 2_048)]
    assert track.withheld == 2


def test_the_revisions_of_a_segment_count_every_request() -> None:
    audio = talk("speech 1600", "silence 224", "speech 960", "silence 640")
    found = found_in(track_of(SETTINGS), audio)
    assert [each.revision for each in requests(found)] == list(range(len(found) - 1))


def test_too_long_a_segment_is_cut_at_its_quietest_point() -> None:
    audio = talk("speech 11200", "silence 96", "speech 6400", "silence 640")
    first, _, _, second = found_in(track_of(), audio)
    assert isinstance(first, Wanted)
    assert first.kind is RequestKind.FINAL
    assert 11_200 * 16 <= first.end_sample <= 11_296 * 16
    assert (second.start_sample, second.end_sample) == (first.end_sample, 17_696 * 16)


def test_the_audio_of_the_pieces_of_a_cut_segment_meets_at_the_cut() -> None:
    audio = talk("silence 960", "speech 11200", "silence 96", "speech 6400", "silence 640")
    found = found_in(track_of(), audio)
    cut_ms = found[0].end_sample // 16
    assert audio_spans_ms(found, audio) == [(960 - 320, cut_ms), (cut_ms, 18_656 + 128)]


def test_a_partial_after_a_cut_is_due_by_what_was_spoken_since() -> None:
    found = found_in(track_of(replace(SETTINGS, max_segment_ms=1_500)), talk("speech 1400", "silence 64", "speech 800"))
    partial = next(each for each in requests(found) if each.segment == 1)
    assert partial.kind is RequestKind.PARTIAL
    assert 500 * 16 <= partial.end_sample - partial.start_sample < (500 + 32) * 16


def test_the_pieces_of_endless_speech_leave_nothing_out_and_nothing_twice() -> None:
    audio = talk("speech 64000", "silence 640")
    found = found_in(track_of(), audio)
    pieces = [each for each in found if isinstance(each, Closed)]
    audible = {(each.segment, each.revision): each.audio for each in requests(found)}
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
    assert max(len(each.audio) for each in requests(found)) < (15_000 + 320) * 16


def test_the_number_of_the_first_segment_may_be_given() -> None:
    track = Track(FINALS_ONLY, EnergyDetector(), first_segment=41)
    assert track.segment == 41
    assert [each.segment for each in found_in(track, talk("speech 960", "silence 640"))] == [41, 41]
    assert track.segment == 42


def test_a_flush_closes_the_open_segment_with_all_its_audio() -> None:
    track = track_of()
    found_in(track, talk("speech 970"), chunk_ms=100)
    found = track.flush()
    assert spans_ms(found) == [("FINAL", 0, 0, 0, 970), ("CLOSED", 0, 0, 0, 970)]
    assert audio_spans_ms(found, talk("speech 970")) == [(0, 970)]


def test_a_flush_in_a_pause_confirms_the_early_final() -> None:
    track = track_of()
    found_in(track, talk("speech 960", "silence 256"))
    assert spans_ms(track.flush()) == [("CLOSED", 0, 0, 0, 960)]


@pytest.mark.parametrize(("silence_ms", "tail_ms"), [(64, 64), (84, 84), (150, 128)])
def test_a_flush_soon_after_speech_asks_for_its_audio_to_the_end_of_the_tail(silence_ms: int, tail_ms: int) -> None:
    track, audio = track_of(), talk("speech 960", f"silence {silence_ms}")
    found = [*found_in(track, audio, chunk_ms=4_000), *track.flush()]
    assert spans_ms(found)[-1] == ("CLOSED", 0, 0, 0, 960)
    assert audio_spans_ms(found, audio) == [(0, 960 + tail_ms)]


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
        ("EARLY_FINAL", 1, 0, 970, 1_952),
        ("CLOSED", 1, 0, 970, 1_952),
    ]


def test_the_audio_of_speech_after_a_flush_starts_at_the_flush() -> None:
    track, audio = track_of(), talk("speech 970", "speech 960", "silence 640")
    found_in(track, audio[: 970 * 16], chunk_ms=100)
    track.flush()
    assert audio_spans_ms(found_in(track, audio[970 * 16 :]), audio) == [(970, 1_952 + 128)]


def test_a_gap_that_is_stepped_over_leaves_the_clock_right() -> None:
    track = track_of()
    found_in(track, talk("speech 970"), chunk_ms=100)
    assert spans_ms(track.flush_and_skip(3_000 * 16))[-1] == ("CLOSED", 0, 0, 0, 970)
    assert track.end_sample == 3_970 * 16
    later = talk("speech 960", "silence 640")
    found = found_in(track, later)
    assert spans_ms(found)[-1] == ("CLOSED", 1, 0, 3_970, 3_970 + 960)
    assert audio_spans_ms(found, later) == [(0, 960 + 128)]


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


def test_a_closed_segment_knows_the_offsets_of_the_first_and_last_sample_of_its_audio() -> None:
    audio = talk("silence 1000", "speech 3000", "silence 1000")
    found = found_in(track_of(), audio, chunk_ms=100)
    (closed,) = [each for each in found if isinstance(each, Closed)]
    assert audio_spans_ms(found, audio) == [(672, 4_128)]
    assert (closed.first_offset, closed.last_offset) == (600, 4_100)


def test_silence_retains_at_most_half_as_much_again_as_the_pre_roll_and_a_frame() -> None:
    track = track_of()
    for _ in range(200):
        track.hear(talk("silence 100"), 0)
        assert track.end_sample - track.audio_blocks()[0].start_sample <= (320 + 32) * 16 * 3 // 2
