"""Where speech starts and ends, from the speech probabilities of frames of 32 ms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.endpointing import Endpointer, EndpointingSettings, Event, State

SETTINGS = EndpointingSettings(
    start_probability=0.5,
    continue_probability=0.35,
    min_speech_ms=96,
    early_final_ms=128,
    silence_ms=320,
    silence_after_short_ms=480,
    short_speech_ms=2_000,
)
PROBABILITIES = {"#": 1.0, "~": 0.4, ".": 0.0}
"""A loud frame is heard, a quiet one only once speech has started, a silent one never."""


def events(frames: str, settings: EndpointingSettings = SETTINGS) -> list[tuple[int, Event]]:
    """What the frames made certain, each with the end of its frame in milliseconds."""
    return stepped(Endpointer(settings), frames)


def stepped(endpointer: Endpointer, frames: str, from_ms: int = 0) -> list[tuple[int, Event]]:
    starts = range(from_ms, from_ms + 32 * len(frames), 32)
    made = [
        (start + 32, endpointer.step(PROBABILITIES[frame], start, start + 32))
        for frame, start in zip(frames, starts, strict=True)
    ]
    return [(at_ms, event) for at_ms, event in made if event is not None]


def after(frames: str) -> Endpointer:
    endpointer = Endpointer(SETTINGS)
    stepped(endpointer, frames)
    return endpointer


@pytest.mark.parametrize(
    ("frames", "state"),
    [
        ("", State.SILENCE),
        (".", State.SILENCE),
        ("#", State.MAYBE_SPEECH),
        ("##", State.MAYBE_SPEECH),
        ("#.", State.SILENCE),
        ("###", State.SPEECH),
        ("####", State.SPEECH),
        ("###.", State.MAYBE_SILENCE),
        ("###..", State.MAYBE_SILENCE),
        ("###.#", State.SPEECH),
        ("###" + 15 * ".", State.SILENCE),
    ],
)
def test_each_state_leads_to_the_next(frames: str, state: State) -> None:
    assert after(frames).state is state


def test_speech_starts_once_it_was_heard_long_enough() -> None:
    assert events("..###") == [(160, Event.STARTED)]


def test_the_onset_is_where_it_was_first_heard() -> None:
    assert after("..###").onset_ms == 64


def test_a_short_blip_is_no_speech() -> None:
    assert events("##.##.#.#.##" + 20 * ".") == []


def test_the_onset_is_that_of_the_stretch_that_was_long_enough() -> None:
    assert after("##.###").onset_ms == 96


def test_starting_takes_a_higher_probability_than_going_on() -> None:
    assert events("~~~~~~") == []
    assert events("###" + 30 * "~") == [(96, Event.STARTED)]


def test_resuming_takes_no_more_than_going_on() -> None:
    assert events("###.~")[-1] == (160, Event.RESUMED)


def test_an_onset_that_fades_below_the_start_is_no_speech() -> None:
    assert events("##~~~~") == []


def test_a_pause_is_reported_once_it_is_long_enough_for_an_early_final() -> None:
    assert events("###....") == [(96, Event.STARTED), (224, Event.PAUSED)]


def test_a_pause_is_reported_only_once() -> None:
    assert events("###" + 14 * ".") == [(96, Event.STARTED), (224, Event.PAUSED)]


def test_each_pause_is_reported() -> None:
    assert [event for _, event in events("###....#....")] == [
        Event.STARTED,
        Event.PAUSED,
        Event.RESUMED,
        Event.PAUSED,
    ]


def test_a_short_breath_is_no_pause() -> None:
    assert events("###...###") == [(96, Event.STARTED), (224, Event.RESUMED)]


def test_silence_starts_anew_with_each_pause() -> None:
    assert Event.ENDED not in [event for _, event in events(100 * "#" + 9 * "." + "#" + 9 * ".")]


def test_speech_ends_where_its_silence_began() -> None:
    assert after(100 * "#" + 5 * ".").speech_end_ms == 3_200


def test_long_speech_ends_after_the_usual_silence() -> None:
    assert events(100 * "#" + 20 * ".")[-1] == (3_200 + 320, Event.ENDED)


def test_short_speech_asks_for_a_longer_silence() -> None:
    assert events(10 * "#" + 20 * ".")[-1] == (320 + 480, Event.ENDED)


def test_a_pause_within_counts_towards_the_length_of_speech() -> None:
    hesitant = 30 * "#" + 5 * "." + 30 * "#"
    assert events(hesitant + 20 * ".")[-1] == (2_080 + 320, Event.ENDED)


def test_a_silence_shorter_than_the_early_final_ends_without_a_pause() -> None:
    abrupt = EndpointingSettings(early_final_ms=400, silence_ms=320, silence_after_short_ms=320)
    assert events("###" + 10 * ".", abrupt) == [(96, Event.STARTED), (416, Event.ENDED)]


def test_a_segment_is_open_from_the_start_of_speech_to_its_end() -> None:
    assert not after("##").in_speech
    assert after("###").in_speech
    assert after("###....").in_speech
    assert not after("###" + 15 * ".").in_speech


def test_a_pause_lasts_from_its_report_until_speech_goes_on() -> None:
    assert not after("###...").in_pause
    assert after("###....").in_pause
    assert not after("###....#").in_pause
    assert not after("###....#.").in_pause
    assert not after("###" + 15 * ".").in_pause


FOLLOWERS = {
    None: {Event.STARTED},
    Event.STARTED: {Event.PAUSED, Event.RESUMED, Event.ENDED},
    Event.PAUSED: {Event.RESUMED, Event.ENDED},
    Event.RESUMED: {Event.PAUSED, Event.RESUMED, Event.ENDED},
    Event.ENDED: {Event.STARTED},
}


@given(st.text("#~.", max_size=200))
def test_starts_and_ends_alternate_with_pauses_only_between(frames: str) -> None:
    last = None
    for _, event in events(frames):
        assert event in FOLLOWERS[last]
        last = event


durations_ms = st.sampled_from([0, 1, 31, 32, 33, 96, 320, 480])


@given(
    st.builds(
        EndpointingSettings,
        min_speech_ms=durations_ms,
        early_final_ms=durations_ms,
        silence_ms=durations_ms,
        silence_after_short_ms=durations_ms,
        short_speech_ms=durations_ms,
    ),
    st.text("#~.", max_size=60),
)
def test_whatever_can_be_reached_is_in_the_table(settings: EndpointingSettings, frames: str) -> None:
    endpointer = Endpointer(settings)
    stepped(endpointer, frames)
    assert endpointer.state in State


@given(st.text("#~.", max_size=60), st.text("#~.", max_size=60))
def test_a_restored_endpointer_goes_on_as_the_undisturbed_one(before: str, later: str) -> None:
    undisturbed = after(before)
    restored = Endpointer(SETTINGS, undisturbed.snapshot())
    from_ms = 32 * len(before)
    assert stepped(restored, later, from_ms) == stepped(undisturbed, later, from_ms)
    assert restored.snapshot() == undisturbed.snapshot()


@pytest.mark.parametrize(("asked_ms", "silence_ms", "early_ms"), [(200, 192, 128), (256, 256, 192), (1_000, 992, 192)])
def test_a_silence_that_was_asked_for_is_one_of_whole_frames(asked_ms: int, silence_ms: int, early_ms: int) -> None:
    settings = EndpointingSettings.ending_after(asked_ms)
    assert settings.end_silence_ms(100) == settings.end_silence_ms(10_000) == silence_ms
    assert settings.early_final_ms == early_ms


def test_a_silence_that_ends_words_is_refused() -> None:
    with pytest.raises(ValueError, match="127 ms"):
        EndpointingSettings.ending_after(127)
