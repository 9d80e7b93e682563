"""Drafts cost or save time, and never change a hypothesis: not a text, not a confidence, not a token."""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.domain.ports import Recognizer
from pipeline.domain.types import SAMPLE_RATE_HZ, Hypothesis, Pcm
from pipeline.engines.greedy import Spoken
from pipeline.engines.moonshine_shape import VOCABULARY
from pipeline.engines.tokenizer import END_TOKEN
from tests.engines.conftest import Utterance

GARBAGE = st.integers(-5, VOCABULARY + 5)


def same(one: Hypothesis, other: Hypothesis) -> bool:
    """Tokens too, which equality leaves out."""
    return one == other and one.tokens == other.tokens


@pytest.fixture(scope="module")
def pieces(beckett: Pcm, two_cities: Pcm) -> list[Pcm]:
    """Three seconds each."""
    return [audio[at : at + 3 * SAMPLE_RATE_HZ] for audio in (beckett, two_cities) for at in (0, 48_000, 96_000)]


@pytest.fixture(scope="module")
def plain(moonshine: Recognizer, pieces: list[Pcm]) -> list[Hypothesis]:
    """What each piece says, decoded step by step."""
    return [moonshine.recognize([piece])[0] for piece in pieces]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_draft_of_any_kind_changes_nothing(
    moonshine: Recognizer, pieces: list[Pcm], plain: list[Hypothesis], data: st.DataObject
) -> None:
    """The right tokens up to some place, then others; in a batch with rows that have drafts of other lengths."""
    members = data.draw(st.lists(st.integers(0, len(pieces) - 1), min_size=1, max_size=4))
    drafts = [
        plain[member].tokens[: data.draw(st.integers(0, 30))] + tuple(data.draw(st.lists(GARBAGE, max_size=6)))
        for member in members
    ]
    heard = moonshine.recognize([pieces[member] for member in members], drafts)
    assert all(same(one, plain[member]) for one, member in zip(heard, members, strict=True))


@pytest.mark.parametrize("length", [1, 10, 200])
def test_nonsense_for_a_draft_changes_nothing(
    moonshine: Recognizer, pieces: list[Pcm], plain: list[Hypothesis], length: int
) -> None:
    drawn = random.Random(length)
    drafts = [[drawn.randrange(VOCABULARY) for _ in range(length)] for _ in pieces]
    assert all(map(same, moonshine.recognize(pieces, drafts), plain))


def test_a_draft_for_silence_is_left_alone(moonshine: Recognizer, pieces: list[Pcm], plain: list[Hypothesis]) -> None:
    silent = np.zeros_like(pieces[0])
    drafts = [(7, 8), plain[0].tokens, ()]
    heard = moonshine.recognize([silent, pieces[0], pieces[1]], drafts)
    assert heard == [Hypothesis(""), plain[0], plain[1]]


def test_growing_speech_says_the_same_with_the_draft_that_came_before(moonshine: Recognizer, beckett: Pcm) -> None:
    assert_the_same_while_it_grows(moonshine, beckett)


@pytest.mark.timeout(600)
def test_growing_utterances_say_the_same_with_the_draft_that_came_before(
    moonshine: Recognizer, utterances: list[Utterance]
) -> None:
    for utterance in random.Random(3).sample(utterances, min(5, len(utterances))):
        assert_the_same_while_it_grows(moonshine, utterance.audio)


def assert_the_same_while_it_grows(recognizer: Recognizer, audio: Pcm) -> None:
    stretches = [audio[: samples + 1] for samples in range(SAMPLE_RATE_HZ, len(audio), SAMPLE_RATE_HZ)]
    plain = [recognizer.recognize([stretch])[0] for stretch in stretches]
    for (before, expected), stretch in zip(pairwise(plain), stretches[1:], strict=True):
        assert same(recognizer.recognize([stretch], [before.tokens])[0], expected)


def test_a_row_takes_what_follows_its_draft_up_to_the_first_wrong_token() -> None:
    spoken = Spoken()
    assert spoken.hear(fed=[1, 10, 11, 99, 13], following=[10, 11, 12, 13, 14], probabilities=[0.5] * 5)
    assert spoken.tokens == [10, 11, 12]


def test_a_row_takes_one_more_token_than_a_draft_that_is_right() -> None:
    spoken = Spoken()
    assert spoken.hear(fed=[1, 10, 11], following=[10, 11, 12], probabilities=[0.5, 0.25, 0.125])
    assert (spoken.tokens, spoken.probabilities) == ([10, 11, 12], [0.5, 0.25, 0.125])


def test_a_row_ends_where_it_says_so_whatever_its_draft_would_go_on_with() -> None:
    spoken = Spoken()
    assert not spoken.hear(fed=[1, 10, END_TOKEN, 12], following=[10, END_TOKEN, 12, 13], probabilities=[0.5] * 4)
    assert spoken.tokens == [10]


def test_a_row_ends_where_its_draft_begins_to_loop() -> None:
    spoken = Spoken()
    loop = [7] * 40
    assert not spoken.hear(fed=[1, *loop], following=[*loop, 8], probabilities=[0.5] * 41)
    assert len(spoken.tokens) < len(loop)
