"""What a listener saw, and what that says of the wait."""

from typing import Any

import pytest

from perf.shown import (
    Shown,
    by_segment,
    final_waits_ms,
    first_text_waits_ms,
    flicker,
    shown,
    silences_ms,
    texts_by_session,
    within,
)
from tests.client.helpers import arrival, final, partial, session_end


def text(at_ms: int, words: str = "hello there", *, is_final: bool = False, **fields: Any) -> Shown:
    plain: dict[str, Any] = {"session": "a", "segment": 0, "start_ms": 1_000, "end_ms": 3_000}
    return Shown(**plain | fields, at_ms=at_ms, is_final=is_final, text=words)


def test_times_count_from_the_first_sample_of_the_session_and_its_end_is_no_text() -> None:
    seen = [arrival(partial(), 5_300), arrival(final(), 6_200), arrival(session_end(), 6_300)]
    assert [(one.at_ms, one.is_final) for one in shown(seen, {"s": 5_000})] == [(300, False), (1_200, True)]


def test_a_final_is_waited_for_since_the_end_of_speech() -> None:
    assert final_waits_ms([[text(3_250, is_final=True)]]) == [250]


def test_a_segment_that_was_cut_in_mid_speech_ends_no_wait() -> None:
    cut = text(4_000, is_final=True)
    rest = text(5_200, is_final=True, segment=1, start_ms=3_000, end_ms=5_000)
    assert final_waits_ms([[cut], [rest]]) == [200]


def test_a_segment_without_words_is_waited_for_by_nobody() -> None:
    assert final_waits_ms([[text(3_250, "", is_final=True)]]) == []


def test_the_first_text_is_waited_for_since_the_start_of_speech() -> None:
    assert first_text_waits_ms([[text(1_400), text(3_250, is_final=True)]]) == [400]


def test_nothing_is_new_between_one_text_and_the_next() -> None:
    assert silences_ms([[text(1_400), text(2_400), text(3_200, is_final=True)]]) == [400, 1_000, 800]


def test_texts_are_gathered_by_session_and_segment() -> None:
    seen = [text(1, session="b"), text(2, segment=1), text(3), text(4, session="b", is_final=True)]
    assert [[one.at_ms for one in segment] for segment in by_segment(seen)] == [[3], [2], [1, 4]]


def test_a_partial_that_comes_after_its_final_is_not_shown() -> None:
    seen = [text(1), text(2, "hello there.", is_final=True), text(3, "hello th")]
    assert [[one.at_ms for one in segment] for segment in by_segment(seen)] == [[1, 2]]


def test_only_segments_within_the_steady_time_count() -> None:
    segments = [[text(1, start_ms=900)], [text(2, start_ms=1_000, end_ms=2_000)], [text(3, end_ms=2_001)]]
    assert within(segments, 1_000, 2_000) == [segments[1]]


def test_a_text_that_only_grows_does_not_flicker() -> None:
    assert (
        flicker([[text(1, "it was"), text(2, "It was the best."), text(3, "it was the best of", is_final=True)]]) == 0
    )


def test_words_that_are_replaced_flicker() -> None:
    assert flicker([[text(1, "it was a beast"), text(2, "it was the best", is_final=True)]]) == pytest.approx(2 / 4)


def test_a_word_that_moves_on_is_not_taken_back() -> None:
    assert flicker([[text(1, "was the best"), text(2, "it was the best", is_final=True)]]) == 0


def test_where_nothing_was_revised_there_is_no_flicker_to_tell() -> None:
    assert flicker([[text(1, is_final=True)]]) is None


def test_the_text_of_a_session_is_its_finals_in_order() -> None:
    segments = [[text(1, "it"), text(2, "It was", is_final=True)], [text(3, "the best.", is_final=True, segment=1)]]
    assert texts_by_session(segments) == {"a": "It was the best."}
