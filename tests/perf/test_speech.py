"""What voices say."""

from pathlib import Path

import numpy as np

from perf.speech import TAIL_MS, Corpus, fitting, room
from pipeline.client.recordings import BECKETT, TWO_CITIES


def test_recordings_fill_the_time_in_their_order_and_those_too_long_are_passed_over() -> None:
    assert fitting([3_000, 9_000, 4_000, 2_000], order=[2, 1, 0, 3], limit_ms=9_500) == (2, 0, 3)


def test_a_voice_says_something_even_if_nothing_fits() -> None:
    assert fitting([3_000, 9_000], order=[1, 0], limit_ms=1_000) == (1,)


def test_a_room_is_never_digitally_silent_for_long() -> None:
    loud = np.flatnonzero(room(16_000))
    assert np.diff(loud).max() < 160


def test_without_a_manifest_voices_say_what_comes_with_the_model(tmp_path: Path) -> None:
    corpus = Corpus.found_in(tmp_path)
    assert corpus.name == TWO_CITIES
    assert corpus.spoken[0].reference.startswith("It was the best of times")


def test_voices_of_a_number_are_the_same_in_every_run(tmp_path: Path) -> None:
    corpus = two_recordings(tmp_path)
    one, again = corpus.voice(1, 15, 1.0), corpus.voice(1, 15, 1.0)
    assert one.said == again.said
    assert np.array_equal(one.audio, again.audio)


def test_pauses_take_their_share_of_the_time(tmp_path: Path) -> None:
    corpus = two_recordings(tmp_path)
    paused = corpus.voice(0, 20, 0.6)
    spoken = sum(len(corpus.audio[one]) for one in paused.said)
    assert abs(spoken / (len(paused.audio) - 16 * TAIL_MS) - 0.6) < 0.01


def two_recordings(folder: Path) -> Corpus:
    from pipeline.client.recordings import recording

    path = recording(BECKETT)
    (folder / "manifest.jsonl").write_text(f'{{"file": "{path}", "text": "a b"}}\n{{"file": "{path}", "text": "c"}}\n')
    return Corpus.found_in(folder)
