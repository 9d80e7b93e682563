"""Word errors, their interval and percentiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.scoring import (
    WordErrors,
    bootstrap_interval,
    normalized,
    percentiles,
    pooled,
    word_errors,
)

words = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8)


def slow_distance(one: list[str], other: list[str]) -> int:
    """Levenshtein as it is defined, without any cleverness."""
    if not one or not other:
        return len(one) + len(other)
    if one[-1] == other[-1]:
        return slow_distance(one[:-1], other[:-1])
    return 1 + min(slow_distance(one[:-1], other), slow_distance(one, other[:-1]), slow_distance(one[:-1], other[:-1]))


def test_case_punctuation_and_apostrophes_do_not_count() -> None:
    assert (
        normalized("  Don't STOP\u2014it\u2019s a well-known, `shop boy`!  ") == "dont stop its a well known shop boy"
    )


def test_marks_stay_inside_their_words() -> None:
    assert normalized("हिन्दी") == "हिन्दी"


def test_each_kind_of_error_is_counted() -> None:
    assert word_errors("the cat sat here", "the dog sat") == WordErrors(1, 1, 0, 4)
    assert word_errors("the cat", "oh the cat") == WordErrors(0, 0, 1, 2)


def test_a_perfect_text_has_no_errors() -> None:
    assert word_errors("It was the best of times,", "it was the best of times").rate == 0


def test_words_invented_on_silence_still_cost() -> None:
    assert word_errors("", "thank you").rate == 2


def test_long_texts_weigh_more_than_short_ones() -> None:
    assert pooled([WordErrors(1, 0, 0, 1), WordErrors(0, 0, 0, 9)]).rate == pytest.approx(0.1)


@given(words, words)
def test_the_total_is_the_edit_distance(reference: list[str], hypothesis: list[str]) -> None:
    errors = word_errors(" ".join(reference), " ".join(hypothesis))
    assert errors.total == slow_distance(reference, hypothesis)


@given(words, words)
def test_lengths_explain_the_difference_of_deletions_and_insertions(
    reference: list[str], hypothesis: list[str]
) -> None:
    errors = word_errors(" ".join(reference), " ".join(hypothesis))
    assert errors.deletions - errors.insertions == len(reference) - len(hypothesis)
    assert errors.reference_words == len(reference)


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalized(normalized(text)) == normalized(text)


def test_the_interval_holds_the_rate_and_repeats_with_its_generator() -> None:
    errors = [WordErrors(index % 3, 0, 0, 10) for index in range(30)]
    low, high = bootstrap_interval(errors, np.random.default_rng(7))
    assert low < pooled(errors).rate < high
    assert bootstrap_interval(errors, np.random.default_rng(7)) == (low, high)


def test_texts_that_are_all_alike_leave_no_doubt() -> None:
    assert bootstrap_interval([WordErrors(1, 0, 0, 10)] * 5, np.random.default_rng(1)) == (0.1, 0.1)


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_interval([], np.random.default_rng(1))


def test_percentiles_interpolate() -> None:
    assert percentiles([0, 10, 20], (50, 95)) == {"p50": 10.0, "p95": 19.0}


def test_percentiles_of_nothing_are_unknown() -> None:
    assert percentiles([], (50,)) == {"p50": None}
