"""Whisper on real speech, and what is said where its model or its settings are wrong."""

import threading
from pathlib import Path

import numpy as np
import pytest

from pipeline.domain.ports import Recognizer
from pipeline.domain.types import SAMPLE_RATE_HZ, Hypothesis, Pcm
from pipeline.engines.base import EngineSettings, load_recognizer
from pipeline.engines.catalog import WHISPER_TINY_EN, locate
from pipeline.errors import ModelMissing, SetupError

PIECE_S = 5


def test_ten_seconds_of_beckett_are_understood(whisper: Recognizer, beckett: Pcm) -> None:
    (heard,) = whisper.recognize([beckett])
    for phrase in ("ever tried", "ever failed", "try again", "fail better"):
        assert phrase in heard.text.lower().replace(",", "").replace(".", "")


def test_a_hypothesis_is_the_same_alone_and_in_a_batch(whisper: Recognizer, beckett: Pcm) -> None:
    pieces = [beckett[: PIECE_S * SAMPLE_RATE_HZ], beckett[PIECE_S * SAMPLE_RATE_HZ :]]
    assert whisper.recognize(pieces) == [whisper.recognize([piece])[0] for piece in pieces]


def test_two_threads_get_the_texts_of_one(whisper: Recognizer, beckett: Pcm) -> None:
    pieces = [beckett[: PIECE_S * SAMPLE_RATE_HZ], beckett[PIECE_S * SAMPLE_RATE_HZ :]]
    heard: dict[int, Hypothesis] = {}

    def hear(number: int) -> None:
        (heard[number],) = whisper.recognize([pieces[number]])

    threads = [threading.Thread(target=hear, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [heard[0], heard[1]] == whisper.recognize(pieces)


def test_words_join_to_the_text_and_are_sure_within_bounds(whisper: Recognizer, beckett: Pcm) -> None:
    (heard,) = whisper.recognize([beckett])
    assert " ".join(word.text for word in heard.words) == heard.text
    assert all(word.confidence is not None and 0 < word.confidence <= 1 for word in heard.words)


@pytest.mark.parametrize("level", [1e-3, 5e-2])
def test_nothing_is_invented_in_noise(whisper: Recognizer, level: float) -> None:
    noise = np.random.default_rng(1).normal(0, level, 2 * SAMPLE_RATE_HZ).astype(np.float32)
    assert whisper.recognize([noise]) == [Hypothesis("")]


def test_its_version_names_files_precision_and_provider(whisper: Recognizer) -> None:
    assert whisper.version == f"{WHISPER_TINY_EN.fingerprint}-int8-cpu"


def test_the_same_model_in_a_folder_of_ones_own_says_the_same(whisper: Recognizer, beckett: Pcm) -> None:
    folder = locate(WHISPER_TINY_EN)["model.bin"].parent
    mine = load_recognizer(EngineSettings(recognizer="whisper", model=str(folder)))
    assert mine.name == folder.name
    assert mine.recognize([beckett]) == whisper.recognize([beckett])


def test_a_folder_without_a_model_names_what_it_lacks_and_has(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ModelMissing, match=r"lacks config\.json, model\.bin.*the folder has notes\.txt"):
        load_recognizer(EngineSettings(recognizer="whisper", model=str(tmp_path)))


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="nowhere does not exist; the engine whisper needs config.json"):
        load_recognizer(EngineSettings(recognizer="whisper", model=str(tmp_path / "nowhere")))


def test_a_model_that_is_none_is_no_traceback(tmp_path: Path, whisper: Recognizer) -> None:
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelMissing, match="CTranslate2 cannot load it as int8"):
        load_recognizer(EngineSettings(recognizer="whisper", model=str(tmp_path)))


def test_another_language_than_the_models_is_refused(whisper: Recognizer) -> None:
    with pytest.raises(SetupError, match="VOXFLOW_ENGINE_LANGUAGE='de': this model knows English only"):
        load_recognizer(EngineSettings(recognizer="whisper", language="de"))
