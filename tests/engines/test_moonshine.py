"""Moonshine on real speech: the words are right, and the batch never changes them."""

import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from pipeline.domain.ports import Recognizer
from pipeline.domain.scoring import pooled, word_errors
from pipeline.domain.types import SAMPLE_RATE_HZ, Hypothesis, Pcm
from tests.engines.conftest import Utterance

LENGTHS_S = (1.0, 4.0)
"""Every utterance is also cut to these, so that there are batches of equal length to make."""


@pytest.mark.timeout(1200)
def test_a_hypothesis_is_the_same_alone_and_in_any_batch(moonshine: Recognizer, utterances: list[Utterance]) -> None:
    """Texts, words and confidences, bit for bit."""
    shuffle = random.Random(7)
    for stretches in by_canonical_length(moonshine, utterances).values():
        alone = [moonshine.recognize([audio])[0] for audio in stretches]
        order = shuffle.sample(range(len(stretches)), len(stretches))
        for members in batches(order, shuffle):
            together = moonshine.recognize([stretches[at] for at in members])
            assert together == [alone[at] for at in members]


@pytest.mark.timeout(600)
def test_speech_is_understood(moonshine: Recognizer, utterances: list[Utterance]) -> None:
    """11 % of the words are wrong over the whole folder; a part of it may be harder."""
    errors = [word_errors(one.text, moonshine.recognize([one.audio])[0].text) for one in utterances]
    assert pooled(errors).rate < 0.16


def test_ten_seconds_of_beckett_are_understood(moonshine: Recognizer, beckett: Pcm) -> None:
    (heard,) = moonshine.recognize([beckett])
    for phrase in ("ever tried", "ever failed", "try again", "fail better"):
        assert phrase in heard.text.lower().replace(",", "").replace(".", "")


def test_long_speech_is_understood_in_pieces(moonshine: Recognizer, two_cities: Pcm) -> None:
    pieces = np.array_split(two_cities, 4)
    heard = " ".join(moonshine.recognize([piece])[0].text for piece in pieces).lower()
    for phrase in ("best of times", "age of wisdom", "season of light"):
        assert phrase in heard


def test_words_join_to_the_text_and_are_sure_within_bounds(moonshine: Recognizer, beckett: Pcm) -> None:
    (heard,) = moonshine.recognize([beckett])
    assert " ".join(word.text for word in heard.words) == heard.text
    assert all(word.confidence is not None and 0 < word.confidence <= 1 for word in heard.words)


def test_louder_and_quieter_speech_says_much_the_same(moonshine: Recognizer, beckett: Pcm) -> None:
    (loud,), (quiet,) = moonshine.recognize([beckett]), moonshine.recognize([beckett * np.float32(0.1)])
    assert word_errors(loud.text, quiet.text).rate < 0.2


@pytest.mark.parametrize("level", [3e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("samples", [1_600, 8_000, 16_000])
def test_nothing_is_invented_in_a_second_of_noise(moonshine: Recognizer, level: float, samples: int) -> None:
    noise = np.random.default_rng(samples).normal(0, level, samples).astype(np.float32)
    assert moonshine.recognize([noise]) == [Hypothesis("")]


def by_canonical_length(recognizer: Recognizer, utterances: list[Utterance]) -> dict[int, list[Pcm]]:
    stretches: dict[int, list[Pcm]] = defaultdict(list)
    for utterance in utterances:
        for seconds in (*LENGTHS_S, len(utterance.audio) / SAMPLE_RATE_HZ):
            audio = utterance.audio[: int(seconds * SAMPLE_RATE_HZ)]
            stretches[recognizer.canonical_samples(len(audio))].append(audio)
    return stretches


def batches(order: list[int], shuffle: random.Random) -> Iterator[list[int]]:
    """Cuts of 1 to 8."""
    rest = iter(order)
    while members := list(islice(rest, shuffle.randint(1, 8))):
        yield members
