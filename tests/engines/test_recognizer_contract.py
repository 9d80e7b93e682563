"""Rules that every recogniser keeps: the scripted one and the real ones."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.domain.ports import Recognizer
from pipeline.domain.types import SAMPLE_RATE_HZ, Hypothesis, Pcm
from pipeline.testing import ScriptedRecognizer


@pytest.fixture(params=["scripted", "moonshine", "whisper"])
def recognizer(request: pytest.FixtureRequest) -> Recognizer:
    if request.param == "scripted":
        return ScriptedRecognizer()
    found: Recognizer = request.getfixturevalue(request.param)
    return found


def murmur(seed: int, samples: int) -> Pcm:
    return np.random.default_rng(seed).normal(0, 0.02, samples).astype(np.float32)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 30 * SAMPLE_RATE_HZ))
def test_a_canonical_length_holds_its_audio_and_is_its_own(recognizer: Recognizer, samples: int) -> None:
    canonical = recognizer.canonical_samples(samples)
    assert samples <= canonical <= recognizer.max_samples
    assert recognizer.canonical_samples(canonical) == canonical


def test_longer_audio_than_it_can_take_is_refused(recognizer: Recognizer) -> None:
    with pytest.raises(ValueError, match="are more than the"):
        recognizer.canonical_samples(recognizer.max_samples + 1)


def test_lengths_are_never_mixed_in_a_batch(recognizer: Recognizer) -> None:
    short, long = murmur(1, 2 * SAMPLE_RATE_HZ), murmur(2, 4 * SAMPLE_RATE_HZ)
    if recognizer.canonical_samples(len(short)) == recognizer.canonical_samples(len(long)):
        pytest.skip(f"{recognizer.name} has one canonical length only")
    with pytest.raises(ValueError, match="must share one canonical length"):
        recognizer.recognize([short, long])


def test_an_empty_batch_has_no_texts(recognizer: Recognizer) -> None:
    assert recognizer.recognize([]) == []


@pytest.mark.parametrize("samples", [0, 1, 160, SAMPLE_RATE_HZ])
def test_nothing_is_said_in_silence(recognizer: Recognizer, samples: int) -> None:
    assert recognizer.recognize([np.zeros(samples, np.float32)]) == [Hypothesis("")]


def test_a_silent_member_does_not_move_its_neighbours(recognizer: Recognizer) -> None:
    loud, silent = murmur(3, SAMPLE_RATE_HZ), np.zeros(SAMPLE_RATE_HZ, np.float32)
    (alone,) = recognizer.recognize([loud])
    assert recognizer.recognize([silent, loud, silent]) == [Hypothesis(""), alone, Hypothesis("")]


def test_the_same_audio_gives_the_same_text_again(recognizer: Recognizer) -> None:
    audio = murmur(4, SAMPLE_RATE_HZ)
    assert recognizer.recognize([audio]) == recognizer.recognize([audio])


def test_it_names_itself_and_its_version(recognizer: Recognizer) -> None:
    assert recognizer.name
    assert recognizer.version
    recognizer.warm_up()
