"""Loops and inventions are recognised; speech that repeats itself is not."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.guard import MAX_PERIOD, MIN_REPEATED_TOKENS, MIN_REPEATS, is_invented, loop_period, trimmed

PHRASES = st.lists(st.integers(3, 9), min_size=1, max_size=MAX_PERIOD)


def test_three_sayings_of_a_phrase_are_speech() -> None:
    said = [7, 8, 9] * 3
    assert (loop_period(said), trimmed(said)) == (None, said)


def test_a_short_word_said_eight_times_is_speech() -> None:
    assert loop_period([5] * 8) is None


def test_a_phrase_said_over_and_over_is_kept_once() -> None:
    assert trimmed([1, 2, 3, *[7, 8, 9] * 4]) == [1, 2, 3, 7, 8, 9]


def test_a_loop_that_breaks_off_inside_its_phrase_is_found_as_well() -> None:
    assert len(trimmed([1, 2, *[7, 8, 9, 10] * 4, 7, 8])) == 2 + 4


@given(st.lists(st.integers(10, 99), max_size=20, unique=True), PHRASES)
def test_every_loop_is_found_and_what_came_before_it_is_kept(before: list[int], phrase: list[int]) -> None:
    loop = phrase * max(MIN_REPEATS, -(-MIN_REPEATED_TOKENS // len(phrase)))
    kept = trimmed(before + loop)
    assert kept[: len(before)] == before
    assert 1 <= len(kept) - len(before) <= len(phrase)


@given(st.lists(st.integers(3, 99), unique=True))
def test_a_text_without_repeats_stays_as_it_is(tokens: list[int]) -> None:
    assert trimmed(tokens) == tokens


def test_what_the_model_hears_in_noise_is_told_from_speech() -> None:
    invented, said = ["You", "", "\u266a", "\u266a\ufffd", "..."], ["You.", "You know", "Yes.", "3"]
    assert [is_invented(text, [0.9]) for text in invented + said] == [True] * 5 + [False] * 4


def test_a_sentence_that_the_model_hardly_believes_is_no_speech() -> None:
    assert is_invented("The first is the", [0.1, 0.02, 0.1, 0.4])
    assert not is_invented("If Quarge suppose.", [0.9, 0.05, 0.9, 0.8])
    assert is_invented("no", [0.0])
