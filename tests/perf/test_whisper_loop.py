"""The streaming loop around a recogniser of whole recordings."""

from dataclasses import dataclass, field

import numpy as np

from perf.peers.whisper import WhisperStream
from pipeline.domain.types import Pcm

SECOND = np.zeros(16_000, np.float32)


@dataclass(frozen=True)
class Segment:
    start: float
    end: float
    text: str


@dataclass
class ScriptedWhisper:
    """Gives the next of its answers, and notes the seconds of audio that it was given."""

    answers: list[list[Segment]]
    given_s: list[float] = field(default_factory=list)

    def transcribe(self, audio: Pcm, **_: object) -> tuple[list[Segment], None]:
        self.given_s.append(len(audio) / 16_000)
        return self.answers.pop(0), None


def test_the_open_audio_is_transcribed_once_a_second() -> None:
    model = ScriptedWhisper([[], []])
    stream = WhisperStream(model)
    for _ in range(4):
        stream.feed(SECOND[:8_000])
    assert model.given_s == [1.0, 2.0]


def test_a_text_at_the_end_of_the_audio_may_change() -> None:
    stream = WhisperStream(ScriptedWhisper([[Segment(0.1, 0.9, " it was")]]))
    (heard,) = stream.feed(SECOND)
    assert (heard.start_ms, heard.end_ms, heard.is_final, heard.text) == (100, 900, False, "it was")


def test_a_text_stays_after_half_a_second_of_silence_and_its_audio_goes() -> None:
    model = ScriptedWhisper([[Segment(0.0, 0.5, "it was")], [Segment(0.6, 1.2, "the best")]])
    stream = WhisperStream(model)
    (first,) = stream.feed(SECOND)
    (second,) = stream.feed(SECOND)
    assert (first.segment, first.is_final) == (0, True)
    assert (second.segment, second.start_ms, second.end_ms) == (1, 1_100, 1_700)
    assert model.given_s == [1.0, 1.5]


def test_at_the_end_every_text_stays() -> None:
    stream = WhisperStream(ScriptedWhisper([[Segment(0.0, 1.0, "it was")]]))
    assert [one.is_final for one in stream.finish()] == [True]
