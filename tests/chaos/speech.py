"""Voices that speak without pause for as long as a fault needs: one recording, begun elsewhere by each."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from pipeline.adapters.audio_files import ChunkPlan, chunks_of_file
from pipeline.client.recordings import TWO_CITIES, recording
from pipeline.client.sessions import unique_session_id
from pipeline.domain.types import AudioChunk, Codec

CODECS: Final = (Codec.OPUS, Codec.PCM_S16LE, Codec.FLAC, Codec.MULAW)
"""One after the other, so that each decoder's state is among what a crash may not take."""

CHUNK_MS: Final = 100
TURN_S: Final = 11
"""How much later in the recording each voice begins than the one before it: no two say the same at once."""

STAGGER_MS: Final = 730
"""How much later each voice begins to speak than the one before it: their chunks and segments do not go in step."""

Stream = tuple[AudioChunk, ...]
"""The chunks of one session as its producer sends them, repeats and holes included."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A file of exactly ``ms`` milliseconds and its chunks, those of a session named after it that began at 0."""

    path: Path
    codec: Codec
    ms: int
    stream: Stream

    @property
    def name(self) -> str:
        return self.path.stem


def voices(count: int, seconds: int, folder: Path) -> tuple[Voice, ...]:
    """So many voices, each speaking for ``seconds``; their files are written to ``folder``. Raises SetupError."""
    samples, rate_hz = soundfile.read(recording(TWO_CITIES), dtype="int16")
    return tuple(_voice(number, samples, rate_hz, seconds, folder) for number in range(count))


def in_session(stream: Iterable[AudioChunk], session_id: str, start_at_ms: int) -> Stream:
    """The chunks as those of a session that began at ``start_at_ms``, wall clock."""
    return tuple(
        replace(chunk, session_id=session_id, captured_at_ms=start_at_ms + chunk.captured_at_ms) for chunk in stream
    )


def live_sessions(streams: Iterable[Stream], name: str, start_at_ms: int) -> tuple[Stream, ...]:
    """Each stream as a session of its own, staggered; ``name`` is in their ids, which are used this once."""
    return tuple(
        in_session(stream, unique_session_id(f"{name}-{number}"), start_at_ms + number * STAGGER_MS)
        for number, stream in enumerate(streams)
    )


def chunk_plan(codec: Codec) -> ChunkPlan:
    return ChunkPlan(codec, CHUNK_MS)


def _voice(number: int, samples: NDArray[np.int16], rate_hz: int, seconds: int, folder: Path) -> Voice:
    turned = np.roll(samples, -number * TURN_S * rate_hz)
    path = folder / f"voice-{number}.wav"
    soundfile.write(path, np.resize(turned, seconds * rate_hz), rate_hz)
    codec = CODECS[number % len(CODECS)]
    return Voice(path, codec, seconds * 1000, tuple(chunks_of_file(path, path.stem, chunk_plan(codec), 0)))
