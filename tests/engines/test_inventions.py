"""Nobody's words: what is not speech leaves no trace, and speech that is badly recorded does."""

from collections.abc import Iterable

import numpy as np
import pytest

from perf.inventions import chunks
from perf.signals import SOUNDS, clipped
from pipeline.codecs.decoders import make_decoder
from pipeline.domain.ports import DetectorFactory, Recognizer
from pipeline.domain.scoring import word_errors
from pipeline.domain.session import Ports, SessionSettings
from pipeline.domain.types import AudioChunk, Codec, Pcm, Pcm16, Transcript, TranscriptKind
from pipeline.inprocess import InProcessPipeline, transcribe_chunks
from pipeline.testing import ManualClock

BECKETT = "ever tried ever failed no matter try again fail again fail better"


@pytest.fixture(scope="module")
def pipeline(moonshine: Recognizer, detectors: DetectorFactory) -> InProcessPipeline:
    """The real engine and detector, partials included."""
    return InProcessPipeline(Ports(make_decoder, detectors), moonshine, ManualClock(), SessionSettings(), partials=True)


def transcripts(pipeline: InProcessPipeline, items: Iterable[AudioChunk]) -> list[Transcript]:
    """All there are of one session, of which nothing must stay."""
    found = list(transcribe_chunks(items, pipeline))
    assert [name for name, value in vars(pipeline).items() if isinstance(value, dict) and value] == []
    return found


def text(found: Iterable[Transcript]) -> str:
    return " ".join(each.text for each in found if each.is_final)


def pcm16(audio: Pcm) -> Pcm16:
    return np.rint(audio * 32_767).astype(np.int16)


@pytest.mark.parametrize("sound", SOUNDS)
def test_a_minute_in_which_nobody_speaks_has_an_end_and_nothing_else(pipeline: InProcessPipeline, sound: str) -> None:
    (end,) = transcripts(pipeline, chunks(sound, SOUNDS[sound](60)))
    assert (end.kind, end.segment, end.end_ms) == (TranscriptKind.SESSION_END, 0, 60_000)


def test_a_session_without_audio_has_an_end_and_nothing_else(pipeline: InProcessPipeline) -> None:
    only = AudioChunk("empty", 0, 0, Codec.PCM_S16LE, 16_000, 1, (), end_of_stream=True)
    (end,) = transcripts(pipeline, [only])
    assert (end.kind, end.segment, end.end_ms) == (TranscriptKind.SESSION_END, 0, 0)


@pytest.mark.parametrize("sound", ["silence", "white noise -40 dB", "440 Hz"])
def test_what_is_said_between_is_heard_and_nothing_around_it(
    pipeline: InProcessPipeline, beckett: Pcm, sound: str
) -> None:
    around = SOUNDS[sound](5)
    finals = [
        each
        for each in transcripts(pipeline, chunks(sound, np.concatenate([around, pcm16(beckett), around])))
        if each.is_final
    ]
    assert word_errors(BECKETT, text(finals)).rate < 0.3
    assert all(5_000 <= each.start_ms < each.end_ms <= 5_000 + len(beckett) // 16 for each in finals if each.text)


def test_speech_that_is_twenty_times_too_loud_is_still_understood(pipeline: InProcessPipeline, beckett: Pcm) -> None:
    found = transcripts(pipeline, chunks("loud", clipped(pcm16(beckett), 20)))
    assert word_errors(BECKETT, text(found)).rate < 0.5
