"""The very stretches that the pipeline has recognised as finals, for the bare engine to be measured on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from perf.job import session_settings
from perf.live import chunks
from perf.speech import Voice
from pipeline.client.sessions import wall_ms
from pipeline.codecs.decoders import make_decoder
from pipeline.domain.ports import Recognizer
from pipeline.domain.session import Ports
from pipeline.domain.types import Hypothesis, Pcm
from pipeline.engines.base import EngineSettings, load_detector
from pipeline.inprocess import InProcessPipeline, transcribe_chunks

CHUNK_MS: Final = 100


@dataclass
class Listener(Recognizer):
    """Keeps what it is asked to recognise, and recognises nothing."""

    name: str = "listener"
    version: str = "1"
    max_samples: int = 30 * 16_000
    stretches: list[Pcm] = field(default_factory=list)

    def canonical_samples(self, samples: int) -> int:
        return samples

    def recognize(self, batch: Sequence[Pcm], drafts: Sequence[Sequence[int]] = ()) -> list[Hypothesis]:
        self.stretches += batch
        return [Hypothesis("") for _ in batch]

    def warm_up(self) -> None:
        """Is always warm."""


def stretches_of(voices: Sequence[Voice]) -> list[Pcm]:
    """Each final's audio: shape (samples,), float32 in [-1, 1], 16 kHz, as the measured job cuts it."""
    listener = Listener()
    ports = Ports(make_decoder, load_detector(EngineSettings()))
    pipeline = InProcessPipeline(ports, listener, wall_ms, session_settings(), partials=False)
    for voice in voices:
        for _ in transcribe_chunks(chunks(f"voice-{voice.number}", voice.chunks(CHUNK_MS), 0, CHUNK_MS), pipeline):
            pass
    return listener.stretches
