"""From successive hypotheses to a prefix that stays and a tail that may still change."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.agreement import Agreement, Caption

texts = st.lists(st.sampled_from(["a", "b", "c", "A,", "b.", "-"]), max_size=7).map(" ".join)
hypotheses = st.lists(texts, max_size=8)


def after(*hypotheses: str) -> Agreement:
    agreement = Agreement()
    for hypothesis in hypotheses:
        agreement = agreement.after(hypothesis)
    return agreement


def test_nothing_is_settled_by_one_hypothesis() -> None:
    assert after("the cat sat").caption() == Caption("the cat sat", 0)


def test_words_settle_once_two_hypotheses_agree() -> None:
    assert after("the cat sat", "the cat sat on").caption() == Caption("the cat sat on", len("the cat"))


def test_the_last_word_of_either_hypothesis_never_settles() -> None:
    assert after("the cat", "the cat").settled == ("the",)
    assert after("the cat sat on", "the cat").settled == ("the",)


def test_words_that_differ_do_not_settle() -> None:
    assert after("the cat sat down", "the dog sat down").settled == ("the",)


def test_the_tail_follows_the_newest_hypothesis() -> None:
    assert after("the cat sat down", "the dog ran off").caption().text == "the dog ran off"


def test_a_settled_word_is_not_taken_back_by_a_later_hypothesis() -> None:
    assert after("the cat sat", "the cat sat on", "the bat sat on a").caption().text == "the cat sat on a"


def test_a_settled_word_that_a_later_hypothesis_leaves_out_is_not_said_twice() -> None:
    assert after("well the cat sat", "well the cat sat", "the cat sat on a").caption().text == "well the cat sat on a"


def test_case_and_punctuation_do_not_make_another_word() -> None:
    assert after("Hello, world and", "hello world, and on").settled == ("hello", "world,")


def test_marks_that_stand_alone_are_words() -> None:
    assert after("one - two", "one & two").settled == ("one",)


def test_an_empty_hypothesis_settles_nothing() -> None:
    assert after("", "", "the cat").caption() == Caption("the cat", 0)


def test_an_empty_hypothesis_leaves_what_is_settled() -> None:
    assert after("the cat sat", "the cat sat", "").caption() == Caption("the cat", len("the cat"))


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_silence_has_an_empty_caption(blank: str) -> None:
    assert after(blank).caption() == Caption("", 0)


def test_spaces_between_words_are_single() -> None:
    assert after("  the   cat ").caption().text == "the cat"


@given(hypotheses)
def test_settled_words_stay(texts: list[str]) -> None:
    agreements = [after(*texts[:count]) for count in range(len(texts) + 1)]
    for earlier, later in pairwise(agreements):
        assert later.settled[: len(earlier.settled)] == earlier.settled


@given(hypotheses)
def test_the_stable_text_of_a_caption_begins_every_later_one(texts: list[str]) -> None:
    captions = [after(*texts[:count]).caption() for count in range(len(texts) + 1)]
    for number, earlier in enumerate(captions):
        stable = earlier.text[: earlier.stable_chars]
        assert all(later.text.startswith(stable) for later in captions[number:])


@given(hypotheses)
def test_hypotheses_that_only_grow_are_shown_as_they_are(texts: list[str]) -> None:
    words = " ".join(texts).split()
    grown = [" ".join(words[:count]) for count in range(len(words) + 1)]
    assert after(*grown).caption().text.casefold().split() == " ".join(words).casefold().split()
